# The probes of text and pictures on the command line: output to the byte, exit statuses, sentences.
. tests/tap.sh

if [ -z "$SHARED" ]; then
    skip "no reference files"
    tap_done
fi
model=$SHARED/reference/checkpoints/tiny-it
tokenizer=$SHARED/data/tokenizer/gemma4-tokenizer.json.zst

# fails NAME STATUS PATTERN COMMAND…: the exit status, and a last line on stderr that matches.
fails() {
    fails_name=$1 fails_status=$2 fails_pattern=$3
    shift 3
    "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
    same "$fails_name: status" "$fails_status" $?
    check "$fails_name: sentence" grep -q "$fails_pattern" "$SCRATCH/err"
}

printf 'The quick brown fox jumps over the lazy dog.' >"$SCRATCH/fox"
same "tokenize from stdin" "[818, 3823, 8864, 37423, 38167, 1024, 506, 31770, 4799, 236761]" \
    "$("$NIGHTJAR" probe tokenize -m "$tokenizer" <"$SCRATCH/fox")"
same "tokenize from a file, special tokens" "[2, 105, 2364, 107]" \
    "$(printf '<bos><|turn>user\n' >"$SCRATCH/turn" && "$NIGHTJAR" probe tokenize -m "$tokenizer" --special --file "$SCRATCH/turn")"
same "detokenize" "$(cat "$SCRATCH/fox")" \
    "$(echo '[818, 3823, 8864, 37423, 38167, 1024, 506, 31770, 4799, 236761]' | "$NIGHTJAR" probe detokenize -m "$tokenizer")"
for file in gguf/tiny-it-q8_0.gguf gguf/tiny-pruned-k.gguf checkpoints/tiny-pruned checkpoints/tiny-it/tokenizer.json; do
    same "$file holds the same tokenizer" "$("$NIGHTJAR" probe tokenize -m "$model" --special <"$SCRATCH/turn")" \
        "$("$NIGHTJAR" probe tokenize -m "$SHARED/reference/$file" --special <"$SCRATCH/turn")"
done
fails "no model" 2 "MODEL is missing" "$NIGHTJAR" probe tokenize
fails "no such file" 1 "/no/such/model" "$NIGHTJAR" probe tokenize -m /no/such/model
echo '[1, 262144]' >"$SCRATCH/ids"
fails "an id beyond the vocabulary" 1 "element 1" sh -c '"$0" probe detokenize -m "$1" <"$2"' "$NIGHTJAR" "$model" "$SCRATCH/ids"

printf '{"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " Hi "}]}]}' >"$SCRATCH/chat"
same "render" "$(printf '<bos><|turn>user\n<|image|>Hi<turn|>\n<|turn>model\n.')" \
    "$("$NIGHTJAR" probe render -m "$model" "$SCRATCH/chat" && echo .)"
same "render with thinking, without a generation prompt" \
    "$(printf '<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\n<|image|>Hi<turn|>\n.')" \
    "$("$NIGHTJAR" probe render -m "$model" --think --no-generation "$SCRATCH/chat" && echo .)"
printf '{"messages": 5}' >"$SCRATCH/bad"
fails "render: no messages" 1 "bad: no .messages." "$NIGHTJAR" probe render -m "$model" "$SCRATCH/bad"

for name in wide turned; do
    check "pixels of $name.jpg" "$NIGHTJAR" probe pixels "$SHARED/reference/pictures/$name.jpg" --soft-tokens 70 -o "$SCRATCH/p.npy"
    check "$name.jpg to the byte" cmp "$SCRATCH/p.npy" "$SHARED/reference/golden/pixels-$name-70.npy"
done
fails "a budget that does not exist" 1 "71 soft tokens" \
    "$NIGHTJAR" probe pixels "$SHARED/reference/pictures/wide.jpg" --soft-tokens 71 -o "$SCRATCH/no.npy"
fails "half a file" 1 "truncated_half.jpg: no picture: the file ends early" \
    "$NIGHTJAR" probe pixels "$SHARED/reference/images/src/truncated_half.jpg" -o "$SCRATCH/no.npy"
check "a refusal leaves no file" test ! -e "$SCRATCH/no.npy"
tap_done
