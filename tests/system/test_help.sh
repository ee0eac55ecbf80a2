# Every command explains itself, whichever way one asks.
. tests/tap.sh
for command in $("$NIGHTJAR" help | sed -n 's/^  *\([a-z][a-z-]*\)  .*/\1/p'); do
    same "nightjar $command --help is nightjar help $command" "$("$NIGHTJAR" help "$command")" "$("$NIGHTJAR" "$command" --help)"
done
same "a probe's page too" "$("$NIGHTJAR" help probe mask)" "$("$NIGHTJAR" probe mask --help)"
"$NIGHTJAR" nonsense >"$SCRATCH/out" 2>"$SCRATCH/err"
same "an unknown command ends with 2" 2 $?
same "and says so on stderr only" "" "$(cat "$SCRATCH/out")"
tap_done
