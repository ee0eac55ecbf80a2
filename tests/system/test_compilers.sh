# Warnings are errors on the second compiler, too.
. tests/tap.sh
if command -v clang-14 >/dev/null; then
    check "clang 14 builds everything without a warning" make -s BUILD="$BUILD/clang" CC=clang-14 all tests
else
    skip "no clang-14 here"
fi
tap_done
