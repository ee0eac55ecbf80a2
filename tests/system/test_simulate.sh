#!/bin/sh
# `nightjar simulate` as a program: its log holds each row once, its last line is one JSON object, and what it cannot read it names.
. tests/tap.sh
export NIGHTJAR_CONF="$SCRATCH/empty.conf"
: >"$NIGHTJAR_CONF"
printf 'time,irradiance_w_m2,temp_c\n2024-02-29T00:00:00Z,0,20\n2024-02-29T01:00:00Z,500,20\n' >"$SCRATCH/sun.csv"
printf 'time,event_id,frames,interest\n2024-02-29T00:00:00Z,a,3,0.9\n2024-02-29T00:30:00Z,b,3,0.9\n' >"$SCRATCH/events.csv"
simulate() { "$NIGHTJAR" -q --set model.soft_tokens=280 "$@" simulate --weather "$SCRATCH/sun.csv" --arrivals "$SCRATCH/events.csv" -o "${log:-$SCRATCH/log.csv}"; }

simulate >"$SCRATCH/said"
same "a leap day" 0 $?
same "is told in one line, of five fields and more" '"events":2' "$(tail -n 1 "$SCRATCH/said" | grep -o '"events":2')"
same "no row stands twice" "" "$(uniq -d "$SCRATCH/log.csv")"
same "each step of the weather has its row" 2 "$(grep -c ':00:00.000Z,' "$SCRATCH/log.csv")"
log=- simulate >"$SCRATCH/dash"
log=/dev/stdout simulate >"$SCRATCH/both"
same "log and sum stand one behind the other in a file that both go to" "time 1" \
    "$(head -c 4 "$SCRATCH/both") $(tail -n 1 "$SCRATCH/both" | grep -c '^{"events":2')"
check "- is the output, too" cmp "$SCRATCH/both" "$SCRATCH/dash"
printf 'time,event_id,frames,interest\n2024-02-30T00:00:00Z,a,3,0.9\n' >"$SCRATCH/events.csv"
why=$(simulate 2>&1)
same "a day that is not in the calendar" 1 $?
check "is named with its line" sh -c "echo '$why' | grep -q 'events.csv:2: '"
tap_done
