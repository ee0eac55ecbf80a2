# The probes of the engine as a user calls them: files in, files out, JSON on stdout. Values are checked by test_golden; here it is the whole answer of
# `probe generate`, the shapes of arrays, and what is said when something is missing.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files here"
    tap_done
fi
R=$SHARED/reference
M=$R/checkpoints/tiny-it

for case in tiny-it-gen-text-0 tiny-it-gen-text-2 tiny-text-gen tiny-w4a16-g128-gen; do
    checkpoint=$R/checkpoints/$(jq -r ".cases[] | select(.name == \"$case\").checkpoint" "$R/manifest.json")
    same "$case: ids, text and stop" "$(jq -cS . "$R/golden/gen-$case.json")" \
        "$("$NIGHTJAR" probe generate -m "$checkpoint" --ids "$R/golden/ids-$case.json" -n 48 --exact --json | jq -cS .)"
done
same "-n is kept to" 5 "$("$NIGHTJAR" probe generate -m "$M" --ids "$R/golden/ids-tiny-it-gen-text-0.json" -n 5 --exact | jq '.ids | length')"

shape() { head -c 128 "$1" | LC_ALL=C tr -cd ' -~' | sed -n "s/.*'shape': (\([^)]*\)).*/\1/p"; }
"$NIGHTJAR" probe logits -m "$M" --ids "$R/golden/ids-tiny-it-short.json" --all --exact -o "$SCRATCH/all.npy"
same "logits --all: [positions][vocabulary]" "11, 1024" "$(shape "$SCRATCH/all.npy")"
"$NIGHTJAR" probe logits -m "$M" --ids "$R/golden/ids-tiny-it-short.json" --exact -o "$SCRATCH/last.npy"
same "logits: [vocabulary]" "1024," "$(shape "$SCRATCH/last.npy")"
same "the last row of all is the last" "$(tail -c 4096 "$SCRATCH/all.npy" | sha256sum)" "$(tail -c 4096 "$SCRATCH/last.npy" | sha256sum)"
"$NIGHTJAR" probe vision -m "$M" "$R/pictures/turned.jpg" --soft-tokens 70 --exact -o "$SCRATCH/vision.npy"
same "vision: [positions][hidden]" "$(shape "$R/golden/vision-turned-70.npy")" "$(shape "$SCRATCH/vision.npy")"

refused() { # NAME EXPRESSION ARGUMENTS...: exit 1 and a sentence
    refused_name=$1 refused_words=$2
    shift 2
    "$NIGHTJAR" probe "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
    same "$refused_name: exit 1, one sentence" "1 1" "$? $(tail -n 1 "$SCRATCH/err" | grep -c -- "$refused_words")"
}
refused "pictures missing" "image positions" logits -m "$M" --ids "$R/golden/ids-tiny-it-1-image.json" -o "$SCRATCH/x.npy"
refused "one picture too many" "the 2 pictures fill 132" logits -m "$M" --ids "$R/golden/ids-tiny-it-1-image.json" \
    --image "$R/pictures/wide.jpg" --image "$R/pictures/wide.jpg" --soft-tokens 70 -o "$SCRATCH/x.npy"
refused "a text model shown a picture" "no vision tower" vision -m "$R/checkpoints/tiny-text" "$R/pictures/wide.jpg" --soft-tokens 70 -o "$SCRATCH/x.npy"
refused "a budget that does not exist" "71" vision -m "$M" "$R/pictures/wide.jpg" --soft-tokens 71 -o "$SCRATCH/x.npy"
echo '[2, 1024]' >"$SCRATCH/ids.json"
refused "an id beyond the vocabulary" "vocabulary ends at 1023" logits -m "$M" --ids "$SCRATCH/ids.json" -o "$SCRATCH/x.npy"
echo '[2, "a"]' >"$SCRATCH/ids.json"
refused "ids that are none" "element 1 is not an id" logits -m "$M" --ids "$SCRATCH/ids.json" -o "$SCRATCH/x.npy"
"$NIGHTJAR" probe logits -m "$M" --ids "$SCRATCH/ids.json" 2>/dev/null
same "a missing -o is a usage error" 2 "$?"
tap_done
