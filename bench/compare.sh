#!/usr/bin/env bash
# Retort beside PyTorch on the same cores in the same minutes: both run in turn, and medians over the rounds are compared.
#
#     bench/compare.sh [PYTHON [ROUNDS [TEACHER:STUDENT ...]]]
#
# PYTHON is one that can import torch (python3), ROUNDS how often each runs (5). Without pairs all five run; a pair has a
# recipe bench/STUDENT_from_TEACHER.yaml. THREADS in the environment sets the threads of both, STEPS the steps a run (15).
# Prints a line a run and a table at the end, and writes bench/results/compare.json. Close everything else first.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${1:-python3}
rounds=${2:-5}
pairs=("${@:3}")
((${#pairs[@]})) || pairs=(resnet56:resnet20 resnet32x4:resnet8x4 wrn_40_2:wrn_16_2 vgg13:vgg8 vgg13:mobilenetv2)
steps=${STEPS:-15}
threads=(${THREADS:+--threads "$THREADS"})

fail() {
    echo "compare.sh: $*" >&2
    exit 1
}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "ROUNDS '$rounds' must be a whole number of at least 1"
"$python" -c 'import torch' || fail "'$python' cannot import torch"
[[ -x build/retort ]] || fail "build/retort is missing; run scripts/setup.sh and meson compile -C build"
recipe() { echo "bench/${1#*:}_from_${1%:*}.yaml"; }
for pair in "${pairs[@]}"; do
    [[ $pair == *:* && -f $(recipe "$pair") ]] || fail "pair '$pair' is not TEACHER:STUDENT with a recipe in bench/"
done

runs=$(mktemp)
trap 'rm -f "$runs"' EXIT
# One JSON object a line: {"pair": ..., "round": ..., "program": ..., "figures": {...}}
record() {
    "$python" bench/compare_runs.py record "$1" "$2" "$3" >>"$runs"
    "$python" bench/compare_runs.py tell "$runs"
}
for ((round = 1; round <= rounds; ++round)); do
    for pair in "${pairs[@]}"; do
        build/retort bench "$(recipe "$pair")" --synthetic --steps "$steps" --json "${threads[@]}" |
            record "$pair" "$round" Retort
        "$python" bench/pytorch_step.py --teacher "${pair%:*}" --student "${pair#*:}" --steps "$steps" "${threads[@]}" |
            record "$pair" "$round" PyTorch
    done
done
mkdir -p bench/results
"$python" bench/compare_runs.py summary "$runs" bench/results/compare.json
