# A card that is pulled out while it is read, and comes back; a card that is unmounted and another that is mounted while `watch` looks on; more events
# than the queue of inotify holds. Needs root, to mount; draws its own pictures.
. tests/tap.sh

if ! command -v sqlite3 >/dev/null || ! command -v mke2fs >/dev/null || [ ! -x "$BUILD/trapcam" ]; then
    skip "no sqlite3, mke2fs or trapcam here"
    tap_done
fi
CARD=$SCRATCH/media/card
DB=$SCRATCH/nightjar.db
SETTINGS="--set ingest.cards=$SCRATCH/media/* --set database.path=$DB --set station.name=post --set ingest.settle_seconds=1 --set ingest.burst_gap_seconds=1"
sql() { sqlite3 -cmd '.timeout 5000' "$DB" "$1" 2>/dev/null; }
until_is() { # WANT SQL: asks until the answer is WANT, for 45 seconds at most; prints the last answer
    for turn in $(seq 150); do
        answer=$(sql "$2")
        [ "$answer" = "$1" ] && break
        sleep 0.3
    done
    echo "$answer"
}
"$BUILD/trapcam" card "$SCRATCH/drawn" --events 8 --size 320x240
find "$SCRATCH/drawn" -exec touch -d 2015-05-02 {} +
pictures=$(find "$SCRATCH/drawn" -name '*.JPG' | wc -l)
mkdir -p "$CARD"
mke2fs -q -t ext2 -b 1024 -d "$SCRATCH/drawn" "$SCRATCH/whole" 4M
if ! mount -o loop,ro "$SCRATCH/whole" "$CARD" 2>/dev/null; then
    skip "file systems cannot be mounted here"
    tap_done
fi
trap 'kill $WATCH 2>/dev/null; umount "$CARD" 2>/dev/null; rm -rf "$SCRATCH"' EXIT
umount "$CARD"

# half of the card is there: what lies behind that cannot be read
cp "$SCRATCH/whole" "$SCRATCH/half"
mount -o loop,ro "$SCRATCH/half" "$CARD"
truncate -s 500K "$SCRATCH/half"
check "a card that is pulled out while it is read" $NIGHTJAR -q $SETTINGS watch --once
same "some of it was read, and nothing is rejected yet" "1|1|0" \
    "$(sql "select sum(outcome = 'used') > 0, sum(outcome = 'pending') > 0, sum(outcome = 'rejected') from files where path like '%JPG'")"
umount "$CARD"
mount -o loop,ro "$SCRATCH/whole" "$CARD"
check "comes back" $NIGHTJAR -q $SETTINGS watch --once
same "all pictures are used" "$pictures" "$(sql "select count(*) from files where outcome = 'used'")"
same "in the events that they were taken in" "8|0" "$(sql "select count(*), sum(state <> 'ready') from events")"

# watch looks on while the card is unmounted, and while another one is mounted where it was
$NIGHTJAR $SETTINGS watch 2>"$SCRATCH/log" &
WATCH=$!
sleep 1
check "watch does not keep the card from being unmounted" umount "$CARD"
mount -t tmpfs none "$CARD"
mkdir -p "$CARD/DCIM"
"$BUILD/trapcam" card "$SCRATCH/second" --events 1 --seed 5 --size 320x240
cp "$SCRATCH"/second/DCIM/*/*.JPG "$CARD/DCIM"
more=$(ls "$CARD/DCIM" | wc -l)
same "the card that is mounted in its place is read" $((pictures + more)) \
    "$(until_is $((pictures + more)) "select count(*) from files where outcome = 'used'")"

# more events than the queue holds: that files were written is lost, and found all the same. Links make events that ask for no scan.
kill -STOP $WATCH
mkdir "$SCRATCH/links"
seq $(($(cat /proc/sys/fs/inotify/max_queued_events) + 1000)) | (cd "$CARD/DCIM" && xargs ln -s -t .)
cp "$SCRATCH/second/DCIM/100RECNX/IMG_0001.JPG" "$CARD/DCIM/LATE0001.JPG"
echo "another picture" >>"$CARD/DCIM/LATE0001.JPG"
find "$CARD/DCIM" -type l -delete
kill -CONT $WATCH
same "a picture whose events were lost is read" used "$(until_is used "select outcome from files where path like '%LATE0001.JPG'")"
kill -TERM $WATCH
wait $WATCH
same "SIGTERM ends it in good order" 75 $?
[ $tap_failed = 0 ] || sed 's/^/# /' "$SCRATCH/log" | tail -n 20
tap_done
