#!/bin/sh
# A month of 3,000 events, each with a picture of its own and open for review: the page stays below 3 MB, and what is left out of it is said. MONTH=N: that many
# events, kept in MONTH_FOLDER, for measuring by hand.
. tests/tap.sh
events=${MONTH:-3000}
folder=${MONTH_FOLDER:-$SCRATCH}
"$BUILD/tests/system/test_station" "$folder"
export NIGHTJAR_CONF="$folder/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\n[database]\npath = %s/nightjar.db\n' "$folder" >"$NIGHTJAR_CONF"
# copies of the leopard, 100 a night from 2020-06-01 on; their frames are pictures of a real camera where there are any
pictures=$folder/card/DCIM
[ -z "$SHARED" ] || { pictures=$folder/real && mkdir -p "$pictures" && cp "$SHARED"/data/images/serengeti_s1/*.JPG "$pictures"; }
ls "$pictures" >"$folder/names"
sqlite3 -batch "$folder/nightjar.db" >"$folder/log" 2>&1 <<SQL
create temp table name(i integer primary key, path text);
$(awk '{ printf "insert into name values(%d, '\''%s'\'');\n", NR - 1, $0 }' "$folder/names")
begin;
create temp table n as with recursive n(i) as (select 1 union all select i + 1 from n where i < $events)
    select i, printf('NJc%09d', i) as id, datetime('2020-06-01 12:00:00', (i / 100) || ' days', (i % 100 * 800) || ' seconds') as at from n;
create temp table was as select * from event where species = 'leopard';
insert into card(station, identity, name, mount, first_seen_utc, last_seen_utc) select station, cast('month' as blob), 'month', cast('$pictures' as blob), first_seen_utc, last_seen_utc from card limit 1;
insert into event(event_id, station, card, camera, night, started_at, ended_at, frame_count, trigger, grouped_by, state, first_seen_utc, seconds, energy_wh, finished_utc, model, soft_tokens)
    select id, station, (select max(card) from card), camera, substr(datetime(at, '-12 hours'), 1, 10), replace(at, ' ', 'T'), replace(at, ' ', 'T'), 1, trigger, grouped_by, 'ready',
        first_seen_utc, seconds, energy_wh, finished_utc, model, soft_tokens from n, was;
insert into answer(answer, event_id, author, made_utc, blank, people, review_needed, priority, json, model, soft_tokens)
    select 1000 + i, id, author, made_utc, blank, people, review_needed, priority, json, model, soft_tokens from n, (select * from answer where answer = (select answer from was));
insert into detection select 1000 + i, detection, species, display_name, count_bin, count_min, count_max, standing, resting, moving, eating, interacting, young_present, confidence,
    probability, runner_up, runner_up_probability from n, (select * from detection where answer = (select answer from was));
insert into reason select 1000 + i, reason, kind, code, words from n, (select * from reason where answer = (select answer from was));
insert into file(card, station, path, bytes, mtime_ns, inode, state, taken_at, night, taken_at_source, camera, sequence_k, sequence_n, sequence_event, timelapse, event_id, frame_index, first_seen_utc)
    select (select max(card) from card), 1, cast((select path from name where name.i = n.i % (select count(*) from name)) as blob), 1, 1, i, 'ready', replace(at, ' ', 'T'),
        substr(datetime(at, '-12 hours'), 1, 10), 'exif', 'H500', 0, 0, 0, 0, id, 1, '2020-07-01T00:00:00Z' from n;
update event set state = 'done', answer = 1000 + n.i, model_answer = 1000 + n.i, decided_by = 'model', blank = 0, people = 0, species = 'leopard', priority = 'high', review = 'open'
    from n where n.id = event.event_id;
commit;
SQL
same "the month is in the database" "" "$(cat "$folder/log")"
same "with its sums" "$events|$events" "$(sqlite3 "$folder/nightjar.db" "select sum(events), sum(to_review) from nights where night >= '2020-06-01'")"
newest=$(sqlite3 "$folder/nightjar.db" "select event_id from events where started_at is not null order by started_at desc limit 5" | sort)
same "the newest of a common species" "$newest" "$("$NIGHTJAR" -q events --species leopard --limit 5 --csv | sed 1d | cut -d, -f1 | sort)"
same "and all of a rare one" "$(sqlite3 "$folder/nightjar.db" "select event_id from detections where species = 'zebra'")" "$("$NIGHTJAR" -q events --species zebra --limit 5 --csv | sed 1d | cut -d, -f1)"
same "of a night" "100" "$("$NIGHTJAR" -q events --species leopard --night 2020-06-05 --csv | sed 1d | wc -l | tr -d ' ')"
same "the head of the queue" "high 2020-01-02T21:00:00 high 2020-01-02T22:00:00" "$("$NIGHTJAR" -q review --limit 2 --csv | sed 1d | cut -d, -f2,4 | tr ',\n' '  ' | sed 's/ $//')"
check "its page" "$NIGHTJAR" report --from 2020-06-01 --to 2020-07-01 -o "$folder/page.html"
same "is below 3 MB" yes "$([ "$(wc -c <"$folder/page.html")" -lt 3000000 ] && echo yes || wc -c <"$folder/page.html")"
check "counts all" grep -q "<b>$(sqlite3 "$folder/nightjar.db" "select sum(events) from nights where night between '2020-06-01' and '2020-07-01'")</b> events" "$folder/page.html"
same "shows pictures of the first" yes "$([ "$(grep -c 'src="data:image' "$folder/page.html")" -gt 30 ] && echo yes)"
check "and says how many more there are" grep -q 'more are in the queue' "$folder/page.html"
tap_done
