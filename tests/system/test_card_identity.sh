# The same card in another place is the same card; another card in the same place is another. Needs root, to mount.
. tests/tap.sh

if [ -z "$SHARED" ] || ! command -v sqlite3 >/dev/null; then
    skip "no pictures or no sqlite3 here"
    tap_done
fi
export NIGHTJAR_SYSROOT="$SCRATCH/root"
mkdir -p "$NIGHTJAR_SYSROOT/dev/disk/by-uuid" "$NIGHTJAR_SYSROOT/dev/disk/by-label" "$SCRATCH/media/left" "$SCRATCH/media/right" "$SCRATCH/media/plain"
if ! mount -t tmpfs none "$SCRATCH/media/left" 2>/dev/null; then
    skip "file systems cannot be mounted here"
    tap_done
fi
trap 'umount "$SCRATCH/media/left" "$SCRATCH/media/right" 2>/dev/null; rm -rf "$SCRATCH"' EXIT

# udev's links, for the device number of the mount
name_it() { # MOUNT UUID LABEL
    device=$(stat -c %d "$1")
    rm -f "$NIGHTJAR_SYSROOT/dev/card"
    mknod "$NIGHTJAR_SYSROOT/dev/card" b $((device >> 8 & 4095)) $((device & 255 | device >> 12 & 1048320)) || return 1
    [ -z "$2" ] || ln -sf ../../card "$NIGHTJAR_SYSROOT/dev/disk/by-uuid/$2"
    [ -z "$3" ] || ln -sf ../../card "$NIGHTJAR_SYSROOT/dev/disk/by-label/$3"
}
scan() { "$NIGHTJAR" -q --set "ingest.cards=$SCRATCH/media/*" --set "database.path=$SCRATCH/nightjar.db" --set station.name=post watch --once; }
ask() { sqlite3 "$SCRATCH/nightjar.db" "$1"; }
fill() {
    mkdir -p "$1/DCIM"
    cp "$SHARED"/data/images/serengeti_s1/*PICT002[012].JPG "$1/DCIM"
    touch -d 2010-08-20 "$1"/DCIM/*
}

if ! name_it "$SCRATCH/media/left" 6462-3631 TRAP7; then
    skip "device nodes cannot be made here"
    tap_done
fi
fill "$SCRATCH/media/left"
check "a scan of the card in the left reader" scan
same "it is known by its UUID, and shown by its label" "uuid:6462-3631|TRAP7" "$(ask "select identity, name from card where name <> 'plain' and name <> 'right'")"

umount "$SCRATCH/media/left"
mount -t tmpfs none "$SCRATCH/media/right"
name_it "$SCRATCH/media/right" 6462-3631 TRAP7
fill "$SCRATCH/media/right"
check "a scan of it in the right reader" scan
same "adds no file and no event" "3|1" "$(ask "select (select count(*) from files), count(*) from events")"
same "but its place is known" "$SCRATCH/media/right" "$(ask "select mount from card where cast(identity as text) = 'uuid:6462-3631'")"

rm -f "$NIGHTJAR_SYSROOT"/dev/disk/by-*/*
name_it "$SCRATCH/media/right" 0BAD-CAFE ""
check "a scan of another card in the right reader" scan
same "the same pictures there are other findings" "6|2" "$(ask "select (select count(*) from files), count(*) from events")"
rm -f "$NIGHTJAR_SYSROOT"/dev/disk/by-*/*
fill "$SCRATCH/media/plain"
check "a scan of a plain folder" scan
same "it is its path" 1 "$(ask "select count(*) from card where cast(identity as text) = 'path:$SCRATCH/media/plain' and name = 'plain'")"
tap_done
