# The kernel tests of the AVX-512 forms on a processor that has AVX2 only: the same sources, with the intrinsics from SIMDe instead of the compiler. What stays
# untested is the inline assembly of the products; nj_kernels_init compares those with plain C before it trusts them.
. tests/tap.sh

if ! grep -q '\<avx2\>' /proc/cpuinfo; then
    skip "no x86 processor with AVX2"
    tap_done
fi
case ${CC:-gcc} in *gcc*) compiler=${CC:-gcc} ;; *) compiler=gcc ;; esac
if ! printf '#include <simde/x86/avx512.h>\n' | $compiler -E - >/dev/null 2>&1; then
    skip "no SIMDe (libsimde-dev) or no gcc"
    tap_done
fi

tests="selfcheck gemm rows vector attention"
objects=
for source in kernels/*.c base/pool.c base/status.c; do
    case $source in *_neon.c | *_dotprod.c | *_i8mm.c) ;; *) objects="$objects $BUILD/emulated/obj/${source%.c}.o" ;; esac
done
programs=
for name in $tests; do
    programs="$programs $BUILD/emulated/obj/tests/kernels/test_$name.o"
done
# Without unrolled loops: they would make the emulated intrinsics slow to compile.
check "kernels compile with emulated AVX-512" make -s -j2 BUILD="$BUILD/emulated" EMULATE=avx512 ARCH=x86_64 CC="$compiler" PKG_CONFIG=true SANITIZE= \
    OPTIM="-O1 -fno-tree-loop-optimize" $objects $programs
[ $tap_failed = 0 ] || tap_done
for name in $tests; do
    $compiler $objects "$BUILD/emulated/obj/tests/kernels/test_$name.o" -lm -lpthread -o "$BUILD/emulated/test_$name" 2>"$SCRATCH/link" || cat "$SCRATCH/link"
    NJ_EFFORT=50 NJ_CPU=avx512vnni "$BUILD/emulated/test_$name" >"$SCRATCH/$name" 2>&1
    status=$?
    while read -r line; do
        case $line in
        "ok "*avx512*) tap_result 0 "emulated ${line#ok * - }" ;;
        "not ok "*) tap_result 1 "emulated ${line#not ok * - }" ;;
        "#"*) echo "$line" ;;
        esac
    done <"$SCRATCH/$name"
    [ $status = 0 ] && grep -q '^1\.\.' "$SCRATCH/$name" || tap_result 1 "emulated: test_$name ended with status $status"
done
tap_done
