#!/bin/sh
# The whole program through power cuts (cut.c): taking in a card, reading it with a small random model, reviewing, sending, converting. After each life
# the database holds the same files and events, with the same ids, as one that was never cut, and the far side has each message. POWERCUTS=N: that
# many cuts.
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
    printf '[station]\nsite = D04\n[ingest]\ncards = %s/cards/*\nsettle_seconds = 0\n[model]\npath = model.nj\nsoft_tokens = 70\nthreads = 1\n[uplink]\ntransport = directory\ntarget = %s/box\n[database]\npath = %s/nightjar.db\n' \
        "$SCRATCH" "$1" "$1" >"$SCRATCH/$(basename "$1").conf"
}
# what a cut must not change: every file with its outcome, every event with its frames, what was read and by whom decided
content() {
    sqlite3 -batch "$1/nightjar.db" "select path, hash, outcome, reason, taken_at, event_id, frame_index from files order by path, file_id;
        select event_id, started_at, frame_count, state, species, decided_by from events order by event_id;
        select event_id, detection, species from detections order by 1, 2;
        select event_id, status from review_queue order by 1;
        select event_id, kind, acknowledged_utc is null from outbox order by 1"
    "$NIGHTJAR" uplink decode "$1"/box/*.nju | jq -r 'select(.id) | .id' | sort
}
of() { # FOLDER: the event that the ranger accepts
    sqlite3 -batch "$1/nightjar.db" "select event_id from events where state = 'done' order by event_id limit 1"
}
count() { sqlite3 -batch "$1/nightjar.db" "select count(*) from $2"; } # FOLDER WHAT

"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/model.nj"
mkdir "$SCRATCH/whole"
conf "$SCRATCH/whole"
echo 0 >"$SCRATCH/proc/sys/kernel/random/boot_id"
for command in "watch --once" "run --once --force --limit 2"; do
    # shellcheck disable=SC2086
    check "never cut: $command" "$NIGHTJAR" -q -c "$SCRATCH/whole.conf" $command
done
check "never cut: review accept" "$NIGHTJAR" -q -c "$SCRATCH/whole.conf" review accept --by Asha "$(of "$SCRATCH/whole")"
check "never cut: uplink" "$NIGHTJAR" -q -c "$SCRATCH/whole.conf" uplink
want=$(content "$SCRATCH/whole")

# a number from 1 to $1, the same in every run
seed=4711
roll() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    rolled=$((seed / 65536 % $1 + 1))
}
powered() { # FOLDER AT COMMAND…: the power goes away at request AT, or, one time in four, only the process is killed; 137 if it was
    powered_root=$1 powered_at=$2
    shift 2
    case $((seed / 4096 % 4)) in 0) powered_mode=kill ;; *) powered_mode=power ;; esac
    env LD_PRELOAD="$cut" CUT_ROOT="$powered_root" CUT_AT="$powered_at" CUT_SEED="$seed" CUT_MODE="$powered_mode" "$@" >"$SCRATCH/out" 2>&1
}
cut_count=0
try() { # AMONG COMMAND…: once, with a cut at one of so many requests, or none when this life had enough; its status, 137 for a cut
    among=$1
    shift
    roll "$among"
    [ $turn -lt 8 ] || rolled=0
    powered "$folder" "$rolled" "$NIGHTJAR" -q -c "$SCRATCH/life.conf" "$@"
    status=$?
    [ $status != 137 ] || cut_count=$((cut_count + 1))
    return $status
}
live() { # until its work is done; fails when it was cut or went wrong. What a cut left undone is asked for, no more.
    try 300 watch --once || return
    left=$((2 - $(count "$folder" "events where state = 'done'")))
    [ $left -le 0 ] || try 200 run --once --force --limit $left || return
    first=$(of "$folder")
    [ "$(count "$folder" "review_queue where event_id = '$first' and status = 'accepted'")" = 1 ] || try 40 review accept --by Asha "$first" || return
    try 80 uplink
}
lives=0
wrong=
while [ $cut_count -lt "$cuts" ] && [ -z "$wrong" ]; do
    lives=$((lives + 1))
    folder="$SCRATCH/life"
    rm -rf "$folder"
    mkdir "$folder"
    conf "$folder"
    turn=0
    status=137
    while [ $status = 137 ]; do
        turn=$((turn + 1))
        echo "$lives.$turn" >"$SCRATCH/proc/sys/kernel/random/boot_id"
        live
    done
    [ $status = 0 ] || wrong="life $lives ends with status $status: $(tail -n 1 "$SCRATCH/out")"
    ls "$folder" | grep -q damaged && wrong="life $lives: a sound file was called damaged"
    [ "$(sqlite3 -batch "$folder/nightjar.db" 'pragma integrity_check')" = ok ] || wrong="life $lives: the file does not hold together"
    got=$(content "$folder")
    [ "$got" = "$want" ] || wrong="life $lives: not the same: $(printf '%s\n' "$want" >"$SCRATCH/want"; printf '%s\n' "$got" | diff "$SCRATCH/want" - | head -n 5)"
done
same "$cut_count cuts in $lives lives of watch, run, review and uplink: nothing lost, nothing doubled, nothing half" "" "$wrong"

# convert: the new model is whole or not there
bad=0
for round in $(seq $((cuts / 8 + 7))); do
    roll 160
    at=$rolled
    rm -rf "$SCRATCH/models"
    mkdir "$SCRATCH/models"
    powered "$SCRATCH/models" $at "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/models/new.nj"
    [ ! -e "$SCRATCH/models/new.nj" ] || cmp -s "$SCRATCH/models/new.nj" "$SCRATCH/model.nj" || bad=$((bad + 1))
done
same "convert leaves no half model" 0 $bad
for at in 3 9 20 60; do
    powered "$SCRATCH/models" $at "$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/models/new.nj"
done
"$NIGHTJAR" -q convert --random tiny -o "$SCRATCH/models/new.nj"
same "and the next one clears up" new.nj "$(ls -A "$SCRATCH/models")"
# report: the old page or the new one
echo old >"$SCRATCH/life/page.html"
for at in 1 2 3 4 5; do
    powered "$SCRATCH/life" $at "$NIGHTJAR" -q -c "$SCRATCH/life.conf" report -o "$SCRATCH/life/page.html"
    grep -qx old "$SCRATCH/life/page.html" || grep -q '</html>' "$SCRATCH/life/page.html" || bad=$((bad + 1))
done
same "report leaves no half page" 0 $bad
tap_done
