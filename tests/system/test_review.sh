#!/bin/sh
# `nightjar review` over a station with known truth (test_station.c).
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[database]\npath = %s/nightjar.db\n' "$SCRATCH" >"$NIGHTJAR_CONF"
db="$SCRATCH/nightjar.db"
ask() { sqlite3 -readonly "$db" "$1"; }
review() { "$NIGHTJAR" -q review "$@" 2>"$SCRATCH/err"; }
fails() { # NAME WORDS COMMAND…: exit 1 and a sentence with these words
    fails_name=$1 fails_words=$2
    shift 2
    review "$@" >/dev/null
    same "$fails_name" "1 yes" "$? $(grep -qF -- "$fails_words" "$SCRATCH/err" && echo yes || cat "$SCRATCH/err")"
}
leopard=$(ask "select event_id from detections where species = 'leopard'")
zebra=$(ask "select event_id from detections where species = 'zebra'")
blank=$(ask "select event_id from events where blank = 1")
failed=$(ask "select event_id from events where state = 'failed'")

same "the queue, most urgent first" "high high medium medium" "$(review --json | jq -r .priority | xargs)"
same "reasons in words" "a rare species; the model is not sure of the species" "$(review --json | head -n 1 | jq -r .reasons)"
review show "$leopard" >"$SCRATCH/page"
check "show draws the picture" grep -q '=====' "$SCRATCH/page"
check "and says where it is" grep -qF "$SCRATCH/card/DCIM/IMG_0004.JPG" "$SCRATCH/page"

review accept "$zebra" --by Asha
same "accepted, by whom" "accepted|ranger|0|Asha" "$(ask "select q.status, e.decided_by, e.review_needed, r.by_whom from events e join review_queue q using(event_id) join review r using(event_id)")"
review correct "$leopard" species=Serval count=2 young=yes "note=two; drop table event" --by "O'Brien"
same "corrected: a lone animal by its right name keeps what was said of it" "serval|Serval|2|2|1|1|ranger" \
    "$(ask "select species, display_name, count_bin, count_max, young_present, standing, decided_by from detections where event_id = '$leopard'")"
same "the corrected record" '["serval","2",false,[]]' \
    "$(ask "select json from events where event_id = '$leopard'" | jq -c '[.detections[0].species, .detections[0].count.bin, .review.review_needed, .review.reasons]')"
same "who and why" "O'Brien|two; drop table event" "$(ask "select by_whom, notes from review where event_id = '$leopard'")"
same "the model's answer is kept" "leopard" "$(ask "select d.species from answer a join detection d using(answer) where a.event_id = '$leopard' and author = 'model'")"
same "corrections flow into the nights" "serval" "$(ask "select group_concat(species) from species_nights where night = '2020-01-02' and species in ('serval', 'leopard')")"
review correct "$leopard" species=serval,leopard leopard.count=30 1.moving=no
same "two animals" "serval|2 leopard|11-50" "$(ask "select species, count_bin from detections where event_id = '$leopard'" | xargs)"
fails "which of two?" "say which: 1.count" correct "$leopard" count=3
review undo "$leopard" && review undo "$leopard"
same "undo, twice" "leopard|open|model" "$(ask "select e.species, q.status, e.decided_by from events e join review_queue q using(event_id) where event_id = '$leopard'")"
fails "nothing left to undo" "nobody has decided" undo "$leopard"

review correct "$zebra" blank=yes
same "nothing there after all" "1||0" "$(ask "select blank, species, (select count(*) from detections d where d.event_id = e.event_id) from events e where event_id = '$zebra'")"
review correct "$blank" species=dikDik people=yes
same "something there after all, and people" "0|dikDik|1" "$(ask "select e.blank, e.species, t.people from events e join event t using(event_id) where event_id = '$blank'")"
fails "not blank, but what?" "say species=LABEL" correct "$zebra" blank=no
fails "a slip of the thumb" "did you mean dikDik" correct "$zebra" species=dikdok
fails "a field that is none" "no such field" correct "$leopard" colour=red
fails "not yes, not no" "yes or no is expected" correct "$leopard" young=perhaps
fails "no answer to review yet" "is failed" accept "$failed"
before=$(ask "select count(*) from review")
fails "one wrong id" "no such event" accept "$leopard" NJnothing
same "takes all back" "$before" "$(ask 'select count(*) from review')"
review correct "$leopard" >/dev/null
same "no field is a usage error" 2 $?
review escalate "$(ask "select event_id from detections where species = 'impala'")" --note "call the vet"
same "escalated: first in the queue" "high" "$(ask "select priority from review_queue where species = 'impala'")"
"$NIGHTJAR" review correct "$leopard" speces=zebra 2>"$SCRATCH/why"
same "a field that is misspelt" "1 nightjar: $leopard: speces: no such field; did you mean species?" "$? $(cat "$SCRATCH/why")"
"$NIGHTJAR" --set "sentinel.rare_species=leopard, servall" status >/dev/null 2>"$SCRATCH/why"
same "a label in the settings that is misspelt" "1 servall: no such species; did you mean serval?" "$? $(sed 's/.*rare_species: //' "$SCRATCH/why")"
printf '[database]\npath = x\n[sentinel]\nrare_species = lion\n' >"$SCRATCH/lion.conf"
same "in a file, with its line" "nightjar: $SCRATCH/lion.conf:4: rare_species: lion: no such species; did you mean lionFemale?" "$("$NIGHTJAR" -c "$SCRATCH/lion.conf" status 2>&1 >/dev/null)"
check "blanks around the labels" "$NIGHTJAR" --set "sentinel.rare_species= leopard , serval " --set "sentinel.high_count_bins=11-50, 51+" status
tap_done
