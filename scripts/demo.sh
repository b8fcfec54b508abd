#!/usr/bin/env bash
# Sets up, builds, and distils on Fashion-MNIST: a teacher, the student alone, the student distilled, and their table.
#
#   scripts/demo.sh [KEY=VALUE ...] [--out FOLDER]    as for retort train; FOLDER is relative to the top of the tree
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

scripts/setup.sh
meson compile -C build
exec build/retort train recipes/quickstart.yaml "$@"
