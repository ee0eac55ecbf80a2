# A scan that is cut off again and again leaves, in the end, what one whole scan leaves: no file twice, none missing, the same events.
. tests/tap.sh

if [ -z "$SHARED" ] || ! command -v sqlite3 >/dev/null; then
    skip "no pictures or no sqlite3 here"
    tap_done
fi

# 600 pictures of their own: bytes after the end marker do no harm. Names with times, so that three by three make a burst.
mkdir -p "$SCRATCH/card/DCIM"
for i in $(seq 0 599); do
    name=$(printf '2021-06-%02d_%02d%02d%02d.jpg' $((i / 60 + 1)) $((i / 3 % 20)) 30 $((i % 3)))
    { cat "$SHARED/data/malformed/ljt_8bit__testorig_vflip_410_q10_baseline.jpg"; echo "$i"; } >"$SCRATCH/card/DCIM/$name"
done
find "$SCRATCH/card" -name '*.jpg' -exec touch -d 2021-07-01 {} +

scan() { $NIGHTJAR -q --set "ingest.cards=$SCRATCH/card" --set "database.path=$1" --set station.name=post watch --once; }
content() {
    sqlite3 "$1" "select path, hash, taken_at, outcome, event_id, frame_index from files order by path;
                  select event_id, frame_count, started_at, ended_at, state from events order by event_id"
}

check "a whole scan" scan "$SCRATCH/whole.db"
for delay in 0.02 0.05 0.08 0.12 0.17 0.22 0.3 0.4 0.5 0.7; do
    timeout -s KILL $delay $NIGHTJAR -q --set "ingest.cards=$SCRATCH/card" --set "database.path=$SCRATCH/cut.db" --set station.name=post \
        watch --once 2>/dev/null
done
check "the scan after ten cuts" scan "$SCRATCH/cut.db"
same "files and events are the same" "$(content "$SCRATCH/whole.db")" "$(content "$SCRATCH/cut.db")"
same "600 files in 200 events" "600|200" "$(sqlite3 "$SCRATCH/cut.db" "select (select count(*) from files where outcome = 'used'), count(*) from events")"
same "the database is whole" ok "$(sqlite3 "$SCRATCH/cut.db" 'pragma integrity_check')"
tap_done
