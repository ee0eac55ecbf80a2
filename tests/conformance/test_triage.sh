# The first score of interest sorts bursts: real ones where they are at hand, drawn ones with a camera's usual view, and in a station's own queue.
. tests/tap.sh
auc() { "$NIGHTJAR" -q probe triage "$@" | tail -n 1 | jq .auc; }
at_least() { # WANT GOT
    awk -v want="$1" -v got="$2" 'BEGIN { exit !(got != "" && got >= want) }' || { echo "$2, wanted $1"; return 1; }
}
if [ -n "$SHARED" ]; then
    check "real bursts: something stands before nothing" at_least 0.9 "$(auc tests/conformance/triage.jsonl --card "$SHARED/data/images")"
else
    skip "no real pictures"
fi
[ -x "$BUILD/trapcam" ] || make -s trapcam BUILD="$BUILD" >/dev/null 2>&1
if ! "$BUILD/trapcam" card "$SCRATCH/card" --events 40 --size 320x240 --seed 3; then
    skip "no trapcam to draw a card"
    tap_done
fi
check "drawn bursts of one camera" at_least 0.85 "$(auc "$SCRATCH/card.truth.jsonl")"
sed 's/"site_id":"[^"]*",//' "$SCRATCH/card.truth.jsonl" >"$SCRATCH/apart"
check "and by motion alone, better than by chance" at_least 0.55 "$(auc "$SCRATCH/apart" --card "$SCRATCH/card")"
printf '{"files": ["none.jpg"]}\n' >"$SCRATCH/bad"
"$NIGHTJAR" -q probe triage "$SCRATCH/bad" --card "$SCRATCH" 2>"$SCRATCH/out"
same "a file that is not there fails" 1 $?
check "with its row" grep -q 'bad:1: .*none.jpg' "$SCRATCH/out"

find "$SCRATCH/card" -type f -exec touch -d '1 hour ago' {} +
"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"
: >"$SCRATCH/nightjar.conf"
"$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set ingest.cards="$SCRATCH/card" --set database.path="$SCRATCH/station.db" --set model.path="$SCRATCH/model.nj" \
    --set model.soft_tokens=70 run --once --limit 1 2>"$SCRATCH/out"
check "run scores each burst that waits" test "$(sqlite3 "$SCRATCH/station.db" "select min(interest) > 0 and count(distinct interest) > 5 from event")" = 1
check "and reads first what scored highest" test "$(sqlite3 "$SCRATCH/station.db" "select interest = (select max(interest) from event) from event where state = 'done'")" = 1
event=$(sqlite3 "$SCRATCH/station.db" "select event_id from event where state = 'ready' order by interest limit 1")
check "events show says why it waits" grep -q 'Interest  *0\.[0-9]*: ' <<EOF
$("$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set database.path="$SCRATCH/station.db" events show "$event")
EOF
tap_done
