# packages.sh: what each script needs from Debian, and how it is installed. Sourced by demo and check.

BUILD_PACKAGES="gcc libc6-dev make pkg-config libjansson-dev libjpeg62-turbo-dev libpng-dev libsqlite3-dev libzstd-dev nettle-dev
 libseccomp-dev libexif-dev libgpiod-dev libmosquitto-dev libinotifytools0-dev"
DEMO_PACKAGES="sqlite3"
TEST_PACKAGES="sqlite3 zstd jq libsimde-dev libimage-exiftool-perl libjpeg-turbo-progs clang-14 clang-format-14 mosquitto mosquitto-clients
 g++ libvalijson-dev nlohmann-json3-dev"
# Where the machine is no aarch64 itself, the tests for it run under an emulator.
CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
CROSS_LIBRARIES="libjansson-dev libjpeg62-turbo-dev libpng-dev libsqlite3-dev libzstd-dev nettle-dev libseccomp-dev libexif-dev libgpiod-dev
 libmosquitto-dev libinotifytools0-dev"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else
        echo "$0: not root and no sudo here: as root run  $*  and start again" >&2
        exit 1
    fi
}

missing_packages() { # PACKAGE… -> those that are not installed
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

install_packages() { # WHY PACKAGE…
    why=$1
    shift
    command -v apt-get >/dev/null 2>&1 || {
        echo "$0: this script knows Debian and its relatives only (no apt-get here). Install what these packages hold, then use --no-install: $*" >&2
        exit 1
    }
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    echo "Installing with apt ($why): $missing"
    [ -n "${apt_lists_fresh:-}" ] || as_root apt-get update -q >/dev/null || echo "$0: apt-get update failed: trying with the lists that are here" >&2
    apt_lists_fresh=yes
    # shellcheck disable=SC2086 # a list of words on purpose
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >"${TMPDIR:-/tmp}/nightjar-apt.$$" 2>&1 || {
        cat "${TMPDIR:-/tmp}/nightjar-apt.$$" >&2
        rm -f "${TMPDIR:-/tmp}/nightjar-apt.$$"
        echo "$0: apt could not install these packages; its words are above" >&2
        exit 1
    }
    rm -f "${TMPDIR:-/tmp}/nightjar-apt.$$"
}
