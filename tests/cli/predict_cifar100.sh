#!/bin/bash
# retort eval on real images. RETORT_CIFAR100 is the folder that holds cifar-100-binary.
#
# Where RETORT_DATA has weights/cifar100_resnet56.pth, its accuracy is measured, too: 66.41 % with PyTorch, and here to
# within 3 of 10000 images. cifar10_resnet20.th, of PyTorch's older format, is loaded.
retort=$1
fixture=$2
. "$(dirname "$0")/expect.sh"
[ -n "${RETORT_CIFAR100:-}" ] || skip "RETORT_CIFAR100 is not set"

# Only the named split's files need exist.
mkdir "$scratch/test_only"
ln -s "$RETORT_CIFAR100/cifar-100-binary/test.bin" "$scratch/test_only/test.bin"
"$fixture" weights "$scratch/coarse.safetensors" described resnet8 32 32 3 20 width=0.25 || exit 99

expect_exit 0 "$retort" eval --weights "$scratch/coarse.safetensors" --data "cifar:$scratch/test_only" --split test \
    --set labels=coarse --logits "$scratch/coarse.npy"
expect_stdout_matches '^\{"top1": [0-9.]+, "top5": [0-9.]+, "cross_entropy": [0-9.]+, "ece": [0-9.]+, "brier": [0-9.]+, "images": 10000\}$'
expect_that "the array's header" grep -aqF "'shape': (10000, 20)" "$scratch/coarse.npy"
expect_exit 2 "$retort" eval --weights "$scratch/coarse.safetensors" --data "cifar:$scratch/test_only" --split test
expect_stderr_contains "tells 20 classes apart; the data has 100"
expect_exit 2 "$retort" eval --weights "$scratch/coarse.safetensors" --data "cifar:$scratch/test_only" --split train \
    --set labels=coarse
expect_stderr_contains "train.bin"

weights=${RETORT_DATA:-}/weights
if [ -f "$weights/cifar100_resnet56.pth" ]; then
    expect_exit 0 "$retort" eval --model resnet56 --weights "$weights/cifar100_resnet56.pth" \
        --data "cifar:$scratch/test_only" --split test --mean .5071,.4867,.4408 --std .2675,.2565,.2761
    expect_stdout_matches '^\{"top1": 66\.(3[89]|4[0-4]?),'
else
    echo "not measured: there is no $weights/cifar100_resnet56.pth"
fi
if [ -f "$weights/cifar10_resnet20.th" ]; then
    expect_exit 0 "$retort" predict --model resnet20 --set shortcut=identity --weights "$weights/cifar10_resnet20.th" \
        --data synthetic --split test --set test_samples=8 --mean .485,.456,.406 --std .229,.224,.225 \
        --logits "$scratch/ten.npy"
    expect_stdout_contains '"classes": 10,'
else
    echo "not loaded: there is no $weights/cifar10_resnet20.th"
fi

finish
