#!/bin/sh
# `nightjar export` over a station with known truth (test_station.c). What the formats' own validators say is for scripts/validate.
. tests/tap.sh
"$BUILD/tests/system/test_station" "$SCRATCH"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
printf '[station]\nname = Kopje\nsite = D07\ntimezone_offset = 3\n[database]\npath = %s/nightjar.db\n' "$SCRATCH" >"$NIGHTJAR_CONF"
db="$SCRATCH/nightjar.db"
ask() { sqlite3 -readonly "$db" "$1"; }
csv() { sqlite3 :memory: -cmd ".import --csv $1 t" "$2"; } # FILE QUERY over the table t
out="$SCRATCH/out"
mkdir "$out"
nightjar() { "$NIGHTJAR" -q "$@" 2>"$SCRATCH/err"; }
leopard=$(ask "select event_id from detections where species = 'leopard'")
nightjar review correct "$leopard" species=serval young=yes --by Asha
nightjar review accept "$(ask "select event_id from detections where species = 'zebra'")" --by Juma
sqlite3 "$db" "insert into clock_offset(card, camera, seconds, by_whom, at_utc) values(1, 'H500', 3600, 'Asha', '2020-01-04T00:00:00Z')"

nightjar export csv -o "$out/e.csv"
same "csv: a row an animal or an event without any" "9" "$(csv "$out/e.csv" 'select count(*) from t')"
same "people are left out, and counted" "1" "$(grep -c '^1 that may show people' "$SCRATCH/err")"
same "the ranger's word" "Serval|Leptailurus serval|1|ranger|Asha" "$(csv "$out/e.csv" "select display_name, scientific_name, young_present, decided_by, by_whom from t where event_id = '$leopard'")"
same "the clock is put right" "2020-01-02T22:00:00" "$(csv "$out/e.csv" "select started_at from t where event_id = '$leopard'")"
same "what was not read says why" "battery at 12 %, the reserve is 25 %" "$(csv "$out/e.csv" "select state_reason from t where state = 'deferred'" | tr -d '\r')"
nightjar export csv --people -o "$out/p.csv"
same "people on request" "10" "$(csv "$out/p.csv" 'select count(*) from t')"
nightjar export csv --night 2020-01-01 -o "$out/n.csv"
same "one night" "2" "$(csv "$out/n.csv" 'select count(*) from t')"

nightjar export timelapse -o "$out/t.csv"
same "timelapse: a row a picture" "12" "$(csv "$out/t.csv" 'select count(*) from t')"
same "its own names" "DCIM|2020-01-02 22:00:02|serval|true" "$(csv "$out/t.csv" "select RelativePath, DateTime, Species, Young from t where File = 'IMG_0004c.JPG'")"
same "a hostile file name is text" "1" "$(csv "$out/t.csv" "select count(*) from t where File = '<script>alert(1).JPG'")"

nightjar export megadetector -o "$out/m.json"
same "megadetector: format and pictures" '"1.4" 12' "$(jq -c '.info.format_version' "$out/m.json") $(jq '.images | length' "$out/m.json")"
same "what was seen" 'animal serval' "$(jq -r '. as $d | .images[] | select(.file == "card/DCIM/IMG_0004.JPG") | .detections[0] | "\($d.detection_categories[.category]) \($d.classification_categories[.classifications[0][0]])"' "$out/m.json")"
same "empty is an empty list" '[]' "$(jq -c '.images[] | select(.file == "card/DCIM/IMG_0003.JPG") | .detections' "$out/m.json")"
same "a failure is a failure" '"not understood: the answer was cut off after 1536 tokens" null' "$(jq -c '.images[] | select(.file == "card/DCIM/IMG_0010.JPG") | .failure, .detections' "$out/m.json" | xargs -d '\n')"
same "confidence is written as a float" "0" "$(grep -c '"conf":1[,}]' "$out/m.json")"

nightjar export camtrap-dp -o "$out/dp"
same "camtrap-dp: three tables" "deployments media observations" "$(jq -r '.resources[].name' "$out/dp/datapackage.json" | xargs)"
for table in deployments media observations; do
    same "$table: one key a row" "" "$(csv "$out/dp/$table.csv" "select ${table%s}ID from t group by 1 having count(*) > 1" 2>/dev/null)"
done
same "every observation has its deployment" "0" "$(sqlite3 :memory: -cmd ".import --csv $out/dp/observations.csv o" -cmd ".import --csv $out/dp/deployments.csv d" "select count(*) from o where deploymentID not in (select deploymentID from d)")"
same "times carry the zone" "2020-01-02T22:00:00+03:00|2020-01-02T22:00:02+03:00" "$(csv "$out/dp/observations.csv" "select eventStart, eventEnd from t where eventID = '$leopard'")"
same "who saw it" "animal|Leptailurus serval|1|human|Asha" "$(csv "$out/dp/observations.csv" "select observationType, scientificName, count, classificationMethod, classifiedBy from t where eventID = '$leopard'")"
same "what was not read is unclassified" "4" "$(csv "$out/dp/observations.csv" "select count(*) from t where observationType = 'unclassified'")"
same "blank is blank" "1" "$(csv "$out/dp/observations.csv" "select count(*) from t where observationType = 'blank'")"
same "an unknown place says so" "0|0|20015000" "$(csv "$out/dp/deployments.csv" 'select latitude, longitude, coordinateUncertainty from t')"
same "no time, no row" "1" "$(grep -c '^1 without a time' "$SCRATCH/err")"
same "no path climbs out" "0" "$(csv "$out/dp/media.csv" "select count(*) from t where filePath like '.%' or filePath like '/%' or filePath like '%..%'")"

