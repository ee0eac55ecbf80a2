#!/bin/sh
# Every command of docs/manual.md, executed in the order of the page and compared with the answer printed there. `…` in the page stands for any text of a
# line, a line `…` for any lines. The hardware is made up (NIGHTJAR_SYSROOT); blocks marked `sh` need root and a real board, scripts/try-package runs those.
. tests/tap.sh
page=$PWD/docs/manual.md
build=$(cd "$BUILD" && pwd)
root=$SCRATCH/root
mkdir -p "$SCRATCH/bin" "$SCRATCH/work" "$root/etc/nightjar" "$root/var/lib/nightjar" "$root/media/nightjar/CARD" "$root/media/visitor/outbox" "$root/dev" \
    "$root/sys/class/rtc/rtc0" "$root/sys/class/power_supply/BAT0" "$root/sys/class/thermal/thermal_zone0"
echo 41200 >"$root/sys/class/thermal/thermal_zone0/temp"
echo 71 >"$root/sys/class/power_supply/BAT0/capacity"
: >"$root/sys/class/rtc/rtc0/wakealarm"
: >"$root/dev/gpiochip0"
: >"$root/dev/watchdog"
case $NIGHTJAR in /*) ln -s "$NIGHTJAR" "$SCRATCH/bin/nightjar" ;; *) ln -s "$PWD/$NIGHTJAR" "$SCRATCH/bin/nightjar" ;; esac
if [ -n "$SHARED" ]; then
    SHARED=$(cd "$SHARED" && pwd)
    tar --zstd -C "$root/media/nightjar/CARD" -xf "$SHARED/data/cards/bushnell.tar.zst"
else
    "$build/trapcam" card "$root/media/nightjar/CARD" --seed 1 --events 4
fi
find "$root/media" -type f -exec touch -d '2 hours ago' {} +
# a path that no default leads to is meant as it stands, so it is moved into the made-up board
moved() { sed "s#\([ =]\)/\(var\|media\)/#\1$root/\2/#g"; }
sed -n '/^```ini$/,/^```$/p' "$page" | grep -v '^```' | moved >"$root/etc/nightjar/nightjar.conf"
export PATH="$SCRATCH/bin:$PATH" NIGHTJAR_SYSROOT="$root"
unset NIGHTJAR_CONF
nightjar -q convert --random tiny -o "$root/var/lib/nightjar/model.nj"
mkdir "$SCRATCH/drawn"
"$build/tests/system/test_station" "$SCRATCH/drawn"

# The page as files: N.command and N.want, in order; N.station where the station changes.
mkdir "$SCRATCH/page"
awk -v out="$SCRATCH/page/" '
    /^<!-- station: / { file = sprintf("%s%03d.station", out, ++n); print $3 >file; close(file) }
    /^```console$/ { inside = 1; next }
    /^```$/ { inside = 0; next }
    inside && /^\$ / { n++; file = sprintf("%s%03d.want", out, n); printf "" >file; print substr($0, 3) >sprintf("%s%03d.command", out, n); next }
    inside { print >file }' "$page"

# Whether the lines of GOT are those of WANT.
answers() { # WANT GOT
    awk 'BEGIN { while ((getline line < ARGV[1]) > 0) want[++w] = line; while ((getline line < ARGV[2]) > 0) { sub(/[ \r]+$/, "", line); got[++g] = line } exit !rest(1, 1) }
        function like(pattern, line) {
            gsub(/[][(){}.*+?^$|\\]/, "\\\\&", pattern)
            gsub(/…/, ".*", pattern)
            return line ~ "^" pattern "$"
        }
        function rest(i, j) {
            if (i > w) return j > g
            if (want[i] == "…") { if (rest(i + 1, j)) return 1; return j <= g && rest(i, j + 1) }
            return j <= g && like(want[i], got[j]) && rest(i + 1, j + 1)
        }' "$1" "$2"
}

cd "$SCRATCH/work" || exit 1
for file in "$SCRATCH"/page/*; do
    case $file in
    *.station) cp "$SCRATCH/drawn/nightjar.db" "$root/var/lib/nightjar/nightjar.db" && rm -f "$root"/var/lib/nightjar/nightjar.db-* && continue ;;
    *.want) continue ;;
    esac
    command=$(cat "$file")
    sh -c "$(echo "$command" | moved)" >"$SCRATCH/got" 2>&1 </dev/null
    answers "${file%.command}.want" "$SCRATCH/got"
    same=$?
    tap_result $same "$command"
    [ $same = 0 ] || { sed 's/^/#   want: /' "${file%.command}.want"; sed 's/^/#   got:  /' "$SCRATCH/got" | head -n 30; }
done
tap_done
