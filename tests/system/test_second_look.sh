# The second question and thoughts, seen through the sqlite3 program: what they add, and what they never leave behind.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files"
    tap_done
fi
sql() { sqlite3 -batch "$SCRATCH/$1.db" "$2"; }
mkdir -p "$SCRATCH/cards/one"
cp -p "$SHARED"/data/images/serengeti_s1/*.JPG "$SCRATCH/cards/one"
find "$SCRATCH/cards" -type f -exec touch -d '2 hours ago' {} +
cat >"$SCRATCH/nightjar.conf" <<CONF
[ingest]
cards = $SCRATCH/cards/*
[model]
path = $SCRATCH/model.nj
soft_tokens = 70
CONF
check "a random model is made" "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"
for run in plain look look_trained think think_again; do
    case $run in
    plain) set -- ;;
    look) set -- --set sentinel.second_look=yes ;;
    look_trained) set -- --set sentinel.second_look=yes --set sentinel.prompt=trained ;;
    think*) set -- --set model.think=yes --set sentinel.prompt=trained ;;
    esac
    check "$run: read" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/$run.db" "$@" run --once --force
done
events=$(sql plain "select count(*) from events where state = 'done'")
same "there are events" 1 $((events > 0))
same "a plain run asks once" 0 "$(sql plain "select count(*) from choice where at like 'review_v1/%'")"
for run in look look_trained; do
    same "$run: every event has a decision with its probability" "$events" \
        "$(sql $run "select count(*) from choice where at = 'review_v1/decision' and value in ('\"accept\"', '\"review\"') and probability > 0")"
    same "$run: what the model wants reviewed is in the queue, with its reasons" 0 \
        "$(sql $run "select count(*) from choice join answer using(answer) where at = 'review_v1/decision' and value = '\"review\"'
           and (review_needed = 0 or not exists (select 1 from reason where reason.answer = choice.answer and kind = 'model'))")"
    same "$run: no reason is given twice" 0 \
        "$(sql $run "select count(*) from (select 1 from reason group by answer, kind, code having count(*) > 1)")"
done
same "the first answer is the same whether or not a second is asked for" "$(sql plain "select json from events order by event_id")" \
    "$(sql look "select json from events order by event_id")"
same "thoughts leave nothing in the record" 0 "$(sql think "select count(*) from answer where json like '%channel%' or raw is not null")"
sql think "select json from events" | jq -c tojson >"$SCRATCH/docs.jsonl"
# Its ids are not those of the published events; all else is as published.
jq '.properties.capture_event_id = {"type": "string"} | .properties.event.properties.site_id = {"type": "string"}' \
    "$SHARED/data/sentinel/event_nested.schema.json" >"$SCRATCH/schema.json"
"$NIGHTJAR" probe accepts -m "$SCRATCH/model.nj" --schema "$SCRATCH/schema.json" "$SCRATCH/docs.jsonl" >"$SCRATCH/accepted"
same "thought through, the answer is valid" "$events" "$(grep -c '"accepted": *true' "$SCRATCH/accepted")"
same "the same seed thinks the same" "$(sql think "select json from events order by event_id")" \
    "$(sql think_again "select json from events order by event_id")"

printf '{"format":"nightjar calibration 1","events":100,"points":[[0.01,0.25],[1,0.25]]}' >"$SCRATCH/model.nj.calibration.json"
check "read with a table" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/calibrated.db" run --once --force
same "rangers see what the table says" 0 "$(sql calibrated "select count(*) from detections where probability is not 0.25")"
same "and that there is a table" "$events" "$(sql calibrated "select count(*) from answer where model like '%(calibrated)'")"
same "the choice keeps the model's own" "$(sql plain "select count(*) from choice where at like '/detections/%/species' and probability <> 0.25")" \
    "$(sql calibrated "select count(*) from choice where at like '/detections/%/species' and probability <> 0.25")"
tap_done