sqlite3 "$db" "update event set camera = '=cmd|'' /C calc''!A0' where event_id = '$leopard';
    update file set path = cast('=1+1.JPG' as blob) where event_id = '$leopard' and frame_index = 1; update card set name = '@SUM(1)'"
nightjar review correct "$leopard" species=lionMale --by "=Asha"
nightjar review correct "$(ask "select event_id from detections where species = 'zebra'")" species=lionFemale
nightjar export csv -o "$out/f.csv"
nightjar export timelapse -o "$out/f.txt"
nightjar export camtrap-dp -o "$out/f"
same "no cell is a formula" "" "$(cat "$out/f.csv" "$out/f.txt" "$out"/f/*.csv | grep -E '(^|,)"?[=+@]')"
same "but text, as it was" "'=cmd|' /C calc'!A0|'=Asha|'@SUM(1)" "$(csv "$out/f.csv" "select camera, by_whom, card from t where event_id = '$leopard'")"
same "and a path that can be read back" "%40SUM(1)/=1+1.JPG" "$(csv "$out/f/media.csv" "select filePath from t where mediaID = '$leopard-1'")"
same "camtrap-dp: one taxon for lion and lioness" "Panthera leo" "$(jq -r '.taxonomic[] | select(.scientificName == "Panthera leo") | .scientificName' "$out/f/datapackage.json")"
nightjar review undo "$leopard"
nightjar review undo "$(ask "select event_id from detections where species = 'lionFemale'")"
sqlite3 "$db" "update event set camera = 'H500'; update file set path = cast('DCIM/IMG_0004.JPG' as blob) where event_id = '$leopard' and frame_index = 1; update card set name = 'card'"

nightjar export training -o "$out/training"
same "training: what rangers decided" "2" "$(wc -l <"$out/training/training.jsonl" | tr -d ' ')"
same "question and answer" "system user assistant" "$(head -n 1 "$out/training/training.jsonl" | jq -r '.messages[].role' | xargs)"
same "the same in both files, but for where pictures are named" "" "$(for file in training images/metadata; do jq -c 'del(.images_file_names, .messages[].content[].image)' "$out/training/$file.jsonl" >"$SCRATCH/${file#*/}.plain"; done; cmp "$SCRATCH/training.plain" "$SCRATCH/metadata.plain")"
same "in the parts of one, beside the messages of the other" "messages null|images_file_names messages 3" "$(grep "$leopard" "$out/training/training.jsonl" | jq -r '"\(keys | join(" ")) \(.images_file_names)"')|$(grep "$leopard" "$out/training/images/metadata.jsonl" | jq -r '"\(keys | join(" ")) \(.images_file_names | length)"')"
same "each place of the other has its picture" "3" "$(grep "$leopard" "$out/training/images/metadata.jsonl" | jq -r '.images_file_names[]' | while read -r image; do ls "$out/training/images/$image"; done | wc -l | tr -d ' ')"
same "the answer is the ranger's" "serval true" "$(grep "$leopard" "$out/training/training.jsonl" | jq -r '.messages[2].content[0].text | fromjson | .detections[0] | "\(.species) \(.young_present)"')"
same "reasons are those of the rules" '["a rare species","taken at night"]' "$(grep "$leopard" "$out/training/training.jsonl" | jq -c '.messages[2].content[0].text | fromjson | .review.reasons')"
same "the pictures are there" "3" "$(grep "$leopard" "$out/training/training.jsonl" | jq -r '.messages[1].content[].image // empty' | while read -r image; do cmp -s "$out/training/$image" "$SCRATCH/card/DCIM/$(ask "select substr(f.path, 6) from files f where event_id = '$leopard' and frame_index = $(echo "$image" | sed 's/.*_\([0-9]\)\.jpg/\1/')")" && echo same; done | wc -l | tr -d ' ')"
echo changed >>"$SCRATCH/card/DCIM/IMG_0004b.JPG"
rm -rf "$out/training"
nightjar export training -o "$out/training"
same "a picture that was changed is not taught" "1" "$(wc -l <"$out/training/training.jsonl" | tr -d ' ')"
check "and that is said" grep -q 'another picture lies there now' "$SCRATCH/err"
mkfifo "$out/pipe"
timeout 60 cat "$out/pipe" >"$out/through.csv" &
nightjar export csv -o "$out/pipe"
check "a pipe stays a pipe" test -p "$out/pipe"
[ -p "$out/pipe" ] || kill $!
wait
nightjar export csv -o "$out/e.csv"
check "and what comes out of it is what a file would hold" cmp "$out/e.csv" "$out/through.csv"
nightjar export csv -o - >"$out/through.csv"
check "- is the output" cmp "$out/e.csv" "$out/through.csv"
nightjar export camtrap-dp -o -
same "a folder of files cannot go there" 2 $?

nightjar export fax -o "$out/x"
same "no such format" 2 $?
nightjar export csv
same "no file" 2 $?
nightjar export csv -o "$SCRATCH/none/e.csv"
same "a folder that is not there" 1 $?
tap_done
