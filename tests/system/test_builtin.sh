# The built-in model on a card that it never saw: far better than chance, through the whole program. The real score stands in docs/model.md.
. tests/tap.sh
if ! command -v jq >/dev/null; then
    skip "no jq here"
    tap_done
fi
"$BUILD/trapcam" card "$SCRATCH/card" --seed 40117 --sites 8 --events 24 >/dev/null
check "eval reads every event" "$NIGHTJAR" -q eval "$SCRATCH/card.truth.jsonl" -m models/savanna.nj --json
cp "$SCRATCH/check.out" "$SCRATCH/score.json"
check "all answers follow the schema" jq -e '.unread == 0 and .json_valid.rate == 1' "$SCRATCH/score.json"
check "blank or not is right in nine of ten" jq -e '.blank.rate >= 0.9' "$SCRATCH/score.json"
check "so is the species by day, one species" jq -e '.species_set_exact_day_single.rate >= 0.9' "$SCRATCH/score.json"
check "every second count, of twelve bins" jq -e '.count_bin.rate >= 0.5' "$SCRATCH/score.json"
check "the file says where it comes from" sh -c "'$NIGHTJAR' probe tensors -m models/savanna.nj | grep -q w4a16"
check "and is at most 6 MB" test "$(stat -c %s models/savanna.nj)" -le 6000000
tap_done
