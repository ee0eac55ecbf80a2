#!/bin/sh
# `nightjar uplink` and what arrives: a directory, an MQTT broker (mosquitto), a radio modem on a serial line. What the far side has is decoded and
# compared with the database; links that fail, messages that are lost, and a ranger who changes her mind before a message left.
. tests/tap.sh
station() { # NAME: a fresh station of its own in $SCRATCH/NAME
    mkdir -p "$SCRATCH/$1"
    "$BUILD/tests/system/test_station" "$SCRATCH/$1"
    db=$SCRATCH/$1/nightjar.db
    export NIGHTJAR_CONF="$SCRATCH/$1.conf"
}
settings() { # TRANSPORT TARGET
    printf '[station]\nname = Kopje\nsite = D07\n[uplink]\ntransport = %s\ntarget = %s\nstation_id = 7\n[database]\npath = %s\n' "$1" "$2" "$db" >"$NIGHTJAR_CONF"
}
sql() { sqlite3 -batch "$db" "$1"; }
of() { sql "select event_id from events where species = '$1' or ('$1' = 'blank' and blank)"; }
uplink() { "$NIGHTJAR" uplink "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"; }
ends() { # NAME STATUS WORDS: how the last uplink ended
    same "$1" "$2" "$status"
    same "and says so" yes "$(grep -q -- "$3" "$SCRATCH/err" && echo yes || cat "$SCRATCH/err")"
}
decoded() { "$NIGHTJAR" uplink decode "$@" | jq -r 'select(.id) | .id' | xargs; }

