#!/bin/sh
# `nightjar eval`: the published answers counted as their file says, and from labelled events to a calibration table that the station uses.
. tests/tap.sh
if [ -n "$SHARED" ]; then
    rows=$SHARED/data/sentinel/model_outputs.jsonl
    "$NIGHTJAR" eval --json "$rows" >"$SCRATCH/score"
    count() { jq -s "[.[] | select($1)] | length" "$rows"; }
    same "strictly valid as the file says" "$(count .strict_json)" "$(jq '.json_valid.rate * .json_valid.n | round' "$SCRATCH/score")"
    same "valid for the authors as the file says" "$(count .authors_json_valid)" \
        "$(jq '.authors_json_valid.rate * .authors_json_valid.n | round' "$SCRATCH/score")"
    for task in event review tool report; do
        for mode in direct thinking; do
            of=".phase == \"$task\" and .mode == \"$mode\""
            same "$task, $mode" "$(count "$of"),$(count "$of and .strict_json"),$(count "$of and .authors_json_valid")" \
                "$(jq -r ".by[] | select(.task == \"$task\" and .mode == \"$mode\") | \"\(.n),\(.json_valid),\(.authors_json_valid)\"" "$SCRATCH/score")"
        done
    done
    same "what reports and tool answers have needs no label" "$(count '.authors_score.has_observed') of $(count '.authors_score | has("has_observed")'), $(count '.authors_score.has_tool_calls') of $(count '.authors_score | has("has_tool_calls")')" \
        "$(jq -r '[.authors_has_observed, .authors_has_tool_calls] | map("\(.rate * .n | round) of \(.n)") | join(", ")' "$SCRATCH/score")"
    jq -c 'select(.sample_id | contains("ASG000b4k2")) | {raw, scorer, phase, mode, sample_id, label: {blank: false, detections: [{species: "elephant"}]}}' "$rows" >"$SCRATCH/labelled"
    same "with a label, the flags of each row" "$(jq -c 'select(.sample_id | contains("ASG000b4k2")) | .authors_score | [.blank_correct, .species_set_exact]' "$rows")" \
        "$("$NIGHTJAR" eval --each "$SCRATCH/labelled" | grep '^phase1' | cut -f2 | jq -c '[.blank_correct, .species_set_exact]')"
    same "only one task" "$(count '.phase == "tool"')" "$("$NIGHTJAR" eval --json --task tool "$rows" | jq .events)"
else
    skip "no reference files"
fi

if ! "$BUILD/trapcam" card "$SCRATCH/cards/one" --events 6 --size 160x120 --seed 5 >/dev/null 2>&1; then
    skip "no trapcam to draw a card"
    tap_done
fi
labels=$(find "$SCRATCH" -name '*.truth.jsonl')
find "$SCRATCH/cards" -type f -exec touch -d '2 hours ago' {} +
printf '[ingest]\ncards = %s/cards/one\n[model]\npath = %s/model.nj\nsoft_tokens = 70\n' "$SCRATCH" "$SCRATCH" >"$SCRATCH/nightjar.conf"
"$NIGHTJAR" -q convert --random tiny --seed 1 -o "$SCRATCH/model.nj"
table=$SCRATCH/model.nj.calibration.json
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" eval "$labels" --card "$SCRATCH/cards/one" --calibrate "$table" >/dev/null 2>"$SCRATCH/fit"
same "labelled events are scored and a table is fitted" 0 $?
check "that says what it is worth" grep -q 'calibration error [0-9.]* as stated, [0-9.]* with the table' "$SCRATCH/fit"
same "of its kind" '"nightjar calibration 1"' "$(jq .format "$table")"
same "probabilities and shares never fall and stay within 0 to 1" true \
    "$(jq '[.points[] | .[0]] as $p | [.points[] | .[1]] as $s | ($p == ($p | sort)) and ($s == ($s | sort)) and ([$p[], $s[]] | all(. >= 0 and . <= 1))' "$table")"
for run in with without; do
    check "the station reads $run it" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/$run.db" run --once --force
    rm -f "$table"
done
page() { # RUN: what `events show` says of an event with an animal
    "$NIGHTJAR" -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/$1.db" events show \
        "$(sqlite3 "$SCRATCH/$1.db" "select event_id from detections where probability is not null limit 1")"
}
page with >"$SCRATCH/with"
page without >"$SCRATCH/without"
check "what the table says is not called raw" sh -c "grep -q ', probability' '$SCRATCH/with' && ! grep -q 'raw probability' '$SCRATCH/with'"
check "without it the value is" grep -q ', raw probability' "$SCRATCH/without"
echo "{}" >"$SCRATCH/bad.jsonl"
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" eval "$SCRATCH/bad.jsonl" >/dev/null 2>"$SCRATCH/why"
same "a row that says nothing is a mistake" 1 $?
check "that is told with its line" grep -q 'bad.jsonl:1: a label needs' "$SCRATCH/why"
printf '{"raw": "x"}\n{"raw": \n' >"$SCRATCH/bad.jsonl"
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" eval "$SCRATCH/bad.jsonl" >/dev/null 2>"$SCRATCH/why"
same "a row that is no JSON, too" "1 nightjar: $SCRATCH/bad.jsonl:2:1" "$? $(cut -d: -f1-4 "$SCRATCH/why")"
echo '{"task": "event", "raw": "x"}' >"$SCRATCH/rows.jsonl"
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" eval --task evnet "$SCRATCH/rows.jsonl" >"$SCRATCH/out" 2>"$SCRATCH/why"
same "a task that no row has is told, not scored" "1 0" "$? $(wc -c <"$SCRATCH/out")"
check "by its name" grep -q 'rows.jsonl: no row is of this --task' "$SCRATCH/why"
for limit in 0 -1 ten; do
    "$NIGHTJAR" -c "$SCRATCH/nightjar.conf" eval --limit $limit "$SCRATCH/bad.jsonl" >/dev/null 2>"$SCRATCH/why"
    same "--limit $limit is a usage error" 2 $?
done
tap_done
