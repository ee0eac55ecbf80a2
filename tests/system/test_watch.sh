# `nightjar watch` while things happen to the card: folders that appear later, files that grow, files that are filled after they were made, many at
# once, a card that goes and comes back, a second watcher, a signal.
. tests/tap.sh

PICTURES=$SHARED/data/images/serengeti_s1
if [ -z "$SHARED" ] || ! command -v sqlite3 >/dev/null; then
    skip "no pictures or no sqlite3 here"
    tap_done
fi

DB=$SCRATCH/nightjar.db
CARD=$SCRATCH/media/card/DCIM/100MEDIA
SETTINGS="--set ingest.cards=$SCRATCH/media/* --set database.path=$DB --set station.name=post --set ingest.settle_seconds=2 --set ingest.burst_gap_seconds=1"

sql() { sqlite3 -cmd '.timeout 5000' "$DB" "$1" 2>/dev/null; }
outcome() { sql "select outcome from files where path like '%$1'"; }
# until WANT SQL: asks until the answer is WANT, for half a minute at most; prints the last answer.
until_is() {
    for turn in $(seq 150); do
        answer=$(sql "$2")
        [ "$answer" = "$1" ] && break
        sleep 0.2
    done
    echo "$answer"
}

$NIGHTJAR $SETTINGS watch 2>"$SCRATCH/log" &
WATCH=$!
trap 'kill $WATCH 2>/dev/null; rm -rf "$SCRATCH"' EXIT
until_is 0 "select count(*) from files" >/dev/null

# the folder that the glob names does not exist yet
mkdir -p "$CARD"
cp "$PICTURES/S1_D04_R6_PICT0020.JPG" "$PICTURES/S1_D04_R6_PICT0021.JPG" "$PICTURES/S1_D04_R6_PICT0022.JPG" "$CARD"
same "a burst on a card that appeared later becomes one event" "3|ready" \
    "$(until_is "3|ready" "select frame_count, state from events")"

# a file that grows for longer than gap + settle
for part in 0 1 2 3 4 5 6 7 8 9; do
    dd if="$PICTURES/S1_D04_R6_PICT0128.JPG" of="$CARD/SLOW0128.JPG" bs=70000 skip=$part seek=$part count=1 conv=notrunc status=none
    sleep 0.4
    [ $part = 6 ] && grown=$(outcome SLOW0128.JPG)
done
case $grown in pending | '') grown=pending ;; esac
same "a file that grows is pending while it grows" pending "$grown"
same "and is used when it is whole" used "$(until_is used "select outcome from files where path like '%SLOW0128.JPG'")"
same "with one row" 1 "$(sql "select count(*) from files where path like '%SLOW0128.JPG'")"

# created at full size, filled later
size=$(stat -c %s "$PICTURES/S1_D04_R6_PICT0129.JPG")
truncate -s "$size" "$CARD/FULL0129.JPG"
sleep 0.5
dd if="$PICTURES/S1_D04_R6_PICT0129.JPG" of="$CARD/FULL0129.JPG" conv=notrunc status=none
same "a file that had its size before its content is used" used "$(until_is used "select outcome from files where path like '%FULL0129.JPG'")"

# moved in from elsewhere, and one that never becomes whole
cp "$PICTURES/S1_D04_R6_PICT0130.JPG" "$SCRATCH/elsewhere.jpg"
mv "$SCRATCH/elsewhere.jpg" "$CARD/MOVE0130.JPG"
head -c 100000 "$PICTURES/S1_D04_R6_PICT0221.JPG" >"$CARD/HALF0221.JPG"
same "a file that is moved in is used" used "$(until_is used "select outcome from files where path like '%MOVE0130.JPG'")"
same "half a file is rejected in the end" rejected "$(until_is rejected "select outcome from files where path like '%HALF0221.JPG'")"

# many at once, in a folder that is made in the same breath; each a picture of its own (bytes after the end marker do no harm)
mkdir "$SCRATCH/media/card/DCIM/101MEDIA"
for i in $(seq -w 300); do
    { cat "$SHARED/data/malformed/ljt_8bit__testorig_vflip_410_q10_baseline.jpg"; echo "$i"; } >"$SCRATCH/media/card/DCIM/101MEDIA/IMG_0$i.JPG"
done
same "300 files at once, none is lost" 300 "$(until_is 300 "select count(*) from files where outcome = 'used' and path like '%101MEDIA%'")"

# the card goes, and another one takes its place
rm -rf "$SCRATCH/media/card"
mkdir -p "$SCRATCH/media/second/DCIM"
cp "$PICTURES/S1_D04_R6_PICT0222.JPG" "$SCRATCH/media/second/DCIM"
same "a card that comes after another is read" used "$(until_is used "select outcome from files where path like '%PICT0222.JPG'")"
same "and what was on the first is still known" 307 "$(sql "select count(*) from files where card = 'card'")"

same "no burst stays open" 0 "$(until_is 0 "select count(*) from events where state = 'open'")"

# a second watcher
$NIGHTJAR $SETTINGS watch 2>"$SCRATCH/second"
same "a second watcher stops in good order" 75 $?

kill -TERM $WATCH
wait $WATCH
same "SIGTERM ends it in good order" 75 $?
same "no frame is in two events, no event without frames" 0 \
    "$(sql "select count(*) from events e where frame_count <> (select count(*) from files f where f.event_id = e.event_id)")"

# `--once` waits for the newest burst to settle; a signal ends that, too
cp "$PICTURES/S1_D04_R6_PICT0223.JPG" "$SCRATCH/media/second/DCIM"
$NIGHTJAR $SETTINGS --set ingest.settle_seconds=600 watch --once 2>>"$SCRATCH/log" &
WATCH=$!
same "watch --once has taken in a new picture" used "$(until_is used "select outcome from files where path like '%PICT0223.JPG'")"
kill -TERM $WATCH
wait $WATCH
same "SIGTERM while it waits ends it in good order" 75 $?
check "the next one finds the burst where it was" $NIGHTJAR -q $SETTINGS watch --once
same "and closes it" 0 "$(sql "select count(*) from events where state = 'open'")"
[ $tap_failed = 0 ] || sed 's/^/# /' "$SCRATCH/log" | tail -n 20
tap_done
