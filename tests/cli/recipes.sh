#!/bin/bash
# Every recipe of recipes/cifar100 is in order: checked on a few black images and a teacher at its initial weights.
retort=$(realpath "$1")
fixture=$(realpath "$2")
recipes=$(realpath "$3")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

mkdir -p datasets/cifar-100-binary runs/cifar100_resnet56 runs/cifar100_resnet56-2
head -c $((64 * 3074)) /dev/zero >datasets/cifar-100-binary/train.bin
head -c $((8 * 3074)) /dev/zero >datasets/cifar-100-binary/test.bin
"$fixture" weights runs/cifar100_resnet56/best.safetensors described resnet56 32 32 3 100 || exit 99
cp runs/cifar100_resnet56/best.safetensors runs/cifar100_resnet56-2/

for recipe in "$recipes"/cifar100/*.yaml "$recipes"/cifar100/*/*.yaml; do
    expect_exit 0 "$retort" check "$recipe"
    expect_stdout_contains "$(basename "$recipe") is in order"
done

# What there is a loss for, there is a recipe for.
names=$("$retort" list losses | sed 's/ .*//')
expect_that "there are losses" test "$(wc -w <<<"$names")" -gt 40
for name in $names; do
    expect_that "a recipe for $name" test -n "$(ls "$recipes/cifar100/$name" 2>&1 | grep yaml)"
done

finish
