#!/bin/sh
# The whole program through power cuts (cut.c): taking in a card, reading it with a small random model, reviewing, converting. After each life the
# database holds the same files and events, with the same ids, as one that was never cut. POWERCUTS=N: that many cuts.
. tests/tap.sh
cut=$PWD/$BUILD/tests/powercut/cut.so
if [ -z "$SHARED" ] || [ ! -r "$cut" ]; then
    skip "no cards here, or a build without cut.so"
    tap_done
fi
cuts=${POWERCUTS:-12}
mkdir -p "$SCRATCH/cards/one" "$SCRATCH/proc/sys/kernel/random"
tar --zstd -C "$SCRATCH/cards/one" -xf "$SHARED/data/cards/bushnell.tar.zst"
find "$SCRATCH/cards" -type f -exec touch -d '2 hours ago' {} +
export NIGHTJAR_SYSROOT="$SCRATCH" # boot_id is found here, so that each life is a boot of its own
conf() { # FOLDER
    printf '[station]\nsite = D04\n[ingest]\ncards = %s/cards/*\nsettle_seconds = 0\n[model]\npath = model.nj\nsoft_tokens = 70\nthreads = 1\n[database]\npath = %s/nightjar.db\n' \
        "$SCRATCH" "$1" >"$SCRATCH/$(basename "$1").conf"
}
# what a cut must not change: every file with its outcome, every event with its frames, what was read and by whom decided
content() {
    sqlite3 -batch "$1/nightjar.db" "select path, hash, outcome, reason, taken_at, event_id, frame_index from files order by path, file_id;
        select event_id, started_at, frame_count, state, species, decided_by from events order by event_id;
        select event_id, detection, species from detections order by 1, 2"
}
life() { "$NIGHTJAR" -q -c "$SCRATCH/$1.conf" watch --once && "$NIGHTJAR" -q -c "$SCRATCH/$1.conf" run --once --force --limit 2; }
accept() {
    first=$(sqlite3 -batch "$SCRATCH/$1/nightjar.db" "select event_id from events where state = 'done' order by event_id limit 1")
    "$NIGHTJAR" -q -c "$SCRATCH/$1.conf" review accept --by Asha "$first"
}

"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"
mkdir "$SCRATCH/whole"
conf "$SCRATCH/whole"
echo 0 >"$SCRATCH/proc/sys/kernel/random/boot_id"
check "a whole life" life whole
check "and a review" accept whole
want=$(content "$SCRATCH/whole")

# a number from 1 to $1, the same in every run
seed=4711
roll() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    rolled=$((seed / 65536 % $1 + 1))
}
powered() { # FOLDER AT COMMAND…: the power goes away at request AT; 137 if it did
    powered_root=$1 powered_at=$2
    shift 2
    env LD_PRELOAD="$cut" CUT_ROOT="$powered_root" CUT_AT="$powered_at" CUT_SEED="$seed" "$@" >"$SCRATCH/out" 2>&1
}
done=0
lives=0
wrong=
while [ "$done" -lt "$cuts" ] && [ -z "$wrong" ]; do
    lives=$((lives + 1))
    folder="$SCRATCH/life"
    rm -rf "$folder"
    mkdir "$folder"
    conf "$folder"
    turn=0
    while :; do
        turn=$((turn + 1))
        echo "$lives.$turn" >"$SCRATCH/proc/sys/kernel/random/boot_id"
        roll 300
        [ $turn -lt 6 ] || rolled=0
        powered "$folder" "$rolled" "$NIGHTJAR" -q -c "$SCRATCH/life.conf" watch --once
        status=$?
        [ $status = 137 ] && done=$((done + 1)) && continue
        # the limit counts from each start: what a cut left is done first, so ask only for what is missing
        left=$((2 - $(sqlite3 -batch "$folder/nightjar.db" "select count(*) from events where state = 'done'")))
        if [ $left -gt 0 ]; then
            roll 200
            [ $turn -lt 6 ] || rolled=0
            powered "$folder" "$rolled" "$NIGHTJAR" -q -c "$SCRATCH/life.conf" run --once --force --limit $left
            status=$?
            [ $status = 137 ] && done=$((done + 1)) && continue
        fi
        break
    done
    [ $status = 0 ] || wrong="life $lives ends with status $status: $(tail -n 1 "$SCRATCH/out")"
    ls "$folder" | grep -q damaged && wrong="life $lives: a sound file was called damaged"
    [ "$(sqlite3 -batch "$folder/nightjar.db" 'pragma integrity_check')" = ok ] || wrong="life $lives: the file does not hold together"
    accept life
    [ "$(content "$folder")" = "$want" ] || { wrong="life $lives: not the same files and events"; content "$folder" >"$SCRATCH/got"; }
done
same "$done cuts in $lives lives of watch and run: nothing lost, nothing doubled, nothing half" "" "$wrong"

# convert: the new model is whole or not there
bad=0
for at in 1 3 6 10 20 40 80 150; do
    rm -rf "$SCRATCH/models"
    mkdir "$SCRATCH/models"
    powered "$SCRATCH/models" $at "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/models/new.nj"
    [ ! -e "$SCRATCH/models/new.nj" ] || cmp -s "$SCRATCH/models/new.nj" "$SCRATCH/model.nj" || bad=$((bad + 1))
done
same "convert leaves no half model" 0 $bad
# report: the old page or the new one
echo old >"$SCRATCH/life/page.html"
for at in 1 2 3 4 5; do
    powered "$SCRATCH/life" $at "$NIGHTJAR" -q -c "$SCRATCH/life.conf" report -o "$SCRATCH/life/page.html"
    grep -qx old "$SCRATCH/life/page.html" || grep -q '</html>' "$SCRATCH/life/page.html" || bad=$((bad + 1))
done
same "report leaves no half page" 0 $bad
tap_done
