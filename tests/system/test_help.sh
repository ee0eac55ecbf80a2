# Every command explains itself, whichever way one asks.
. tests/tap.sh
for command in $("$NIGHTJAR" help | sed -n 's/^  *\([a-z][a-z-]*\)  .*/\1/p'); do
    same "nightjar $command --help is nightjar help $command" "$("$NIGHTJAR" help "$command")" "$("$NIGHTJAR" "$command" --help)"
done
same "a probe's page too" "$("$NIGHTJAR" help probe mask)" "$("$NIGHTJAR" probe mask --help)"
"$NIGHTJAR" nonsense >"$SCRATCH/out" 2>"$SCRATCH/err"
same "an unknown command ends with 2" 2 $?
same "and says so on stderr only" "" "$(cat "$SCRATCH/out")"
for words in "statsu|did you mean status" "events --spcies x|did you mean --species" "probe tokenise|did you mean tokenize" "help reveiw|did you mean review" "uplink staus|status or decode" "ask --seconds 0 hi|--seconds 0: not a sensible number"; do
    # shellcheck disable=SC2086
    "$NIGHTJAR" ${words%%|*} >/dev/null 2>"$SCRATCH/err"
    same "nightjar ${words%%|*} ends with 2" 2 $?
    check "and says: ${words#*|}" grep -q -- "${words#*|}" "$SCRATCH/err"
done
same "--version: the program, its instruction sets, its libraries" "nightjar processor libraries:" "$("$NIGHTJAR" --version | cut -d' ' -f1 | xargs)"
if [ -c /dev/full ]; then
    "$NIGHTJAR" help >/dev/full 2>"$SCRATCH/err"
    same "a page that could not be written is no success" "1 nightjar: standard output: No space left on device" "$? $(cat "$SCRATCH/err")"
else
    skip "no /dev/full here"
fi
many=$(for i in $(seq 70); do echo "--set station.name=n$i"; done)
# shellcheck disable=SC2086
same "the last of many --set holds, too" "Station    n70, site A01" "$(NIGHTJAR_CONF=/dev/null "$NIGHTJAR" -c "$SCRATCH/out" $many --set "database.path=$SCRATCH/n.db" status | head -n 1)"
same "/dev/null says: no settings" 1 "$("$NIGHTJAR" -c /dev/null --set station.site=A07 --set "database.path=$SCRATCH/n.db" status 2>/dev/null | grep -c "^Station .*site A07")"
if command -v bash >/dev/null; then
    "$NIGHTJAR" help --completion >"$SCRATCH/completion"
    completes() { # WORD… -> what bash would offer for the last one
        bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nightjar; echo "${COMPREPLY[*]}"' completes "$SCRATCH/completion" nightjar "$@"
    }
    same "completion: commands" "eval events" "$(completes ev)"
    same "options of a command" "--species --state" "$(completes events --s | sed 's/--set //')"
    same "states" "deferred done" "$(completes events --state d | tr ' ' '\n' | sort | xargs)"
    same "species" "leopard" "$(completes --set a.b=c events --species leo)"
    same "formats" "camtrap-dp" "$(completes export cam)"
    same "fields" "species=" "$(completes review correct NJ1 spec)"
else
    skip "no bash here"
fi
tap_done