# ---- a directory
station visitor
settings none ''
uplink
status=$?
ends "without a transport nothing leaves" 1 "uplink.transport is none"
check "but one can see what would" uplink --dry-run
settings directory "$SCRATCH/out box"
uplink --dry-run
same "four events would leave, people not among them" "0 new in the outbox, 4 would leave" "$(cut -d' ' -f1-8 "$SCRATCH/out")"
same "but none did" "4||no" "$(sql 'select count(*), max(sent_utc) from outbox')|$([ -e "$SCRATCH/out box" ] && echo yes || echo no)"
"$NIGHTJAR" -q review correct "$(of impala)" people=yes --by Asha >/dev/null 2>&1
"$NIGHTJAR" -q review correct "$(of zebra)" species=lionMale --by Asha >/dev/null 2>&1
check "what is due is sent" uplink
message=$(ls "$SCRATCH/out box"/*.nju)
same "in one message" 1 "$(echo "$message" | wc -l)"
same "which is for nobody until it is whole: no other file is left" 1 "$(ls -A "$SCRATCH/out box" | wc -l)"
same "review first, blanks last, no event that a ranger found people in" "$(of leopard) $(of lionMale) $(of blank)" "$(decoded "$message")"
same "as the ranger saw it" '["lionMale","2"]' \
    "$("$NIGHTJAR" uplink decode "$message" | jq -c 'select(.d[0][0] == "lionMale") | [.d[0][0], .d[0][1]]')"
same "its header names the station" 7 "$("$NIGHTJAR" uplink decode "$message" | jq -r 'select(.station) | .station')"
check "again" uplink
same "nothing is sent twice" "0 new in the outbox, 0 sent" "$(cut -d' ' -f1-7 "$SCRATCH/out")"
"$NIGHTJAR" -q review undo "$(of impala)" >/dev/null 2>&1
check "a ranger takes it back: no people" uplink
same "so it leaves, alone" "$(of impala)" "$(decoded "$(ls -t "$SCRATCH/out box"/*.nju | head -n 1)")"
same "all of them, each once, though a message came twice" "$(sql "select event_id from events where state = 'done' and species <> 'baboon' order by 1" | xargs)" \
    "$(decoded "$message" "$SCRATCH/out box"/*.nju "$message" | tr ' ' '\n' | sort | xargs)"
same "the record of it" "4|4|4" "$("$NIGHTJAR" uplink status --json | jq -s -r '[length, (map(select(.sent_utc)) | length), (map(select(.acknowledged_utc)) | length)] | join("|")')"
same "as a table" "ITEM KIND EVENT" "$("$NIGHTJAR" uplink status | head -n 1 | xargs | cut -d' ' -f1-3)"
same "what it weighed on the way counts for the day" yes "$(sql "select iif(sum(sent_bytes) between 1 and 1000 and sum(sent_bytes) <> sum(length(payload)), 'yes', sum(sent_bytes)) from outbox_item")"
head -c 40 "$message" >"$SCRATCH/cut.nju"
"$NIGHTJAR" uplink decode "$SCRATCH/cut.nju" >"$SCRATCH/out" 2>"$SCRATCH/err"
status=$?
ends "a message that was cut is refused" 1 "cut.nju"
station poor
settings directory "$SCRATCH/poor box"
uplink --set uplink.daily_bytes=20
status=$?
ends "no room left today" 75 "20 bytes of this day are used up"
printf x >"$SCRATCH/a file"
uplink --set "uplink.target=$SCRATCH/a file/box"
status=$?
ends "a folder that cannot be" 75 "a file"
same "and the messages wait for another try" "1|1" "$(sql "select min(attempts) = 1, count(next_try_utc) = 4 from outbox")"
"$NIGHTJAR" uplink decode "$SCRATCH/nowhere.nju" "$SCRATCH/cut.nju" "$message" >"$SCRATCH/out" 2>"$SCRATCH/err"
same "damaged messages do not hide the one behind them, and each is named" "1 $(decoded "$message") 2" "$? $(jq -r 'select(.id) | .id' "$SCRATCH/out" | xargs) $(grep -c 'nowhere.nju: \|cut.nju: ' "$SCRATCH/err")"
"$NIGHTJAR" uplink decode >/dev/null 2>&1
same "decode without a file is a usage error" 2 $?

# ---- a broker
PATH=$PATH:/usr/sbin
if command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null && command -v mosquitto_passwd >/dev/null; then
    station camp
    port=$((20000 + $$ % 30000))
    mosquitto_passwd -b -c "$SCRATCH/passwords" kopje "s3cret" 2>/dev/null
    chmod 644 "$SCRATCH/passwords"
    printf 'listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\npersistence false\nuser root\n' $port "$SCRATCH/passwords" >"$SCRATCH/broker.conf"
    settings mqtt "mqtt://kopje:s3cret@127.0.0.1:$port/posts"
    uplink
    status=$?
    ends "no broker" 75 "broker 127.0.0.1 port $port: no connection: Connection refused"
    same "the password stays out of it" 0 "$(grep -c s3cret "$SCRATCH/err")"
    mosquitto -c "$SCRATCH/broker.conf" >"$SCRATCH/broker.log" 2>&1 &
    broker=$!
    trap 'kill $broker $modem 2>/dev/null; rm -rf "$SCRATCH"' EXIT
    gate() { mosquitto_sub -h 127.0.0.1 -p $port -u kopje -P s3cret -i gate -c -q 1 -t 'posts/#' "$@" 2>/dev/null; }
    for turn in $(seq 100); do gate -E && break; sleep 0.1; done
    uplink --set "uplink.target=mqtt://kopje:wrong@127.0.0.1:$port/posts"
    status=$?
    ends "a wrong password" 75 "broker 127.0.0.1 port $port"
    sql "update outbox_item set next_try_utc = null" # five minutes later
    check "the broker takes it" uplink
    gate -C 1 -N -W 10 >"$SCRATCH/message"
    same "and hands it on" "$(of leopard) $(of impala) $(of zebra) $(of blank)" "$(decoded "$SCRATCH/message")"
    same "all acknowledged" "4" "$(sql "select count(*) from outbox where acknowledged_utc is not null")"
    check "again" uplink
    same "no doubles" "0 new in the outbox, 0 sent" "$(cut -d' ' -f1-7 "$SCRATCH/out")"
    kill $broker
else
    skip "no mosquitto here"
fi
for bad in "mqtt://no-such-host.invalid/posts|no such host is known" "mqtt://camp:0/posts|a port is a number from 1 to 65535" "mqtt://camp/|the topic is missing" \
    "mqtt:///posts|the host is missing" "camp:1883/posts|mqtt://HOST:PORT/TOPIC is expected" "mqtt://camp/posts/+|cannot stand in a topic"; do
    uplink --set uplink.transport=mqtt --set "uplink.target=${bad%|*}"
    status=$?
    case $bad in *no-such-host*) want=75 ;; *) want=1 ;; esac
    ends "${bad%|*}" $want "${bad#*|}"
done

# ---- a radio
station valley
settings serial "$SCRATCH/tty"
uplink
status=$?
ends "no modem" 75 "tty"
listen() { # ANSWER…
    rm -f "$SCRATCH/tty"
    "$BUILD/tests/system/test_modem" "$SCRATCH/radio.log" "$SCRATCH/tty" "$@" &
    modem=$!
    for turn in $(seq 100); do [ -e "$SCRATCH/tty" ] && break; sleep 0.05; done
}
listen OK 'ERROR: no carrier'
uplink
status=$?
ends "the second message is refused" 75 "the modem refused: ERROR: no carrier"
same "the first is over, the others wait" "1|1|2" "$(sql "select count(acknowledged_utc), sum(attempts = 1 and sent_utc is null), sum(attempts = 0) from outbox")"
kill $modem
listen HANGUP
uplink
status=$?
ends "a modem that falls silent" 75 "the modem did not answer OK"
sql "update outbox_item set next_try_utc = null"
listen OK
check "with a link again the rest leaves" uplink
kill $modem
same "none is left" 0 "$(sql "select count(*) from outbox where acknowledged_utc is null")"
same "two were heard twice" 6 "$(wc -l <"$SCRATCH/radio.log")"
same "and are told once" 4 "$("$NIGHTJAR" uplink decode "$SCRATCH/radio.log" | wc -l)"
same "each in eleven bytes" 25 "$(awk '{ print length }' "$SCRATCH/radio.log" | sort -u | xargs)"
same "what was seen, by radio" "blank impala leopard zebra" "$("$NIGHTJAR" uplink decode "$SCRATCH/radio.log" | jq -r 'if .b == 1 then "blank" else .d[0][0] end' | sort | xargs)"
tap_done
