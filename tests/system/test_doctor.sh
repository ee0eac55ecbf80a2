#!/bin/sh
# `nightjar doctor` in front of made-up hardware (NIGHTJAR_SYSROOT): each check well, ailing and broken.
. tests/tap.sh
root="$SCRATCH/root"
export NIGHTJAR_SYSROOT="$root"
mkdir -p "$root/media/nightjar/CARD" "$root/var/lib/nightjar" "$root/sys/class/rtc/rtc0" "$root/sys/class/thermal/thermal_zone0" "$root/sys/class/power_supply/BAT0" "$root/dev"
echo 41200 >"$root/sys/class/thermal/thermal_zone0/temp"
: >"$root/sys/class/rtc/rtc0/wakealarm"
: >"$root/dev/gpiochip0"
echo 71 >"$root/sys/class/power_supply/BAT0/capacity"
doctor() { "$NIGHTJAR" doctor --json "$@" 2>"$SCRATCH/err" >"$SCRATCH/out"; }
says() { jq -r "select(.check == \"$1\") | .status" "$SCRATCH/out" | xargs; }

"$NIGHTJAR" conf | sed 's/^#\(latitude\) = .*/\1 = -2.3/; s/^#\(longitude\) = .*/\1 = 34.8/; s|^#\(battery\) = .*|\1 = sysfs:/sys/class/power_supply/BAT0|;
    s|^#\(wake\) = .*|\1 = rtc:/sys/class/rtc/rtc0/wakealarm|; s|^#\(wake_gpio\) = .*|\1 = pinctrl-rp1:17|' >"$SCRATCH/nightjar.conf"
export NIGHTJAR_CONF="$SCRATCH/nightjar.conf"
doctor
same "a sound station without a model" "0" $?
for check in settings clock battery wake gpio heat cards disk database pictures uplink; do
    same "$check is ok" "ok" "$(says $check)"
done
same "the model is missing, which can be lived with" "warning" "$(says model)"
"$NIGHTJAR" -q watch --once 2>/dev/null
doctor
same "with a database" "ok" "$(says database)"

doctor --set power.battery=none --set power.wake=none --set station.latitude=
same "what is not there is a warning" "0 warning warning warning" "$? $(says battery) $(says wake) $(says place)"
broken() { # NAME CHECK SETTING
    doctor --set "$3"
    same "$1" "1 failure" "$? $(says "$2")"
    check "and the last line says so" grep -q '1 check failed' "$SCRATCH/err"
}
broken "no such gauge" battery power.battery=sysfs:/sys/class/power_supply/BAT7
broken "no such alarm" wake power.wake=rtc:/sys/class/rtc/rtc9/wakealarm
broken "no program" wake power.wake=command:/usr/lib/nightjar/none
broken "no such line" gpio power.wake_gpio=17
broken "a second wake line" gpio power.wake_gpio=pinctrl-rp1:17,wake=pinctrl-rp1:18
echo 1577836800 >"$root/sys/class/rtc/rtc0/wakealarm"
doctor
same "an alarm in the past is a warning" "warning" "$(says wake)"
echo $(($(date +%s) + 1600000000)) >"$root/sys/class/rtc/rtc0/wakealarm"
doctor
same "and so is one of another age" "warning" "$(says wake)"
same "a board that is no Pi 5 has no such line" "" "$(says board)"
mkdir -p "$root/proc/device-tree" "$root/usr/bin"
printf 'Raspberry Pi 5 Model B Rev 1.0\0' >"$root/proc/device-tree/model"
echo 0 >"$root/sys/class/rtc/rtc0/charging_voltage"
printf '#!/bin/sh\necho "[all]"\necho POWER_OFF_ON_HALT=0\n' >"$root/usr/bin/rpi-eeprom-config"
chmod +x "$root/usr/bin/rpi-eeprom-config"
doctor
same "a Pi 5 that draws watts when off, with a clock whose cell is not charged" "warning warning" "$(says board)"
sed -i 's/=0/=1/' "$root/usr/bin/rpi-eeprom-config"
echo 3000000 >"$root/sys/class/rtc/rtc0/charging_voltage"
doctor
same "and one that is set up" "ok" "$(says board)"
rm -r "$root/proc" "$root/usr"
mkdir -p "$root/dev/gpio/pinctrl-rp1"
echo 0 >"$root/dev/gpio/pinctrl-rp1/17"
doctor --set power.wake_gpio=pinctrl-rp1:17,lamp=pinctrl-rp1:22
same "one line is there, one is not" "ok failure" "$(says gpio)"
same "nothing was driven" 0 "$(cat "$root/dev/gpio/pinctrl-rp1/17")"
rm -r "$root/dev/gpio"
same "no watchdog, which can be lived with" warning "$(says watchdog)"
: >"$root/dev/watchdog"
mkdir -p "$root/sys/devices/system/cpu/cpufreq/policy0"
for name in cpuinfo_min_freq=1500000 cpuinfo_max_freq=2400000 scaling_cur_freq=1500000 scaling_max_freq=1800000; do
    echo "${name#*=}" >"$root/sys/devices/system/cpu/cpufreq/policy0/${name%=*}"
done
doctor
same "a watchdog, and cores that are capped" "ok warning" "$(says watchdog) $(says cores)"
same "the watchdog was not started" 0 "$(wc -c <"$root/dev/watchdog")"
broken "a full disk" disk ingest.min_free_mb=900000000
broken "no modem" uplink "uplink.transport=serial" 2>/dev/null
doctor --set uplink.transport=directory --set "uplink.target=$SCRATCH/none"
same "no folder to send to" "failure" "$(says uplink)"
echo 90000 >"$root/sys/class/thermal/thermal_zone0/temp"
doctor
same "too hot" "warning" "$(says heat)"
rm "$root/dev/gpiochip0"
doctor
same "no chip" "failure" "$(says gpio)"
rmdir "$root/media/nightjar/CARD"
doctor
same "no card" "warning" "$(says cards)"
echo rubbish >"$SCRATCH/model.nj"
doctor --set "model.path=$SCRATCH/model.nj"
same "a model that is none" "failure" "$(says model)"
head -c 9000 /dev/urandom >"$SCRATCH/bad.db"
doctor --set "database.path=$SCRATCH/bad.db"
same "a database that is none" "failure" "$(says database)"
same "words" "1" "$("$NIGHTJAR" doctor 2>/dev/null | grep -c '^warning  model  *none at ')"
same "CSV" "status,check,message" "$("$NIGHTJAR" doctor --csv 2>/dev/null | head -n 1 | tr -d '\r')"
tap_done
