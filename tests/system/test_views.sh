#!/bin/sh
# The views that rangers and other programs hold on to: names and order of columns, and that each question finds its rows through an index, so that a
# million events answer as quickly as ten.
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
db="$SCRATCH/nightjar.db"
columns() { sqlite3 -readonly "$db" "select group_concat(name) from pragma_table_info('$1')"; }
same "files" "file_id,card,path,bytes,hash,taken_at,taken_at_source,width,height,camera,outcome,reason,event_id,frame_index,first_seen_utc" "$(columns files)"
same "events" "event_id,station,card,camera,night,started_at,ended_at,frame_count,trigger,grouped_by,state,state_reason,blank,species,review_needed,priority,review_reasons,decided_by,model,soft_tokens,seconds,energy_wh,finished_utc,json" "$(columns events)"
same "detections" "event_id,detection,species,display_name,count_bin,count_min,count_max,standing,resting,moving,eating,interacting,young_present,confidence,probability,runner_up,runner_up_probability,decided_by" "$(columns detections)"
same "review_queue" "event_id,priority,night,started_at,species,reasons,rule_reasons,model_reasons,status,first_image" "$(columns review_queue)"
same "nights" "night,station,files,rejected_files,events,blank,with_animals,waiting,failed,to_review,energy_wh,battery_low_percent" "$(columns nights)"
same "species_nights" "night,species,display_name,events,individuals_min,young_events" "$(columns species_nights)"
same "outbox" "item_id,kind,event_id,priority,bytes,attempts,next_try_utc,sent_utc,acknowledged_utc" "$(columns outbox)"

# A table that is read from end to end shows as "SCAN x" without an index. Subqueries that the planner names in brackets are not tables.
plan() { # NAME QUERY
    scans=$(sqlite3 -readonly "$db" "explain query plan $2" | grep 'SCAN' | grep -v 'USING' | grep -v 'SCAN (subquery' | grep -Ev 'SCAN (nights|species_nights|review_queue|CONSTANT ROW)')
    case $2 in *limit*) scans="$scans$(sqlite3 -readonly "$db" "explain query plan $2" | grep 'FOR ORDER BY')" ;; esac # a few of many: not by sorting all
    same "by index: $1" "" "$scans"
}
plan "an event" "select * from events where event_id = 'x'"
plan "a night" "select * from events where night = '2020-01-02'"
plan "the newest" "select * from events order by started_at desc limit 20"
plan "what waits" "select * from events where state = 'ready'"
plan "the newest of a state" "select * from events where state = 'done' order by started_at desc limit 20"
plan "the newest of a species" "select * from events where species = 'zebra' order by started_at desc limit 20"
plan "a species" "select * from events where species = 'zebra'"
plan "the queue" "select * from review_queue"
plan "its length" "select count(*) from review_queue where status = 'open'"
plan "the queue of a night" "select * from review_queue where night = '2020-01-02'"
plan "animals of an event" "select * from detections where event_id = 'x'"
plan "every leopard" "select * from detections where species = 'leopard'"
plan "where leopards were" "select e.started_at from detections d join events e using(event_id) where d.species = 'leopard'"
plan "a file" "select * from files where path = 'DCIM/IMG_0001.JPG'"
plan "files of an event" "select * from files where event_id = 'x'"
plan "what was rejected" "select * from files where outcome = 'rejected'"
plan "pictures of a day" "select * from files where taken_at >= '2020-01-02' and taken_at < '2020-01-03'"
plan "nights" "select * from nights where night >= '2020-01-01'"
plan "species of a night" "select * from species_nights where night = '2020-01-02'"
plan "the outbox" "select * from outbox where item_id = 1"

same "the queue comes in order of urgency" "high high medium medium" "$(sqlite3 -readonly "$db" 'select priority from review_queue' | xargs)"
same "sums of the nights are those of the events" "" "$(sqlite3 -readonly "$db" "select * from (select night, count(*) as events, sum(state = 'done' and blank = 1) as blank,
    sum(state = 'done' and species <> '') as animals, sum(state in ('open', 'ready', 'running', 'deferred')) as waiting, sum(state = 'failed') as failed, sum(review_needed is 1) as to_review
    from events group by night) e left join nights n on n.night is e.night
    where (n.events, n.blank, n.with_animals, n.waiting, n.failed, n.to_review) is not (e.events, ifnull(e.blank, 0), ifnull(e.animals, 0), e.waiting, e.failed, e.to_review)")"
tap_done
