#!/bin/sh
# What animals do, by an adapter for actions: a second pass over the features of the first, stored beside the event.
. tests/tap.sh
if [ -z "$SHARED" ]; then
    skip "no reference files"
    tap_done
fi
sql() { sqlite3 -batch "$SCRATCH/$1.db" "$2"; }
mkdir -p "$SCRATCH/cards/one"
find "$SHARED/data/images/serengeti_s1" -name '*.JPG' | sort | head -n 4 | while read -r picture; do cp -p "$picture" "$SCRATCH/cards/one"; done
find "$SCRATCH/cards" -type f -exec touch -d '2 hours ago' {} +
cp -r "$SHARED/reference/adapters/tiny-lora" "$SCRATCH/free"
cp -r "$SHARED/reference/adapters/tiny-lora" "$SCRATCH/listed"
chmod -R u+w "$SCRATCH/free" "$SCRATCH/listed"
printf 'grazing\nwalking \n\nrunning\ngrazing\nlying down\n' >"$SCRATCH/listed/actions.txt"
printf '[ingest]\ncards = %s/cards/*\nburst_max_frames = 4\n[model]\npath = %s/reference/checkpoints/tiny-it\nsoft_tokens = 70\n' "$SCRATCH" "$SHARED" \
    >"$SCRATCH/nightjar.conf"
for run in none free listed; do
    case $run in
    none) set -- ;;
    *) set -- --set "model.action_adapter=$SCRATCH/$run" ;;
    esac
    check "$run: read" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/$run.db" "$@" run --once --force
done
seen=$(sql none "select count(*) from events where state = 'done' and blank = 0")
same "there are animals" 1 $((seen > 0))
same "nobody is asked without an adapter" 0 "$(sql none "select count(*) from behaviours")"
same "everything else stays as it was" "$(sql none "select event_id, json, review_reasons from events order by 1")" \
    "$(sql listed "select event_id, json, review_reasons from events order by 1")"
same "every event with animals has its action, no blank one" "$seen|$seen" \
    "$(sql listed "select count(*), sum(blank = 0) from behaviours join events using(event_id)")"
same "which is of the list, with a probability" 0 "$(sql listed "select count(*) from behaviours where
    behaviour not in ('grazing', 'walking', 'running', 'lying down') or not behaviour_probability between 0.1 and 1")"
same "without a list: one line of free text, no probability" 0 "$(sql free "select count(*) from behaviours where length(behaviour) > 127
    or instr(behaviour, char(10)) or behaviour_probability is not null")"
check "of most events" test "$(sql free "select count(*) from behaviours")" -gt 0
id=$(sql listed "select event_id from behaviours limit 1")
"$NIGHTJAR" -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/listed.db" events show "$id" >"$SCRATCH/page"
check "events show tells it" grep -Eq "Behaviour +$(sql listed "select behaviour from behaviours where event_id = '$id'") \(probability" "$SCRATCH/page"
echo alone >"$SCRATCH/listed/actions.txt"
"$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set "database.path=$SCRATCH/bad.db" --set "model.action_adapter=$SCRATCH/listed" run --once --force 2>"$SCRATCH/page"
same "a list of one is a mistake" 1 $?
check "that is named" grep -q "actions.txt: two or more actions" "$SCRATCH/page"
tap_done
