#!/usr/bin/env bash
# `retort train` on CIFAR-100 beside `retort bench` of the same recipe: what the steps of a whole run cost more than
# steps alone. Both run in turns, and what counts is the median over the rounds of the ratio of two neighbours.
#
#     bench/train.sh ROOT [ROUNDS [TEACHER:STUDENT ...]]
#
# ROOT is the folder of CIFAR-100 in its binary version, ROUNDS how often each runs (5). Without pairs all five run; a pair
# has a recipe bench/STUDENT_from_TEACHER.yaml. THREADS in the environment sets the threads of both, STEPS the steps of a
# run's epoch (8), PYTHON a Python (python3). A run crops, flips and normalises, asks its teacher, whose weights are
# random, each time, and takes four epochs of so many steps. Its images/s are those of results.csv, which are of steps
# with their waiting for data, and not of start, evaluation and saving: the median of its epochs after the first. Those of
# bench are of all its steps together, as an epoch's are, and not of the median step, which a machine that is slow for
# moments leaves faster than the mean. Who goes first changes from round to round. Beside them stand the share of a step
# that waits for data, and what the loader makes on one core, both by bench.
# Prints a line a round and a table at the end, and writes bench/results/train.json. Close everything else first.
set -euo pipefail

cd "$(dirname "$0")/.."
fail() {
    echo "train.sh: $*" >&2
    exit 1
}
(($#)) || fail "usage: bench/train.sh ROOT [ROUNDS [TEACHER:STUDENT ...]]"
rounds=${2:-5}
pairs=("${@:3}")
((${#pairs[@]})) || pairs=(resnet56:resnet20 resnet32x4:resnet8x4 wrn_40_2:wrn_16_2 vgg13:vgg8 vgg13:mobilenetv2)
python=${PYTHON:-python3}
steps=${STEPS:-8}
epochs=4
threads=${THREADS:-0}
batch=64

root=$1
[[ -f $root/train.bin ]] || root=$1/cifar-100-binary
[[ -f $root/train.bin && -f $root/test.bin ]] || fail "'$1' holds no train.bin and test.bin of CIFAR-100"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "ROUNDS '$rounds' must be a whole number of at least 1"
[[ $steps =~ ^[1-9][0-9]*$ ]] && ((steps * batch <= 50000)) || fail "STEPS '$steps' must be from 1 to $((50000 / batch))"
[[ -x build/retort ]] || fail "build/retort is missing; run scripts/setup.sh and meson compile -C build"
recipe() { echo "bench/${1#*:}_from_${1%:*}.yaml"; }
for pair in "${pairs[@]}"; do
    [[ $pair == *:* && -f $(recipe "$pair") ]] || fail "pair '$pair' is not TEACHER:STUDENT with a recipe in bench/"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# All training images, and few to test on: evaluation is not what is timed.
mkdir "$scratch/data"
ln -s "$(realpath "$root/train.bin")" "$scratch/data/train.bin"
head -c $((256 * 3074)) "$root/test.bin" >"$scratch/data/test.bin"
data=(data.reader=cifar "data.root=$scratch/data" data.augment.flip=true data.augment.crop.pad=4
      "train.batch=$batch" "threads=$threads")

quietly() { "$@" 2>"$scratch/words" || { cat "$scratch/words" >&2; fail "this failed: $*"; }; }
# The weights of a teacher after one step.
make_teacher() {
    local folder=$scratch/teacher_$1
    [[ ! -d $folder ]] || return 0
    printf 'retort: 1\nstudent: {model: %s}\nloss: [cross_entropy]\ntrain: {epochs: 1}\n' "$1" >"$scratch/teacher.yaml"
    quietly build/retort train "$scratch/teacher.yaml" "${data[@]}" data.limit=$batch --out "$folder"
}
run_bench() {
    quietly build/retort bench "$(recipe "$1")" --synthetic --steps $((steps * (epochs - 1))) --json \
        "train.batch=$batch" "threads=$threads" >"$scratch/bench.json"
}
run_train() {
    rm -rf "$scratch/run"
    quietly build/retort train "$(recipe "$1")" "${data[@]}" data.limit=$((steps * batch)) train.epochs=$epochs \
        "teacher.weights=$scratch/teacher_${1%:*}/last.safetensors" teacher.memo=off --out "$scratch/run"
}

for pair in "${pairs[@]}"; do
    make_teacher "${pair%:*}"
done
for ((round = 1; round <= rounds; ++round)); do
    for pair in "${pairs[@]}"; do
        if ((round % 2)); then run_bench "$pair"; fi
        run_train "$pair"
        if ((round % 2 == 0)); then run_bench "$pair"; fi
        "$python" bench/train_runs.py record "$pair" "$round" "$scratch/bench.json" "$scratch/run/results.csv" \
            "$scratch/runs"
    done
done
mkdir -p bench/results
"$python" bench/train_runs.py summary "$scratch/runs" bench/results/train.json
