#!/bin/sh
# `nightjar events` over a station with known truth (test_station.c).
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[database]\npath = %s/nightjar.db\n' "$SCRATCH" >"$NIGHTJAR_CONF"
db="$SCRATCH/nightjar.db"
ask() { sqlite3 -readonly "$db" "$1"; }

same "every event has its line" "$(ask 'select count(*) from events')" "$("$NIGHTJAR" events | tail -n +2 | wc -l | tr -d ' ')"
same "one night" "$(ask "select count(*) from events where night = '2020-01-02'")" "$("$NIGHTJAR" events --night 2020-01-02 --json | wc -l | tr -d ' ')"
same "nights from and to" "5" "$("$NIGHTJAR" events --from 2020-01-01 --to=2020-01-02 --state done --json | wc -l | tr -d ' ')"
same "one species" "$(ask "select event_id from detections where species = 'zebra'")" "$("$NIGHTJAR" events --species zebra --json | jq -r .event_id)"
same "one state" "the answer was cut off after 1536 tokens" "$("$NIGHTJAR" events --state failed --json | jq -r .state_reason)"
same "the newest two, newest first" "2020-01-03T13:00:00 2020-01-03T12:00:00" "$("$NIGHTJAR" events --limit 2 --json | jq -r .started_at | xargs)"
same "the record is JSON in JSON" "savanna_sentinel_event_v1" "$("$NIGHTJAR" events --species leopard --json | jq -r .json.schema_version)"
same "CSV has the columns of the view" "$(sqlite3 -readonly -csv -header "$db" "select * from events limit 0; select * from events limit 1" | head -n 1 | tr -d '\r')" \
    "$("$NIGHTJAR" events --csv | head -n 1 | tr -d '\r')"
"$NIGHTJAR" events --csv >"$SCRATCH/events.csv"
same "CSV reads back the same" "$(ask "select event_id, ifnull(state_reason, ''), ifnull(json, '') from events order by started_at")" \
    "$(sqlite3 :memory: -cmd ".import --csv $SCRATCH/events.csv t" "select event_id, state_reason, json from t" | tr -d '\r')"
same "no colours in a file" "0" "$("$NIGHTJAR" events | grep -c "$(printf '\033')")"
"$NIGHTJAR" events --night 2020-02-30 >/dev/null 2>&1
same "an impossible date is a usage error" 2 $?
"$NIGHTJAR" events --state finished >/dev/null 2>&1
same "an unknown state too" 2 $?

leopard=$(ask "select event_id from detections where species = 'leopard'")
short=$(echo "$leopard" | cut -c 1-7)
"$NIGHTJAR" events show "$short" --choices >"$SCRATCH/page"
for words in "$leopard" "1 x Leopard" "raw probability 0.41 (next: serval 0.38)" "a rare species [rare_species, a rule]" \
    "not sure of the species [species_unsure, a probability]" "IMG_0004c.JPG" "/detections/0/species = leopard"; do
    check "show says: $words" grep -qF -- "$words" "$SCRATCH/page"
done
deferred=$(ask "select event_id from events where state = 'deferred'")
check "why was it not read? put off, and why" sh -c "'$NIGHTJAR' events show $deferred | grep -q 'put off: battery at 12 %'"
ready=$(ask "select event_id from events where state = 'ready' and started_at is not null")
check "why was it not read? its place in the queue, and what the station does" \
    sh -c "'$NIGHTJAR' events show $ready | grep -q '1 before it in the queue' && '$NIGHTJAR' events show $ready | grep -q 'next wake 09:00'"
same "one event as JSON" "$leopard" "$("$NIGHTJAR" events show "$leopard" --json | jq -r .event_id)"
same "an unknown id" "nightjar: nothing: no such event; \`nightjar events\` lists them" "$("$NIGHTJAR" events show nothing 2>&1)"
"$NIGHTJAR" events show nothing >/dev/null 2>&1
same "is a failure" 1 $?

sqlite3 "$db" "update file set path = x'4443494d2f1b5b33316d2e4a5047' where path_text = 'DCIM/IMG_0010.JPG'"
failed=$(ask "select event_id from events where state = 'failed'")
check "a file name cannot speak to the terminal" sh -c "'$NIGHTJAR' events show $failed | grep -q '\\\\x1B\[31m'"

sqlite3 "$db" "pragma user_version = 999"
same "a newer database is refused with a sentence" "1" "$("$NIGHTJAR" events 2>&1 >/dev/null | grep -c 'newer Nightjar')"
sqlite3 "$SCRATCH/other.db" 'create table t(a)'
same "another program's too" "1" "$("$NIGHTJAR" --set "database.path=$SCRATCH/other.db" events 2>&1 >/dev/null | grep -c 'another program')"
same "no database yet" "1" "$("$NIGHTJAR" --set "database.path=$SCRATCH/none.db" events 2>&1 >/dev/null | grep -c 'no database there yet')"
tap_done
