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
check "the same with 8-bit activations" "$NIGHTJAR" -q --set model.power_saver=yes eval "$SCRATCH/card.truth.jsonl" -m models/savanna.nj --json
cp "$SCRATCH/check.out" "$SCRATCH/saver.json"
check "blank or not and the species by day are right as often" jq -e '.blank.rate >= 0.9 and .species_set_exact_day_single.rate >= 0.9' "$SCRATCH/saver.json"
check "the probabilities are not quite the same" sh -c '! cmp -s "$1" "$2"' - "$SCRATCH/score.json" "$SCRATCH/saver.json"
check "a station reads so, if told to" "$NIGHTJAR" -q --set model.power_saver=yes --set model.path=models/savanna.nj --set "ingest.cards=$SCRATCH/card" \
    --set "database.path=$SCRATCH/saver.db" run --once --force --limit 2
same "and its answers say so" "savanna.nj (8-bit)|2" \
    "$(sqlite3 "$SCRATCH/saver.db" "select model, count(*) from events where state = 'done' group by model")"
check "the file says where it comes from" sh -c "'$NIGHTJAR' probe tensors -m models/savanna.nj | grep -q w4a16"
check "and is at most 6 MB" test "$(stat -c %s models/savanna.nj)" -le 6000000
tap_done
