# convert on the command line: what it writes, what it refuses, and that nothing is left behind.
. tests/tap.sh

check "a random model is packed" "$NIGHTJAR" -q convert --random tiny --quantize w4a16 --group 32 --head int8 -o "$SCRATCH/a.nj"
check "and lists its tensors" "$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj"
same "with its lineage" 1 "$("$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj" | grep -c '^lineage: .*never trained')"
same "and every checksum" 0 "$("$NIGHTJAR" probe tensors -m "$SCRATCH/a.nj" --json | tail -n 1 | grep -c 'sha256:[^"]*":"--')"
check "it goes out as compressed-tensors" "$NIGHTJAR" -q convert --random tiny --quantize w4a16 --group 32 --to compressed-tensors -o "$SCRATCH/ct"
check "and comes in again" "$NIGHTJAR" -q convert "$SCRATCH/ct" -o "$SCRATCH/b.nj"
"$NIGHTJAR" -q convert "$SCRATCH/missing" -o "$SCRATCH/c.nj" 2>"$SCRATCH/err"
same "a source that is not there: exit 1" 1 $?
same "and one sentence" 1 "$(wc -l <"$SCRATCH/err")"
"$NIGHTJAR" -q convert "$SCRATCH/ct" 2>/dev/null
same "no target: a usage error" 2 $?
truncate -s 300000 "$SCRATCH/ct/model.safetensors"
"$NIGHTJAR" -q convert "$SCRATCH/ct" -o "$SCRATCH/c.nj" 2>"$SCRATCH/err"
same "a file cut short is refused" 1 $?
same "and named" 1 "$(grep -c 'cut short' "$SCRATCH/err")"
same "nothing half-written is left" "a.nj b.nj" "$(cd "$SCRATCH" && echo *.nj*)"
tap_done
