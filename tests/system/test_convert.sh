# convert on the command line: what it writes, what it refuses, and that nothing is left behind.
. tests/tap.sh

check "a random model is packed" "$NIGHTJAR" -q convert --random tiny --quantize w4a16 --group 32 --head int8 -o "$SCRATCH/a.nj"
check "and lists its tensors" "$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj"
same "with its lineage" 1 "$("$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj" | grep -c '^lineage: .*never trained')"
same "and every checksum" 0 "$("$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj" --json | tail -n 1 | grep -c 'sha256:[^"]*":"--')"
check "it goes out as compressed-tensors" "$NIGHTJAR" -q convert --random tiny --quantize w4a16 --group 32 --to compressed-tensors -o "$SCRATCH/ct"
check "and comes in again" "$NIGHTJAR" -q convert "$SCRATCH/ct" -o "$SCRATCH/b.nj"
"$NIGHTJAR" -q convert "$SCRATCH/missing" -o "$SCRATCH/c.nj" 2>"$SCRATCH/err"
same "a source that is not there: exit 1" 1 $?
same "and one sentence" 1 "$(wc -l <"$SCRATCH/err")"
"$NIGHTJAR" -q convert "$SCRATCH/ct" 2>/dev/null
same "no target: a usage error" 2 $?
"$NIGHTJAR" -q convert --random tiny --seed 7th -o "$SCRATCH/c.nj" 2>/dev/null
same "a seed that is no number, too" 2 $?
# Rounding that follows bursts of a card, and what it does to decisions
if [ -x "$BUILD/trapcam" ]; then
    "$BUILD/trapcam" card "$SCRATCH/card" --events 1 --size 320x240
    check "a model is calibrated with a card" "$NIGHTJAR" convert --random tiny --quantize w4a16 --group 32 --calibrate "$SCRATCH/card" -o "$SCRATCH/e.nj"
    same "and says how often the same was decided" 1 "$(grep -c '^  blank: the same decision [01] of 1 times' "$SCRATCH/check.out")"
    same "which the file remembers" 1 "$("$NIGHTJAR" probe tensors -m "$SCRATCH/e.nj" | grep -c '^lineage: .*"decisions":{.*"blank":\[[01],1\]')"
    rm "$SCRATCH/e.nj"
else
    skip "no trapcam here"
fi
# Whatever the groups, the way out and in again changes nothing.
echo '[2, 5, 9, 300, 7, 41]' >"$SCRATCH/ids.json"
logits() { "$NIGHTJAR" probe logits -m "$1" --ids "$SCRATCH/ids.json" --all --exact -o "$SCRATCH/$2.npy"; }
for group in 64 128 channel; do
    check "groups: $group" "$NIGHTJAR" -q convert --random tiny --quantize w4a16 --group $group --head int4 -o "$SCRATCH/g.nj"
    check "out" "$NIGHTJAR" -q convert "$SCRATCH/g.nj" --to compressed-tensors -o "$SCRATCH/g"
    check "and in again" "$NIGHTJAR" -q convert "$SCRATCH/g" -o "$SCRATCH/h.nj"
    logits "$SCRATCH/g.nj" packed
    logits "$SCRATCH/g" folder
    logits "$SCRATCH/h.nj" again
    check "the same logits out of the folder" cmp "$SCRATCH/packed.npy" "$SCRATCH/folder.npy"
    check "and out of the second file" cmp "$SCRATCH/packed.npy" "$SCRATCH/again.npy"
    rm -r "$SCRATCH/g"
done
rm "$SCRATCH/g.nj" "$SCRATCH/h.nj"
# What lies beside the weights comes along, compressed or not, and is asked for the one thing that templates differ in.
mkdir "$SCRATCH/beside"
cp "$SCRATCH"/ct/* "$SCRATCH/beside"
zstd -q --rm "$SCRATCH/beside/tokenizer.json"
printf '{{ bos_token }}<|channel>thought\\n<channel|>' >"$SCRATCH/beside/chat_template.jinja"
check "a folder with tokenizer.json.zst is packed" "$NIGHTJAR" -q convert "$SCRATCH/beside" -o "$SCRATCH/d.nj"
check "and goes out again" "$NIGHTJAR" -q convert "$SCRATCH/d.nj" --to compressed-tensors -o "$SCRATCH/out"
check "with the same tokenizer" cmp "$SCRATCH/ct/tokenizer.json" "$SCRATCH/out/tokenizer.json"
check "and chat template" cmp "$SCRATCH/beside/chat_template.jinja" "$SCRATCH/out/chat_template.jinja"
echo '{"messages": [{"role": "user", "content": "which?"}]}' >"$SCRATCH/messages.json"
render() { "$NIGHTJAR" probe render -m "$1" "$SCRATCH/messages.json"; }
same "whose empty thought is in the prompt" "$(printf '<bos><|turn>user\nwhich?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>')" "$(render "$SCRATCH/beside")"
same "also out of the packed file" "$(render "$SCRATCH/beside")" "$(render "$SCRATCH/d.nj")"
same "and not where no template asks for it" "$(printf '<bos><|turn>user\nwhich?<turn|>\n<|turn>model\n')" "$(render "$SCRATCH/b.nj")"
rm "$SCRATCH/d.nj"
truncate -s 300000 "$SCRATCH/ct/model.safetensors"
"$NIGHTJAR" -q convert "$SCRATCH/ct" -o "$SCRATCH/c.nj" 2>"$SCRATCH/err"
same "a file cut short is refused" 1 $?
same "and named" 1 "$(grep -c 'cut short' "$SCRATCH/err")"
# What a killed conversion left goes with the next one to that name; a running one keeps what is its own, and so does the user.
mkdir "$SCRATCH/f.nj.tmp-killed" "$SCRATCH/f.nj.tmp-works1" "$SCRATCH/f.nj.tmp-backup" "$SCRATCH/f.nj.tmp-killed/model"
touch "$SCRATCH/f.nj.tmp-killed/.nightjar-convert" "$SCRATCH/f.nj.tmp-killed/model/model.safetensors" "$SCRATCH/f.nj.tmp-works1/.nightjar-convert" \
    "$SCRATCH/f.nj.tmp-backup/mine"
check "beside a running conversion" flock "$SCRATCH/f.nj.tmp-works1/.nightjar-convert" "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/f.nj"
same "only what was left over goes" "f.nj f.nj.tmp-backup f.nj.tmp-works1" "$(cd "$SCRATCH" && echo f.nj*)"
check "a calibration" "$NIGHTJAR" -q convert "$SCRATCH/f.nj" --prune-mlp 0.3 --quantize w4a16 --group 32 --calibrate "$SCRATCH/messages.json" -o "$SCRATCH/f.nj"
rm -r "$SCRATCH"/f.nj*
"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/out" 2>"$SCRATCH/err"
same "a folder is no file" 1 $?
same "which is said before any work" 1 "$(grep -c 'is a folder' "$SCRATCH/err")"
mkfifo "$SCRATCH/pipe"
"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/pipe" 2>"$SCRATCH/err"
same "nor is a pipe" 1 $?
same "and it is still there" pipe "$(cd "$SCRATCH" && find . -type p | sed 's|./||')"
same "nothing half-written is left" "a.nj b.nj" "$(cd "$SCRATCH" && echo *.nj*)"
tap_done
