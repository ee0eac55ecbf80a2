# The real program on a station whose battery, clock chip and heat are plain files: it wakes again whatever happens, and it stops where it must.
. tests/tap.sh
root=$SCRATCH/root
export NIGHTJAR_SYSROOT="$root"
rtc=$root/sys/class/rtc/rtc0/wakealarm
mkdir -p "$root/sys/class/rtc/rtc0" "$root/sys/class/thermal/thermal_zone0" "$root/sys/class/power_supply/BAT0" "$root/sys/class/hwmon/hwmon3" "$root/run" "$SCRATCH/card"
echo 41000 >"$root/sys/class/thermal/thermal_zone0/temp"
echo >"$rtc"
if [ -x "$BUILD/trapcam" ] || make -s trapcam BUILD="$BUILD" >/dev/null 2>&1; then
    "$BUILD/trapcam" card "$SCRATCH/card" --events 7 --size 320x240
    find "$SCRATCH/card" -type f -exec touch -d '1 hour ago' {} +
else
    skip "no trapcam to draw a card"
    tap_done
fi
"$NIGHTJAR" -q convert --random tiny -o "$root/model.nj"
cat >"$SCRATCH/nightjar.conf" <<CONF
[ingest]
cards = $SCRATCH/card
[model]
path = model.nj
soft_tokens = 70
[power]
battery = file:/run/battery.json
battery_wh = 100
floor_percent = 10
wake = rtc:/sys/class/rtc/rtc0/wakealarm
[database]
path = station.db
CONF
run() { # SETTING… -> runs, keeps the exit status in $status and stderr in $SCRATCH/out
    "$NIGHTJAR" -c "$SCRATCH/nightjar.conf" "$@" run --once >/dev/null 2>"$SCRATCH/out"
    status=$?
}
armed() { # whether the chip holds a time in the future
    now=$(date +%s)
    at=$(cat "$rtc")
    [ "${at:-0}" -gt "$now" ] && echo yes || echo "no: '$at' at $now"
}
done_events() { sqlite3 "$root/station.db" "select count(*) from events where state = 'done'"; }

echo '{"percent": 6, "volts": 11.5}' >"$root/run/battery.json"
run
same "below the floor nothing is read, in good order" "75 0" "$status $(done_events)"
check "and the sentence says why" grep -q 'floor' "$SCRATCH/out"
same "each burst says it, too" "7|0" "$(sqlite3 "$root/station.db" "select sum(state = 'deferred' and state_reason like '6 \% left; the floor is 10 \%%' escape '\\'), sum(state = 'ready') from events")"
same "the next wake is armed" yes "$(armed)"

echo '{"percent": 140}' >"$root/run/battery.json"
run --set power.panel_wp=0
same "a gauge that fails below the floor does not lift it" "75 0" "$status $(done_events)"
check "and the sentence says so" grep -q '6 % left; the floor is 10 %' "$SCRATCH/out"

echo 0 >"$rtc"
echo '{"percent": 95}' >"$root/run/battery.json"
echo 95000 >"$root/sys/class/thermal/thermal_zone0/temp"
run
same "too hot: nothing is read" "75 0" "$status $(done_events)"
check "and the sentence says why" grep -q 'too hot' "$SCRATCH/out"
same "the next wake is armed all the same" yes "$(armed)"
echo 41000 >"$root/sys/class/thermal/thermal_zone0/temp"

echo 0 >"$rtc"
run --set model.path=/none.nj
same "without a model the run fails" 1 $status
same "and the next wake is armed" yes "$(armed)"

echo '{"percent": 140}' >"$root/run/battery.json"
run
same "a gauge that lies allows four bursts" "75 4" "$status $(done_events)"
echo '{"percent": 95}' >"$root/run/battery.json"
run
same "a full battery allows the rest" "0 7" "$status $(done_events)"
same "and a wake is armed after it" yes "$(armed)"
same "what was learned is kept" 1 "$(sqlite3 "$root/station.db" "select count(*) from state where key = 'schedule'")"


# What it costs, and from whom we know.
page() { "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" "$@" 2>&1; }
check "status says what an event costs, by the settings" sh -c 'echo "$1" | grep -q "Wh an event, all stages together (by the settings"' - "$(page status)"
for stage in "taking in" "first score" "opening the model" pictures vision answer; do
    check "a stage of its own: $stage" sh -c 'echo "$1" | grep "^Stages" | grep -q "$2 [0-9.]* s [0-9.]* Wh"' - "$(page status)" "$stage"
