# "Bringing a model" in docs/manual.md, command by command as it is written there, on folders of the same layout and names as the published ones.
. tests/tap.sh

if [ -z "$SHARED" ]; then
    skip "no reference checkpoints here"
    tap_done
fi
REFERENCE=$(cd "$SHARED/reference" && pwd)
MANUAL=$PWD/docs/manual.md
PATH=$(cd "$(dirname "$NIGHTJAR")" && pwd):$PATH
cd "$SCRATCH" || exit 1

# A snapshot in the cache of the hub is a folder of links to files that are named by their hash.
mkdir -p hub/blobs wild-gemma-4-E4B-it
for file in "$REFERENCE"/checkpoints/tiny-it/*; do
    hash=$(sha256sum "$file" | cut -c1-40)
    cp "$file" "hub/blobs/$hash"
    ln -s "../hub/blobs/$hash" "wild-gemma-4-E4B-it/$(basename "$file")"
done
ln -s "$REFERENCE/checkpoints/tiny-it" gemma-4-E4B-it
ln -s "$REFERENCE/adapters/tiny-lora" wild-gemma-lora
ln -s "$REFERENCE/checkpoints/tiny-w4a16-g128" wild-gemma-w4a16
ln -s "$REFERENCE/checkpoints/tiny-text" wild-gemma-text
ln -s "$REFERENCE/gguf/tiny-it-q4_0.gguf" wild.gguf
ln -s "$REFERENCE/gguf/tiny-it-mmproj-f16.gguf" mmproj.gguf

sed -n '/^## Bringing a model/,/^### What it costs/p' "$MANUAL" | grep -o '`nightjar convert [^`]*`' | tr -d '`' >commands
same "the manual has a command for each form" 5 "$(wc -l <commands)"
while read -r command; do
    rm -f wild.nj
    check "$command" sh -c "$command"
    case $command in *-text*) health=warning ;; *) health=ok ;; esac
    same "  and the station's doctor says" $health \
        "$(nightjar --set model.path=wild.nj --set database.path="$SCRATCH/nightjar.db" doctor | sed -n 's/^\([a-z]*\)  *model .*/\1/p')"
    echo '[2, 30, 40, 50, 60]' >ids
    check "  and it answers" nightjar probe generate -m wild.nj --ids ids -n 4
done <commands
check "an adapter of its own: nothing is converted" nightjar --set model.adapter=wild-gemma-lora probe generate -m gemma-4-E4B-it --ids ids -n 4
check "what is in a file can be seen" nightjar probe tensors -m wild.nj
check "and goes out again" nightjar convert wild.nj --to compressed-tensors -o folder
same "in the published layout" "config.json model.safetensors tokenizer.json" "$(cd folder && ls config.json model.safetensors tokenizer.json | tr '\n' ' ' | sed 's/ $//')"
tap_done
