# The kernel tests for aarch64 under an emulator, where a cross compiler and qemu-user are installed: so that NEON is tested on every machine.
. tests/tap.sh

cross=aarch64-linux-gnu-gcc
emulator="qemu-aarch64-static -cpu max"
if [ "$(uname -m)" = aarch64 ]; then
    skip "NEON runs natively here"
    tap_done
fi
if ! command -v $cross >/dev/null || ! command -v ${emulator%% *} >/dev/null; then
    skip "no $cross or no $emulator"
    tap_done
fi

# Only what the kernels need, without the libraries of the rest.
tests="selfcheck w4 gemm rows vector attention"
objects=
for source in kernels/*.c base/pool.c base/status.c; do
    case $source in *_avx2.c | *_avx512*.c) ;; *) objects="$objects $BUILD/neon/obj/${source%.c}.o" ;; esac
done
programs=
for name in $tests; do
    programs="$programs $BUILD/neon/obj/tests/kernels/test_$name.o"
done
check "kernels compile for aarch64" make -s BUILD="$BUILD/neon" ARCH=aarch64 CC=$cross PKG_CONFIG=true SANITIZE= $objects $programs
for name in $tests; do
    $cross -static $objects "$BUILD/neon/obj/tests/kernels/test_$name.o" -lm -lpthread -o "$BUILD/neon/test_$name" 2>"$SCRATCH/link" || cat "$SCRATCH/link"
    NJ_EFFORT=25 $emulator "$BUILD/neon/test_$name" >"$SCRATCH/$name" 2>&1
    status=$?
    while read -r line; do
        case $line in
        "ok "*) tap_result 0 "aarch64: ${line#ok * - }" ;;
        "not ok "*) tap_result 1 "aarch64: ${line#not ok * - }" ;;
        "#"*) echo "$line" ;;
        esac
    done <"$SCRATCH/$name"
    [ $status = 0 ] && grep -q '^1\.\.' "$SCRATCH/$name" || tap_result 1 "aarch64: test_$name ended with status $status"
done
tap_done
