# Several bursts through the model at once: the same events as one by one.
. tests/tap.sh
if [ -x "$BUILD/trapcam" ] || make -s trapcam BUILD="$BUILD" >/dev/null 2>&1; then
    mkdir "$SCRATCH/card"
    "$BUILD/trapcam" card "$SCRATCH/card" --events 6 --size 320x240
    find "$SCRATCH/card" -type f -exec touch -d '1 hour ago' {} +
else
    skip "no trapcam to draw a card"
    tap_done
fi
"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"
station() { # DATABASE -> writes its settings
    cat >"$SCRATCH/$1.conf" <<CONF
[ingest]
cards = $SCRATCH/card
[model]
path = $SCRATCH/model.nj
soft_tokens = 280
[database]
path = $SCRATCH/$1.db
CONF
}
run() { # DATABASE OPTION… -> keeps the exit status in $status and stderr in $SCRATCH/out
    name=$1
    shift
    "$NIGHTJAR" -v -c "$SCRATCH/$name.conf" run --once "$@" >/dev/null 2>"$SCRATCH/out"
    status=$?
}
events() { # DATABASE -> what was seen, with all probabilities
    sqlite3 "$SCRATCH/$1.db" "select event_id, state, json, priority, review_reasons from events order by 1;
        select * from detections order by 1, 2"
}

station all
run all
same "a run reads all six" "0 6" "$status $(sqlite3 "$SCRATCH/all.db" "select count(*) from events where state = 'done'")"
check "four of them together" grep -q '4 bursts are read together' "$SCRATCH/out"
check "then the two that are left" grep -q '2 bursts are read together' "$SCRATCH/out"

station single
for _ in 1 2 3 4 5 6; do run single --limit 1; done
same "one by one there are as many" 6 "$(sqlite3 "$SCRATCH/single.db" "select count(*) from events where state = 'done'")"
same "and they are the same events, detections and reasons" "$(events all)" "$(events single)"
# A stop in the middle, a power cut that tears one of the files it left, and the next run.
station stopped
parked() { sqlite3 "$SCRATCH/stopped.db" 'select count(*) from event where parked is not null' 2>/dev/null || echo 0; }
for pause in 0.2 0.4 0.8 1.5 3 5 8; do
    "$NIGHTJAR" -q -c "$SCRATCH/stopped.conf" run --once >/dev/null 2>"$SCRATCH/out" &
    run=$!
    for _ in $(seq 200); do
        [ "$(sqlite3 "$SCRATCH/stopped.db" "select count(*) from event where state = 'running'" 2>/dev/null || echo 0)" -gt 0 ] && break
        kill -0 $run 2>/dev/null || break
        sleep 0.02
    done
    sleep $pause
    kill -TERM $run 2>/dev/null
    wait $run
    status=$?
    [ "$(parked)" -gt 1 ] && break
    [ $status = 75 ] || rm -rf "$SCRATCH"/stopped.db* # it was done before the signal came
done
same "SIGTERM ends a run with status 75" 75 $status
if [ "$(parked)" -gt 1 ]; then
    same "each parked burst has its file" "$(parked)" "$(find "$SCRATCH/stopped.db.parked" -type f | wc -l)"
    torn=$(sqlite3 "$SCRATCH/stopped.db" 'select parked from event where parked is not null limit 1')
    truncate -s 5000 "$torn"
    run stopped
    same "the next run reads the rest" "0 6" "$status $(sqlite3 "$SCRATCH/stopped.db" "select count(*) from events where state = 'done'")"
    same "it says which burst had to begin anew" 1 "$(grep -c 'read from the beginning' "$SCRATCH/out")"
    same "all answers are those of a run without a stop" "$(sqlite3 "$SCRATCH/all.db" 'select event_id, json from events order by 1')" \
        "$(sqlite3 "$SCRATCH/stopped.db" 'select event_id, json from events order by 1')"
    same "nothing stays parked" "0 0" "$(parked) $(find "$SCRATCH/stopped.db.parked" -type f | wc -l)"
else
    skip "no signal came in the middle of a reading"
fi
same "the seconds of a pass are shared out" 0 "$(sqlite3 "$SCRATCH/all.db" "select count(*) from events where not seconds > 0")"
tap_done
