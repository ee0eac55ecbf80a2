# Every command explains itself, whichever way one asks.
. tests/tap.sh
for command in $("$NIGHTJAR" help | sed -n 's/^  *\([a-z][a-z-]*\)  .*/\1/p'); do
    same "nightjar $command --help is nightjar help $command" "$("$NIGHTJAR" help "$command")" "$("$NIGHTJAR" "$command" --help)"
done
same "a probe's page too" "$("$NIGHTJAR" help probe mask)" "$("$NIGHTJAR" probe mask --help)"
"$NIGHTJAR" nonsense >"$SCRATCH/out" 2>"$SCRATCH/err"
same "an unknown command ends with 2" 2 $?
same "and says so on stderr only" "" "$(cat "$SCRATCH/out")"
for words in "statsu|did you mean status" "events --spcies x|did you mean --species" "probe tokenise|did you mean tokenize" "help reveiw|did you mean review" "uplink staus|status or decode"; do
    # shellcheck disable=SC2086
    "$NIGHTJAR" ${words%%|*} >/dev/null 2>"$SCRATCH/err"
    same "nightjar ${words%%|*} ends with 2" 2 $?
    check "and says: ${words#*|}" grep -q -- "${words#*|}" "$SCRATCH/err"
done
same "--version: the program, its instruction sets, its libraries" "nightjar processor libraries:" "$("$NIGHTJAR" --version | cut -d' ' -f1 | xargs)"
tap_done
