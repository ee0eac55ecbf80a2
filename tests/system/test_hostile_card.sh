# Cards that break programs, through `probe bursts` and `watch --once`: nothing outside is read, nothing hangs, each file has its outcome.
. tests/tap.sh

CARD=$SCRATCH/card
mkdir -p "$CARD/DCIM/100MEDIA"
probe() { timeout 60 "$NIGHTJAR" probe bursts "$CARD"; }
outcome() { probe | grep -F -- "$1" | cut -d ' ' -f 1; }

mkfifo "$CARD/DCIM/100MEDIA/PIPE0001.JPG"
ln -s /etc/passwd "$CARD/DCIM/100MEDIA/LINK0001.JPG"
ln -s / "$CARD/DCIM/root"
truncate -s 70M "$CARD/DCIM/100MEDIA/HUGE0001.JPG"
printf '\377\330\377\300\0\021\010\377\377\377\377\003\001\021\0\002\021\001\003\021\001' >"$CARD/DCIM/100MEDIA/BOMB0001.JPG"
same "a pipe is ignored and not waited for" ignored "$(outcome PIPE0001)"
same "a link is ignored" ignored "$(outcome LINK0001)"
same "a link to / is not followed" "ignored  DCIM/root: a symbolic link: not followed" "$(probe | grep -F DCIM/root)"
same "a file of 70 MiB is rejected" rejected "$(outcome HUGE0001)"
same "a picture that claims 65535 x 65535 is rejected" rejected "$(outcome BOMB0001)"
if [ "$(id -u)" = 0 ] && mknod "$CARD/DCIM/100MEDIA/NULL0001.JPG" c 1 3 2>/dev/null; then
    same "a device is ignored" ignored "$(outcome NULL0001)"
else
    skip "devices need root"
fi

deep() { # LEVELS: a file below so many folders
    path=
    for level in $(seq "$1"); do path=$path/d; done
    mkdir -p "$CARD$path" && cp "$CARD/DCIM/100MEDIA/BOMB0001.JPG" "$CARD$path/DEEP$1.JPG"
}
deep 31
deep 40
deep 300
same "31 folders deep it is looked at" rejected "$(outcome DEEP31.JPG)"
same "40 folders deep it is ignored" ignored "$(outcome DEEP40.JPG)"
same "300 folders deep nothing is listed, and that is said" 1 "$(probe | grep -c 'folders without end')"

if [ -n "$SHARED" ] && command -v sqlite3 >/dev/null; then
    mkdir "$CARD/broken" "$CARD/good"
    cp -p "$SHARED"/data/malformed/*.jp* "$CARD/broken"
    cp -p "$SHARED"/data/images/serengeti_s1/*PICT002?.JPG "$CARD/good"
    touch -d 2010-08-20 "$CARD"/*/*.* "$CARD/DCIM/100MEDIA"/[HB]*
    scan() { timeout 120 "$NIGHTJAR" -q --set "ingest.cards=$CARD" --set "database.path=$SCRATCH/nightjar.db" --set station.name=post watch --once; }
    ask() { sqlite3 "$SCRATCH/nightjar.db" "$1"; }
    check "146 broken pictures do not stop the scan" scan
    same "each has an outcome" 146 "$(ask "select count(*) from files where path like 'broken/%' and outcome in ('used', 'rejected', 'ignored')")"
    same "each that is not used has a reason" 0 "$(ask "select count(*) from files where outcome <> 'used' and ifnull(reason, '') = ''")"
    same "the good ones among them are one event" "3|2010-08-19T18:24:57|2010-08-19T18:24:58" \
        "$(ask "select frame_count, started_at, ended_at from events where event_id in (select event_id from files where path like 'good/%')")"
    before=$(ask "select path, outcome, reason, event_id from files order by file_id")
    check "a second scan" scan
    same "changes nothing" "$before" "$(ask "select path, outcome, reason, event_id from files order by file_id")"
    same "nothing outside the card is known" 0 "$(ask "select count(*) from files where path like '%passwd%' or path like 'DCIM/root/%'")"
else
    skip "no broken pictures or no sqlite3 here"
fi
"$NIGHTJAR" probe bursts "$SCRATCH/nowhere" 2>"$SCRATCH/why"
same "a card that is not there is one sentence" "1 1" "$? $(grep -c . "$SCRATCH/why")"
tap_done
