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
same "the next wake is armed" yes "$(armed)"

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

rm "$rtc"
run
check "a clock chip that is gone is said loudly" grep -q 'wake could not be armed' "$SCRATCH/out"
tap_done
