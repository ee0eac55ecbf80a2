# tap.sh: the same for test scripts. `. tests/tap.sh`, then `check NAME COMMAND…`, `same NAME WANT GOT`, `skip REASON`, and `tap_done` last.
# $NIGHTJAR is the program under test, $BUILD its folder, $SHARED the reference files ("" where there are none), $SCRATCH an empty folder.

BUILD=${BUILD:-build}
NIGHTJAR=${NIGHTJAR:-$BUILD/nightjar}
SHARED=${NJ_SHARED:-../shared}
[ -f "$SHARED/reference/manifest.json" ] || SHARED=
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
export XDG_CACHE_HOME="$SCRATCH/cache"
tap_count=0
tap_failed=0

tap_result() { # STATUS NAME
    tap_count=$((tap_count + 1))
    if [ "$1" = 0 ]; then echo "ok $tap_count - $2"; else
        echo "not ok $tap_count - $2"
        tap_failed=$((tap_failed + 1))
    fi
}
check() { # NAME COMMAND…
    tap_name=$1
    shift
    "$@" >"$SCRATCH/check.out" 2>&1
    tap_status=$?
    tap_result $tap_status "$tap_name"
    [ $tap_status = 0 ] || sed 's/^/#   /' "$SCRATCH/check.out" | head -n 20
    return 0
}
same() { # NAME WANT GOT
    if [ "$2" = "$3" ]; then tap_result 0 "$1"; else
        tap_result 1 "$1"
        printf 'want: %s\ngot:  %s\n' "$2" "$3" | sed 's/^/#   /'
    fi
}
skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - # SKIP $1"
}
tap_done() {
    echo "1..$tap_count"
    [ $tap_failed = 0 ]
    exit
}