done
check "and how many days are left without sun" sh -c 'echo "$1" | grep -q "^Autonomy *[0-9][0-9]* days without any sun"' - "$(page status)"
page report -o - >"$SCRATCH/page" # with its pictures longer than an argument may be
check "the report says it, too" grep -q "days without any sun" "$SCRATCH/page"
more() { "$BUILD/trapcam" card "$SCRATCH/card" --events 9 --size 320x240 --seed "$1" && find "$SCRATCH/card" -type f -exec touch -d '1 hour ago' {} +; }
rm -r "$SCRATCH/card"/*
more 3
echo '{"percent": 95, "load_w": 7.2}' >"$root/run/battery.json"
run
check "where the gauge measures the load, that counts" sh -c 'echo "$1" | grep -q "by the gauge"' - "$(page status)"
check "an event of 7.2 W costs its seconds times 7.2 W" test \
    "$(sqlite3 "$root/station.db" "select abs(energy_wh * 3600 / seconds - 7.2) < 0.01 from events where state = 'done' order by finished_utc desc limit 1")" = 1

# Lines and the watchdog are files, too.
lines=$root/dev/gpio/pinctrl-test
mkdir -p "$lines"
for line in 17 22 23 24; do echo 0 >"$lines/$line"; done
: >"$root/dev/watchdog"
rm -r "$SCRATCH/card"/*
more 5
set_lines() { run --set power.wake_gpio=pinctrl-test:17,lamp=pinctrl-test:22,camera=pinctrl-test:23,button=pinctrl-test:24 "$@"; }
echo '{"percent": 27}' >"$root/run/battery.json"
before=$(done_events)
set_lines
same "at the reserve nothing is read" "75 0" "$status $(($(done_events) - before))"
same "the watchdog stays off while nothing is read" 0 "$(wc -c <"$root/dev/watchdog")"
low="state = 'deferred' and state_reason like '27 \% left and % \% kept in reserve; its interest is low (0.%): it waits for sun to spare' escape '\\'"
same "a low score waits and says so, a high one waits and says why" "1|0" \
    "$(sqlite3 "$root/station.db" "select count(*) > 0, sum(not ((interest < 0.45) = ($low))) from event join (select event_id as id, state_reason as words from events) on id = event_id where state = 'deferred'")"
echo 1 >"$lines/24"
set_lines
same "but somebody who presses the button sees three bursts read" "75 3" "$status $(($(done_events) - before))"
same "alarm let through, lamp off again, camera on" "1 0 1" "$(cat "$lines/17" "$lines/22" "$lines/23" | tr '\n' ' ' | sed 's/ $//')"
same "the watchdog was kicked and stopped" yes "$(grep -qx 'kk*V' "$root/dev/watchdog" && echo yes || cat "$root/dev/watchdog")"
echo '{"percent": 8}' >"$root/run/battery.json"
set_lines
same "at the floor the button does not help, and the camera is switched off" "75 3 0" "$status $(($(done_events) - before)) $(cat "$lines/23")"
rm "$lines/22"
set_lines
check "a line that is gone is said" grep -q 'lamp line' "$SCRATCH/out"

# Every way out leaves an alarm armed.
echo '{"percent": 95}' >"$root/run/battery.json"
echo 0 >"$rtc"
run --set database.path=/dev/null/none.db
same "a database that cannot be opened: the next wake is armed" "1 yes" "$status $(armed)"
echo 0 >"$rtc"
run --set ingest.cards=/nowhere/*
same "no card: the next wake is armed" "0 yes" "$status $(armed)"
echo 0 >"$rtc"
run --set ingest.min_free_mb=999999999
same "no room on the disk: the next wake is armed" "1 yes" "$status $(armed)"
cp "$root/station.db" "$root/full.db"
echo 0 >"$rtc"
(trap '' XFSZ && ulimit -f 16 && exec "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set database.path=full.db run --once >/dev/null 2>"$SCRATCH/out")
same "a disk that takes no more in the middle: the next wake is armed" yes "$(armed)"
head -c 6000 /dev/urandom | dd of="$root/full.db" bs=1 seek=4096 conv=notrunc 2>/dev/null
echo 0 >"$rtc"
run --set database.path=full.db
same "a damaged database: the next wake is armed" yes "$(armed)"
echo 0 >"$rtc"
flock "$root/station.db.run.lock" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" run --once 2>"$SCRATCH/out"
same "another run holds the lock: the next wake is armed" "75 yes" "$? $(armed)"
later=$(($(date +%s) + 7000))
echo $later >"$rtc"
flock "$root/station.db.run.lock" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" run --once 2>"$SCRATCH/out"
same "and what that run armed is left as it is" $later "$(cat "$rtc")"
echo $(($(date +%s) + 1600000000)) >"$rtc"
flock "$root/station.db.run.lock" "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" run --once 2>"$SCRATCH/out"
same "an alarm that a clock set back has left in another age is no alarm" "yes" "$([ "$(cat "$rtc")" -le $(($(date +%s) + 3660)) ] && armed)"
for signal in TERM KILL; do
    more 1$signal
    echo 0 >"$rtc"
    "$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" --set ingest.settle_seconds=5 run --once 2>"$SCRATCH/out" &
    pid=$!
    until [ -s "$rtc" ] && [ "$(cat "$rtc")" != 0 ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
    kill -$signal $pid 2>/dev/null
    wait $pid
    same "SIG$signal in the middle: the next wake is armed" yes "$(armed)"
done

# A card that was away is read when it is back. What the kills above left waiting is read first, while its pictures are there.
"$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" run --once --force >/dev/null 2>&1
rm -r "$SCRATCH/card"/*
more 7
"$NIGHTJAR" -q -c "$SCRATCH/nightjar.conf" watch --once
away=$(sqlite3 "$root/station.db" "select f.event_id from file f join event e using (event_id) where e.state = 'ready' order by f.rowid desc limit 1")
state() { sqlite3 "$root/station.db" "select state, state_reason <> '' from events where event_id = '$away'"; }
mv "$SCRATCH/card" "$SCRATCH/away"
mkdir "$SCRATCH/card"
run
same "pictures that are away are put off for a reason" "0 deferred|1" "$status $(state)"
rmdir "$SCRATCH/card"
mv "$SCRATCH/away" "$SCRATCH/card"
run
same "and read once they are back" "0 done|" "$status $(state)"

# The gauge, with bursts that wait, however many were read until now.
more 8
echo '{"volts": 11.5}' >"$root/run/battery.json"
run
check "a gauge that gives only volts: the floor is kept by the voltage" grep -q 'the floor is' "$SCRATCH/out"
echo '{"volts": 11.85}' >"$root/run/battery.json"
run
check "and a little above it is not enough just after" grep -q 'must first rise' "$SCRATCH/out"
touch -d '2 hours ago' "$root/run/battery.json"
run
check "an old reading is not believed, and the log says what holds" grep -q 'reckoned by the clock.*120 minutes old' "$SCRATCH/out"

mkdir -p "$root/sys/class/rtc/rtc1"
echo 0 >"$root/sys/class/rtc/rtc1/wakealarm"
run
same "a second chip is armed an hour behind the first" 3600 $(($(cat "$root/sys/class/rtc/rtc1/wakealarm") - $(cat "$rtc")))
rm -r "$root/sys/class/rtc/rtc1"

# Programs of power boards: one that knows a second alarm, and one that takes everything for the first.
mkdir -p "$root/usr/lib"
cat >"$root/usr/lib/wake-two" <<PROGRAM
#!/bin/sh
case \$1 in --read) cat "$SCRATCH/first" ;; --second) echo "\$2" >"$SCRATCH/second" ;; *) echo "\$1" >"$SCRATCH/first" ;; esac
PROGRAM
cat >"$root/usr/lib/wake-one" <<PROGRAM
#!/bin/sh
case \$1 in --read) cat "$SCRATCH/first" ;; *) echo "\$1" >"$SCRATCH/first" ;; esac
PROGRAM
chmod +x "$root/usr/lib/wake-two" "$root/usr/lib/wake-one"
run --set power.wake=command:/usr/lib/wake-two
same "a program arms both" 3600 $(($(cat "$SCRATCH/second") - $(cat "$SCRATCH/first")))
echo 0 >"$SCRATCH/first"
run --set power.wake=command:/usr/lib/wake-one
check "one that takes the second for the first does not lose the first" test "$(cat "$SCRATCH/first")" -gt "$(date +%s)"

rm "$rtc"
run
check "a clock chip that is gone is said loudly" grep -q 'wake could not be armed' "$SCRATCH/out"
tap_done
