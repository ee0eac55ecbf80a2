#!/bin/sh
# `nightjar status` over a station with known truth (test_station.c).
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[power]\nreserve_percent = 60\n[database]\npath = %s/nightjar.db\n[model]\npath = %s/none.nj\n' "$SCRATCH" "$SCRATCH" >"$NIGHTJAR_CONF"
db="$SCRATCH/nightjar.db"
"$NIGHTJAR" status >"$SCRATCH/words"
"$NIGHTJAR" status --json >"$SCRATCH/json"
for words in "Kopje, site D07" "53 %, 12.40 V at 2020-01-03T20:00:00Z" "2 ready, 1 open, 1 put off" "10 in all, 4 to review, 1 failed; 15 files, 1 rejected" \
    "next wake 09:00" "90 s and 0.250 Wh an event" "no model at" "below the reserve of 60 %" "1 event failed" "none was finished since"; do
    check "status says: $words" grep -qF -- "$words" "$SCRATCH/words"
done
same "one JSON object" "1 Kopje 10" "$(wc -l <"$SCRATCH/json" | tr -d ' ') $(jq -r '.station.name' "$SCRATCH/json") $(jq .counts.events "$SCRATCH/json")"
same "CSV says the same" "counts.ready,2" "$("$NIGHTJAR" status --csv | tr -d '\r' | grep '^counts.ready')"
sqlite3 "$db" "insert into state values('next_wake_utc', cast('2020-01-04T09:00:00Z' as blob)), ('budget', cast('12 Wh for 40 events' as blob))"
check "the next wake" sh -c "'$NIGHTJAR' status | grep -q 'Next wake  2020-01-04T09:00:00Z'"
check "tonight's budget" sh -c "'$NIGHTJAR' status | grep -q 'Tonight    12 Wh for 40 events'"
flock "$db.run.lock" sh -c "printf 4711 >'$db.run.lock'; '$NIGHTJAR' status" >"$SCRATCH/words"
check "who is at work" grep -q 'at work (process 4711)' "$SCRATCH/words"
"$NIGHTJAR" --set "database.path=$SCRATCH/none/none.db" status >"$SCRATCH/words"
same "a station that has not begun is no failure" "0 1" "$? $(grep -c 'no database there yet' "$SCRATCH/words")"
check "and its disk is known" sh -c "! grep -q ' 0 of 0 MB' '$SCRATCH/words'"
tap_done
