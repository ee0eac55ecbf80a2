# The main job on real pictures: cards in, events out, seen through the sqlite3 program. The model is a random one: its answers mean nothing,
# their form does.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files"
    tap_done
fi
sql() { sqlite3 -batch "$SCRATCH/station.db" "$1"; }
nightjar() {
    "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" "$@"
}

mkdir -p "$SCRATCH/cards/one" "$SCRATCH/cards/two/DCIM"
cp -p "$SHARED"/data/images/serengeti_s1/*.JPG "$SCRATCH/cards/one"
cp -rp "$SHARED/data/images/peru_bushnell" "$SHARED/data/images/brands" "$SCRATCH/cards/two/DCIM"
mkdir "$SCRATCH/cards/two/broken"
find "$SHARED/data/malformed" -name '*.jpg' -size -40k | sort | head -n 60 | while read -r file; do cp "$file" "$SCRATCH/cards/two/broken"; done
chmod -R u+w "$SCRATCH/cards"
find "$SCRATCH/cards" -type f -exec touch -d '2 hours ago' {} +
files=$(find "$SCRATCH/cards" -type f | wc -l)
before=$(find "$SCRATCH/cards" -type f -printf '%p %s %T@\n' -exec sha256sum {} \; | sort | sha256sum)
cat >"$SCRATCH/nightjar.conf" <<CONF
[station]
site = D04
[ingest]
cards = $SCRATCH/cards/*
[model]
path = $SCRATCH/model.nj
soft_tokens = 70
[database]
path = $SCRATCH/station.db
CONF
check "a random model is made" "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"

nightjar run --once --force --limit 2 >"$SCRATCH/out" 2>&1
same "a first run of two bursts ends in good order" 0 $?
same "two events are done" 2 "$(sql "select count(*) from events where state = 'done'")"

nightjar run --once --force >"$SCRATCH/out" 2>&1
same "the rest is read" 0 $?
same "every file has a row" "$files" "$(sql 'select count(*) from files')"
same "every row has an outcome" 0 "$(sql "select count(*) from files where outcome not in ('used', 'rejected', 'ignored')")"
same "what is not used has a reason" 0 "$(sql "select count(*) from files where outcome <> 'used' and coalesce(reason, '') = ''")"
same "every burst came to an end" 0 "$(sql "select count(*) from events where state <> 'done'")"
same "the Serengeti triple is one event of three frames" 3 \
    "$(sql "select frame_count from events join files using(event_id) where path = 'S1_D04_R6_PICT0020.JPG'")"
same "and it is the elephant's" "S1_D04_R6_PICT0020.JPG S1_D04_R6_PICT0021.JPG S1_D04_R6_PICT0022.JPG" \
    "$(sql "select group_concat(path, ' ') from (select path from files where event_id = (select event_id from files where path = 'S1_D04_R6_PICT0020.JPG') order by frame_index)")"
same "the Bushnell triples are events of three frames" 4 \
    "$(sql "select count(distinct event_id) from events join files using(event_id) where path like 'DCIM/peru_bushnell/%' and frame_count = 3")"
same "every event is blank or has detections, never both" 0 \
    "$(sql 'select count(*) from events e where blank = (select count(*) > 0 from detections d where d.event_id = e.event_id)')"
same "each species has a probability" 0 "$(sql 'select count(*) from detections where not (probability > 0 and probability <= 1)')"
same "night events are in the review queue" 0 \
    "$(sql "select count(*) from events where blank = 0 and (substr(started_at, 12, 2) < '06' or substr(started_at, 12, 2) >= '18') and event_id not in (select event_id from review_queue)")"

sql "select json from events" >"$SCRATCH/events.jsonl"
jq -c tojson "$SCRATCH/events.jsonl" >"$SCRATCH/docs.jsonl"
"$NIGHTJAR" probe accepts -m "$SCRATCH/model.nj" --schema "$SHARED/data/sentinel/event_nested_live.schema.json" "$SCRATCH/docs.jsonl" >"$SCRATCH/accepted"
same "every event is valid under the published schema" "$(wc -l <"$SCRATCH/events.jsonl")" "$(grep -c '"accepted": *true' "$SCRATCH/accepted")"
same "echoed ids are the station's" 0 "$(sql "select count(*) from events where json_extract(json, '\$.capture_event_id') <> event_id")"

events=$(sql 'select event_id, finished_utc, json from events order by 1' | sha256sum)
nightjar run --once --force >"$SCRATCH/out" 2>&1
same "a further run finds nothing to do" "$events" "$(sql 'select event_id, finished_utc, json from events order by 1' | sha256sum)"
same "the originals are untouched" "$before" "$(find "$SCRATCH/cards" -type f -printf '%p %s %T@\n' -exec sha256sum {} \; | sort | sha256sum)"

# A stop in the middle of the work.
rm -rf "$SCRATCH"/station.db*
"$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" run --once --force >"$SCRATCH/out" 2>&1 &
run=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    [ -f "$SCRATCH/station.db" ] && [ "$(sql "select count(*) from events where state in ('done', 'running')" 2>/dev/null)" -gt 0 ] 2>/dev/null && break
    sleep 0.5
done
kill -TERM $run
wait $run
same "SIGTERM ends it with status 75" 75 $?
same "and leaves nothing running" 0 "$(sql "select count(*) from events where state = 'running'")"
nightjar run --once --force >"$SCRATCH/out" 2>&1
same "the next run takes up the rest" 0 "$(sql "select count(*) from events where state <> 'done'")"

# Bad circumstances get a sentence.
rm -rf "$SCRATCH"/station.db*
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" --set model.path="$SCRATCH/none.nj" run --once --force >/dev/null 2>"$SCRATCH/out"
same "without a model the run fails" 1 $?
check "and names the file" grep -q 'none.nj' "$SCRATCH/out"
same "and the pictures are taken in all the same" "$files" "$(sql 'select count(*) from files')"
tap_done
