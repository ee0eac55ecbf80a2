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
soft_tokens = 70
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
same "the seconds of a pass are shared out" 0 "$(sqlite3 "$SCRATCH/all.db" "select count(*) from events where not seconds > 0")"
tap_done
