# The table of scripts/measure-speed, from pairs that are done piece by piece beside a peer that always says the same.
. tests/tap.sh
[ -n "$SHARED" ] || { skip "no reference files" && tap_done; }
model=$SHARED/reference/checkpoints/tiny-w4a16-g128
export RESULTS="$SCRATCH/results" TOKENIZER="$model/tokenizer.json"
echo "echo '{\"prefill_tps\": 8, \"decode_tps\": 4, \"peak_mib\": 77}'" >"$SCRATCH/peer"
measure() { scripts/measure-speed --only "$1" "sh $SCRATCH/peer" a b "$model" "$2" 2>/dev/null; }
measure prefill 1 >/dev/null
measure prefill 2 >/dev/null
measure answer 1 >"$SCRATCH/table"
same "pairs add up, a line each" "3 1 1" "$(grep -c prefill "$RESULTS") $(grep -c 'batch 1' "$RESULTS") $(grep -c 'batch 4' "$RESULTS")"
check "prefill: three pairs and their limit" grep -Eq '^\| prefill, 512 tokens \| .* \| 8 tokens/s \| .* \([0-9.]*–[0-9.]*\) \| 2.[68] \| .* % of int16 .*\| 70 % \| 3 \|$' "$SCRATCH/table"
check "an answer has no limit" grep -Eq '^\| answer under the schema, batch 4 \| .* \| 4 tokens/s \| [0-9.]* \| (8|10) \|  \|  \| 1 \|$' "$SCRATCH/table"
check "the peer's memory" grep -qx 'Of the peer: 77 MiB.' "$SCRATCH/table"
# The middle of three: of pairs that we know.
sed 's/"ratio":[0-9.]*/"ratio":2/' "$RESULTS" | sed '1s/"ratio":2/"ratio":1/; 2s/"ratio":2/"ratio":9/' >"$SCRATCH/known"
mv "$SCRATCH/known" "$RESULTS"
check "the median and the range" sh -c 'scripts/measure-speed --table | grep -q "| 2 (1–9) |"'
scripts/measure-speed --only nothing a b c d >/dev/null 2>&1
same "a row that there is not" 2 $?
tap_done
