# The real target: cross build, then kernel and conformance tests under qemu-user.
. tests/tap.sh
if [ "$(uname -m)" = aarch64 ]; then
    skip "this machine is an aarch64: the other tests ran natively"
elif ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
    skip "no cross compiler or no qemu-aarch64-static here"
else
    check "the cross build works" make -s cross CROSS_TARGETS="all tests"
    for room in kernels conformance; do
        NJ_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" NIGHTJAR=build/aarch64/nightjar tests/run build/aarch64 "tests/$room/" >"$SCRATCH/log" 2>&1
        status=$?
        tap_result $status "$room under qemu-aarch64: $(tail -n 1 "$SCRATCH/log")"
        [ $status = 0 ] || grep -v ' 0 failed' "$SCRATCH/log" | tail -n 30 | sed 's/^/#   /'
    done
fi
tap_done
