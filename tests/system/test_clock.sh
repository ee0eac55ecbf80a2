#!/bin/sh
# `nightjar clock`: a correction stands beside the times as read, is shown with them, and changes nothing.
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH" >/dev/null
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[database]\npath = %s/nightjar.db\n' "$SCRATCH" >"$NIGHTJAR_CONF"
ask() { sqlite3 -readonly "$SCRATCH/nightjar.db" "$1"; }
corrected() { "$NIGHTJAR" events show "$1" | sed -n 's/^ *Corrected *\([0-9T:-]*\) .*/\1/p'; }

event=$(ask "select event_id from events where started_at = '2020-01-03T12:00:00'")
times="select event_id, started_at, ended_at, night from events order by 1; select path, taken_at from files order by 1"
before=$(ask "$times")
check "the true time of an event" "$NIGHTJAR" clock "$event" 2021-03-01T06:30:15 --by Amina
same "is shown" 2021-03-01T06:30:15 "$(corrected "$event")"
same "the times as read are what they were" "$before" "$(ask "$times")"
check "an hour more" "$NIGHTJAR" clock "$event" +1h
same "adds up" 2021-03-01T07:30:15 "$(corrected "$event")"
check "and an hour less" "$NIGHTJAR" clock "$event" -1h
same "takes it away" 2021-03-01T06:30:15 "$(corrected "$event")"
check "the true time again" "$NIGHTJAR" clock "$event" "2021-03-01 06:30"
same "replaces the sum" 2021-03-01T06:30:00 "$(corrected "$event")"
check "back to what was read" "$NIGHTJAR" clock "$event" 2020-01-03T12:00:00
same "and nothing is corrected any more" "" "$(corrected "$event")"
same "who did it is known" Amina "$(ask "select by_whom from clock_offset limit 1")"
undated=$(ask "select event_id from events where started_at is null limit 1")
for wrong in "$event 2021-02-30T00:00:00" "$event 5" "$event +5w" "$event soon" "${undated:-none} +1h" "NJxxxxxxxxxx +1h"; do
    "$NIGHTJAR" clock $wrong >/dev/null 2>"$SCRATCH/why"
    same "refused with a sentence: $wrong" "1 1" "$? $(grep -c . "$SCRATCH/why")"
done
"$NIGHTJAR" clock "$event" 2>/dev/null
same "one word is too few" 2 $?
tap_done
