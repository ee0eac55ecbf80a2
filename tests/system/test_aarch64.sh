# The real target: cross build, then kernel and conformance tests under qemu-user. Emulation is ten to twenty times slower than the machine, so of the
# conformance tests those run whose arithmetic could differ; what walks grammars or starts other programs ran natively.
. tests/tap.sh
if [ "$(uname -m)" = aarch64 ]; then
    skip "this machine is an aarch64: the other tests ran natively"
    tap_done
elif ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
    skip "no cross compiler or no qemu-aarch64-static here"
    tap_done
fi
check "the cross build works" make -s cross CROSS_TARGETS="all tests"
# The C library that came with the other libraries of that architecture, if there is one: the cross compiler's own must not be mixed with it.
runner=qemu-aarch64-static
[ -e /lib/ld-linux-aarch64.so.1 ] || runner="$runner -L /usr/aarch64-linux-gnu"
emulated() { # NAME[@CASES]…: runs the tests of that name (of the golden values only those CASES), one behind the other, adds up in $SCRATCH/log.NAME
    for name in "$@"; do
        case $name in *@*) export NJ_GOLDEN="${name#*@}" ;; *) unset NJ_GOLDEN ;; esac
        NJ_RUNNER=$runner NIGHTJAR=build/aarch64/nightjar tests/run build/aarch64 "${name%@*}" >"$SCRATCH/log.${name##*/}" 2>&1
        echo $? >"$SCRATCH/status.${name##*/}"
    done
}
kernels="tests/kernels/test_"
models="conformance/test_golden@short conformance/test_golden@layers conformance/test_golden@gen-text-1 conformance/test_golden@vision-wide-70 conformance/test_packed conformance/test_sampler conformance/test_generate conformance/test_gguf conformance/test_weights conformance/test_lora"
texts="conformance/test_tokenizer conformance/test_chat conformance/test_picture conformance/test_prompts"
# shellcheck disable=SC2086 # lists of words on purpose
{
    emulated $models &
    emulated $kernels $texts
    wait
}
for name in $kernels $models $texts; do
    log=${name##*/}
    if tail -n 1 "$SCRATCH/log.$log" | grep -q '^0 passed, 0 failed'; then
        skip "$log under qemu-aarch64: no reference files here"
        continue
    fi
    tap_result "$(cat "$SCRATCH/status.$log")" "$log under qemu-aarch64: $(tail -n 1 "$SCRATCH/log.$log")"
    [ "$(cat "$SCRATCH/status.$log")" = 0 ] || grep -v ' 0 failed' "$SCRATCH/log.$log" | tail -n 30 | sed 's/^/#   /'
done
tap_done
