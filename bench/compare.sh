#!/usr/bin/env bash
# Retort beside PyTorch on the same cores in the same minutes: both run in turn, and medians over the rounds are compared.
#
#     bench/compare.sh [PYTHON [ROUNDS]]
#
# PYTHON is one that can import torch (python3), ROUNDS how often each runs (5). Prints a line a round and the ratio at the
# end; close everything else first.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${1:-python3}
rounds=${2:-5}
"$python" -c 'import torch' || { echo "compare.sh: '$python' cannot import torch" >&2; exit 1; }
[ -x build/retort ] || { echo "compare.sh: build/retort is missing; run scripts/setup.sh and meson compile -C build" >&2; exit 1; }

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
images_per_s() { "$python" -c 'import json, sys; print(json.load(sys.stdin)["images_per_s"])'; }

ours=() theirs=()
for ((round = 1; round <= rounds; ++round)); do
    ours+=("$(build/retort bench bench/resnet20_from_resnet56.yaml --synthetic --steps 15 --json | images_per_s)")
    theirs+=("$("$python" bench/pytorch_step.py | images_per_s)")
    echo "round $round: Retort ${ours[-1]} images/s, PyTorch ${theirs[-1]} images/s"
done
a=$(printf '%s\n' "${ours[@]}" | median)
b=$(printf '%s\n' "${theirs[@]}" | median)
echo "resnet56:resnet20, batch 64: Retort $a images/s, PyTorch $b images/s, ratio $(awk "BEGIN { printf \"%.2f\", $a / $b }")"
