# The tree itself: formatting, the arrows between the rooms (docs/architecture.md), what editors are told.
. tests/tap.sh

if command -v clang-format-14 >/dev/null; then
    check "make format would change nothing" make -s format-check
else
    skip "no clang-format-14 here"
fi

# includes FROM-ROOM ALLOWED-PATTERN: every include of another room's header must match.
arrows() {
    room=$1
    allowed=$2
    bad=$(grep -n '^#include "' "$room"/*.c "$room"/*.h 2>/dev/null | grep -v "#include \"\($room\|base\)/" | grep -v "#include \"\($allowed\)/")
    same "$room leans only on what it may" "" "$bad"
}
none=no-other-room
arrows base $none
arrows kernels $none
arrows db $none
arrows firmware-host $none
arrows pipeline/picture kernels
arrows pipeline/model 'kernels\|pipeline/picture'
arrows pipeline/constrain 'pipeline/model'
arrows pipeline/sentinel 'pipeline/constrain\|pipeline/model'
arrows pipeline/ingest 'db\|pipeline/picture'
arrows pipeline/uplink db
arrows pipeline/schedule 'pipeline/sentinel\|pipeline/ingest\|pipeline/model\|pipeline/constrain\|pipeline/picture\|db\|firmware-host'
same "kernels do no input, output or allocation" "" "$(grep -nE '\b(malloc|calloc|realloc|fopen|printf|getenv)\(' kernels/*.c kernels/*.h 2>/dev/null)"
if command -v jq >/dev/null; then
    make -s compile_commands.json
    check "compile_commands.json is JSON that names every file" jq -e 'length > 200 and all(.[]; .command | contains("-std=c17"))' compile_commands.json
else
    skip "no jq here"
fi
tap_done
