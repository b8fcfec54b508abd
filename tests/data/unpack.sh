#!/bin/sh
# CIFAR-100 for tests: unpack.sh FOLDER [PROGRAM ARGUMENT...]
#
# Unpacks $RETORT_DATA/cifar-100-binary.tar.xz into FOLDER, once, then runs PROGRAM with RETORT_CIFAR100 set to FOLDER
# (or prints FOLDER where no program is given). Without the archive it says why and exits 77, which means "skipped".
# Tests that run at the same time wait for the first to have unpacked; FOLDER is there whole or not at all.
set -eu
folder=$1
shift
archive=${RETORT_DATA:-}/cifar-100-binary.tar.xz
if [ -z "${RETORT_DATA:-}" ]; then
    echo "skipped: RETORT_DATA is not set; it names the folder that holds cifar-100-binary.tar.xz" >&2
    exit 77
elif [ ! -f "$archive" ]; then
    echo "skipped: there is no $archive (from RETORT_DATA)" >&2
    exit 77
fi
mkdir -p "$(dirname "$folder")"
(
    flock 9
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.partial"
        mkdir "$folder.partial"
        tar -xJf "$archive" -C "$folder.partial"
        mv -T "$folder.partial" "$folder"
    fi
) 9>"$folder.lock"
if [ $# -eq 0 ]; then
    printf '%s\n' "$folder"
else
    RETORT_CIFAR100=$folder exec "$@"
fi
