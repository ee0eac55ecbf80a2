#!/bin/sh
# `nightjar report` over a station with known truth (test_station.c). How it looks is for `make screenshots`.
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje <b>&\nsite = D07\ntimezone_offset = 3\n[database]\npath = %s/nightjar.db\n' "$SCRATCH" >"$NIGHTJAR_CONF"
page="$SCRATCH/page.html"
has() { check "$1" grep -qF -- "$2" "$page"; }
hasnot() { check "$1" sh -c "! grep -qiF -- '$2' '$page'"; }

check "three nights" "$NIGHTJAR" report --from 2020-01-01 --to 2020-01-03 -o "$page"
has "how many events" "<b>9</b> events"
has "how many to review" '<li class="urgent"><b>4</b> to review'
has "the species table" '<tr><th scope="row">Impala</th><td class="n">1</td><td class="n">11</td>'
has "activity: three of four animals at night" "3 of 4 with animals between 18:00 and 06:00"
has "why a review" "a rare species; the model is not sure of the species"
has "people are counted" "1 event may show people and is left out."
hasnot "and not shown" "Baboon</h3>"
same "small pictures of the other three" "3" "$(grep -c 'src="data:image/jpeg;base64,/9j/' "$page")"
grep -o 'base64,[^"]*' "$page" | head -n 1 | cut -d, -f2 | base64 -d >"$SCRATCH/small.jpg"
same "which are JPEG" "320x240" "$(djpeg -pnm "$SCRATCH/small.jpg" 2>/dev/null | head -n 2 | tail -n 1 | tr ' ' x)"
has "what failed and why" "Not read: the answer was cut off after 1536 tokens"
has "what was put off and why" "Put off: battery at 12 %, the reserve is 25 %"
has "a broken picture" "DCIM/IMG_0099.JPG: no picture: the file ends after 8192 of 2318211 bytes"
has "the battery" "Lowest charge 50 %."
has "the station's name is text" "Kopje &lt;b&gt;&amp;"
hasnot "no script" "<script"
hasnot "nothing from elsewhere" "http:"
hasnot "nothing from elsewhere" "https:"
check "no handler" sh -c "! grep -qiE '<[^>]* on[a-z]+=' '$page'"
has "for phones" 'name="viewport"'
has "dark, too" "prefers-color-scheme:dark"
check "people on request" "$NIGHTJAR" report --from 2020-01-01 --to 2020-01-03 --people -o "$page"
has "are shown" "1 Baboon</h3>"
check "without a date" "$NIGHTJAR" report -o "$page"
has "the newest night" "The night of 2020-01-03, noon to noon."
sqlite3 "$SCRATCH/nightjar.db" "update event set state_reason = '<script>alert(1)</script>' where state = 'failed'; update card set mount = cast('/nowhere' as blob);
    update reason set words = '\"><img src=x onerror=alert(1)>'"
check "hostile words" "$NIGHTJAR" report --night 2020-01-02 -o "$page"
hasnot "stay words" "<script"
hasnot "stay words, as attributes too" "<img src=x"
has "a missing card is said" "could not be shown: the card is not in its place"
same "to standard output" "$(wc -c <"$page")" "$("$NIGHTJAR" report --night 2020-01-02 -o - | wc -c)"
if [ -c /dev/full ]; then
    "$NIGHTJAR" report --night 2020-01-02 -o - >/dev/full 2>"$SCRATCH/err"
    same "of which the end is lost is a failure" "1 1" "$? $(grep -c '^nightjar: standard output: ' "$SCRATCH/err")"
    "$NIGHTJAR" events --json >/dev/full 2>"$SCRATCH/err"
    same "a list that is lost, too" "1 1" "$? $(grep -c '^nightjar: standard output: ' "$SCRATCH/err")"
else
    skip "no /dev/full here"
fi
"$NIGHTJAR" report >/dev/null 2>&1
same "no file is a usage error" 2 $?
"$NIGHTJAR" report -o "$SCRATCH/none/page.html" >/dev/null 2>&1
same "a folder that is not there" 1 $?
tap_done
