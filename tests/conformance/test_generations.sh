#!/bin/sh
# Answers of random weights under every schema, judged by a validator that is not ours (judge.cc). `make generations` does 100,000.
. tests/tap.sh
if [ ! -x build/judge ]; then
    skip "libvalijson-dev is not installed"
    tap_done
fi
"$BUILD/tests/conformance/test_generations" 12 >"$SCRATCH/rows" 2>/dev/null
build/judge <"$SCRATCH/rows" >"$SCRATCH/verdict"
same "all of them are valid" 0 $?
check "and they were many" awk 'END { exit !($1 >= 40) }' "$SCRATCH/verdict"
tail -n 1 "$SCRATCH/verdict" | sed 's/^/# /'
sed 's/"document":".*"/"document":"[tru"/' "$SCRATCH/rows" | build/judge >/dev/null
same "a broken document is seen" 1 $?
tap_done
