#!/bin/sh
# The tools answered from a station with known truth (test_station.c), and `nightjar ask --tools` with a model of random weights: what it calls is valid.
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
db="$SCRATCH/nightjar.db"
ask() { "$BUILD/tests/system/test_tool_desk" "$db" "$1" "$2" | jq -c "$3"; }
days='"date_start":"2020-01-01","date_end":"2020-01-03"'

same "all that was read, people left out" '[4,1,14,1]' \
    "$(ask query_detections '{}' '[.total_events, .blank_events, .individuals_at_least, .events_with_people_left_out]')"
same "as the view counts" "$(sqlite3 "$db" "select count(*) from events where state = 'done' and species like '%zebra%'")" \
    "$(ask query_detections '{"species":["zebra"]}' .total_events)"
same "a day is a day, not a night" '["zebra","leopard"]' \
    "$(ask query_detections '{"date_start":"2020-01-02","date_end":"2020-01-02"}' '[.rows[].species | select(. != "blank")]')"
same "the surer ones" '["zebra","impala"]' "$(ask query_detections '{"min_confidence":0.5}' '[.rows[].species]')"
same "in groups" '[["impala",1,11],["leopard",1,1],["zebra",1,2]]' \
    "$(ask query_detections '{"species":["zebra","impala","leopard"]}' '[.groups[] | [.key, .events, .individuals]] | sort')"
same "by day" '[["2020-01-02",3],["2020-01-03",1]]' "$(ask query_detections '{"group_by":["date"]}' '[.groups[] | [.key, .events]]')"
same "no more rows than asked for" '[4,1]' "$(ask query_detections '{"limit":1}' '[.count, (.rows | length)]')"
same "another site has nothing" 0 "$(ask query_detections '{"site_ids":["Z99"]}' .total_events)"
same "nothing was decided by a ranger" 0 "$(ask query_detections '{"source":"gold"}' .total_events)"
same "days at work" '2' "$(ask get_camera_effort "{$days}" .total_active_camera_days)"
same "from when to when" '["2020-01-02","2020-01-03"]' "$(ask get_camera_effort "{$days}" '[.windows[0].start_date, .windows[0].end_date]')"
same "days before the first picture are none" 0 \
    "$(ask get_camera_effort '{"date_start":"2019-01-01","date_end":"2019-12-31"}' .total_active_camera_days)"
same "a day beside the day before" '[1,3,1,1,"decrease"]' \
    "$(ask compare_to_baseline '{"metric":"event_count","date_start":"2020-01-03","date_end":"2020-01-03"}' \
        '[.current_value, .baseline_value, .current_camera_days, .baseline_camera_days, .direction]')"
same "without effort nothing is compared" '"unknown"' \
    "$(ask compare_to_baseline '{"metric":"individuals","date_start":"2020-01-03","date_end":"2020-01-03","baseline_mode":"same_month"}' .direction)"
same "days the wrong way round" true "$(ask get_camera_effort '{"date_start":"2020-01-03","date_end":"2020-01-01"}' 'has("error")')"
same "no rain is invented" 0 "$(ask extract_environment "{$days}" .count)"
zebra=$(sqlite3 "$db" "select event_id from events where species = 'zebra'")
baboon=$(sqlite3 "$db" "select event_id from events where species = 'baboon'")
same "pictures of an event" '[2,0]' \
    "$(ask retrieve_evidence_images "{\"capture_event_ids\":[\"$zebra\"]}" '[(.rows[0].images | length), .images_left_out]')"
same "none of people" '[0,1]' "$(ask retrieve_evidence_images "{\"capture_event_ids\":[\"$baboon\"]}" '[(.rows | length), .images_left_out]')"
same "unless asked for" 1 "$(ask retrieve_evidence_images "{\"capture_event_ids\":[\"$baboon\"],\"redact_humans\":false}" '.rows | length')"
same "an id that nobody has" '["nobody"]' "$(ask retrieve_evidence_images '{"capture_event_ids":["nobody"]}' .unknown_ids)"

export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[database]\npath = %s\n' "$db" >"$NIGHTJAR_CONF"
"$NIGHTJAR" convert --random tiny -o "$SCRATCH/tiny.nj" >/dev/null 2>&1
talk() { "$NIGHTJAR" ask -m "$SCRATCH/tiny.nj" --tools --max-tokens 8 "$@" "How many zebras?"; }
for seed in 1 2 3 4 5 6; do
    talk --seed $seed --temperature 20 --top-p 1 --top-k 0 2>>"$SCRATCH/calls" >/dev/null || echo failed >>"$SCRATCH/calls"
