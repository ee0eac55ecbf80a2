# `nightjar ask`: the same question, put together by the probes, must give the same answer; seeds do what they promise.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files here"
    tap_done
fi
R=$SHARED/reference
M=$R/checkpoints/tiny-it
ask() { "$NIGHTJAR" ask -m "$M" --exact --max-tokens 12 "$@"; }

cat >"$SCRATCH/messages.json" <<END
{"messages": [{"role": "user", "content": [{"type": "text", "text": "Which animals are visible?"}]}]}
END
"$NIGHTJAR" probe render -m "$M" "$SCRATCH/messages.json" >"$SCRATCH/prompt"
"$NIGHTJAR" probe tokenize -m "$M" --special --file "$SCRATCH/prompt" >"$SCRATCH/ids.json"
same "temperature 0 answers as probe generate" \
    "$("$NIGHTJAR" probe generate -m "$M" --ids "$SCRATCH/ids.json" -n 12 --exact | jq -r .text)" "$(ask --temperature 0 "Which animals are visible?")"
first=$(ask --seed 7 "Which animals are visible?")
same "one seed, one answer" "$first" "$(ask --seed 7 "Which animals are visible?")"
check "another seed, another answer" [ "$first" != "$(ask --seed 8 "Which animals are visible?")" ]
check "a picture changes the answer" \
    [ "$(ask --temperature 0 "Which?")" != "$(ask --temperature 0 --image "$R/pictures/wide.jpg" --soft-tokens 70 "Which?")" ]
thoughtful() { ask --seed 7 --think --thought-tokens 20 "Which animals are visible?"; }
thoughtful >"$SCRATCH/answer" 2>"$SCRATCH/thought"
check "a thought goes to stderr" test -s "$SCRATCH/thought"
same "no mark of it to stdout" 0 "$(grep -c 'channel' "$SCRATCH/answer")"
same "thoughts, too, follow the seed" "$(cat "$SCRATCH/answer")" "$(thoughtful 2>/dev/null)"
"$NIGHTJAR" ask -m "$M" >/dev/null 2>&1
same "no question is a usage error" 2 "$?"
"$NIGHTJAR" ask -m "$M" --top-p 2 Hi >/dev/null 2>&1
same "a probability above one is a usage error" 2 "$?"
tap_done