done
check "every question is looked up" test "$(wc -l <"$SCRATCH/calls")" -ge 6
same "calls are JSON objects with a response" "$(wc -l <"$SCRATCH/calls")" \
    "$(jq -c 'select(.tool and .arguments and (.response | length > 0))' "$SCRATCH/calls" | wc -l)"
check "of more than one tool" test "$(jq -r .tool "$SCRATCH/calls" | sort -u | wc -l)" -ge 2
same "with all that a tool requires" 0 "$(jq -c 'select((.tool == "get_camera_effort" or .tool == "compare_to_baseline") and
    (.arguments.date_start == null or .arguments.date_end == null))' "$SCRATCH/calls" | wc -l)"
for seed in 1 2 3; do
    talk --seed $seed --temperature 30 --top-p 1 --top-k 0 --max-tokens 240 >"$SCRATCH/answer" 2>"$SCRATCH/returned"
    tr -s ' \n()*,;:!?"' '\n' <"$SCRATCH/answer" | grep '[0-9]' | sed "s/^[.']*//; s/[.']*\$//" >"$SCRATCH/figures"
    while read -r figure; do jq -c .response "$SCRATCH/returned" | grep -qF -- "$figure" || echo "$figure"; done <"$SCRATCH/figures" >>"$SCRATCH/invented"
done
same "no figure of an answer is invented" "" "$(cat "$SCRATCH/invented")"
same "one seed, one conversation" "$(talk --seed 3 2>&1)" "$(talk --seed 3 2>&1)"
head=$(find "$db.heads" -type f)
same "what stands in front of every question is kept" 1 "$(echo "$head" | wc -l)"
told=$(talk --seed 4 2>&1)
rm -r "$db.heads"
same "a question without it gets the same answer" "$told" "$(talk --seed 4 2>&1)"
truncate -s 5000 "$head"
same "one that was cut is said" 1 "$(talk --seed 4 2>&1 | grep -c 'goes through the model again')"
truncate -s 5000 "$head"
same "and costs nothing else" "$told" "$(talk --seed 4 2>&1 | grep -v 'goes through the model again')"
check "at most as many calls as allowed" test "$(talk --seed 5 --calls 1 2>&1 >/dev/null | wc -l)" = 1
talk --image x.jpg >/dev/null 2>&1
same "no pictures with tools" 2 $?

tell() { "$NIGHTJAR" report --narrative -m "$SCRATCH/tiny.nj" --from 2020-01-01 --to 2020-01-03 --max-tokens "$1" -o "$SCRATCH/report.json" 2>"$SCRATCH/results"; }
check "a report in words" tell 600
same "is of its kind" '["savanna_sentinel_report_v1","ranger",4]' "$(jq -c '[.schema_version, .report_type, .scope.events]' "$SCRATCH/report.json")"
same "over four questions" 4 "$(wc -l <"$SCRATCH/results")"
same "every list is there" '["evidence","inferred","measured","observed","uncertainty"]' \
    "$(jq -c '[to_entries[] | select(.value | type == "array") | .key] | sort' "$SCRATCH/report.json")"
jq -r '.observed[], .measured[], .inferred[], .uncertainty[]' "$SCRATCH/report.json" | tr ' (),;:!?' '\n' | grep '[0-9]' >"$SCRATCH/figures"
same "no figure is new" "" "$(while read -r figure; do grep -qF -- "${figure%.}" "$SCRATCH/results" || echo "$figure"; done <"$SCRATCH/figures")"
page() { "$NIGHTJAR" report --narrative -m "$SCRATCH/tiny.nj" --from 2020-01-01 --to 2020-01-03 --max-tokens 600 -o "$SCRATCH/report.html" 2>/dev/null; }
check "the page with words" page
same "has each sentence of the report" "" "$(jq -r '.observed[], .measured[], .inferred[], .uncertainty[]' "$SCRATCH/report.json" |
    sed 's/&/\&amp;/g; s/"/\&quot;/g; s/</\&lt;/g; s/>/\&gt;/g' | sed "s/'/\&#39;/g" | while read -r line; do grep -qF -- "$line" "$SCRATCH/report.html" || echo "$line"; done)"
check "and says whose they are" grep -q 'Written by the model' "$SCRATCH/report.html"
tell 5
same "too few tokens are a failure with a sentence" 1 $?
check "that says how many it takes" grep -q 'tokens are too few' "$SCRATCH/results"
sqlite3 "$db" "update event set night = date(night, '-1 day')"
talk --seed 4 >/dev/null 2>&1
same "another night needs no other head" "$head" "$(find "$db.heads" -type f)"
tap_done
