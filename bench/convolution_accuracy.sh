#!/usr/bin/env bash
# Does Winograd's rounding cost accuracy? Trains ResNet-20 on CIFAR-100 for a few epochs with `convolution: auto` and
# `convolution: direct`, for three seeds, and prints the top-1 of each run.
#
#     bench/convolution_accuracy.sh CIFAR_ROOT FOLDER
#
# CIFAR_ROOT holds CIFAR-100's binary files; FOLDER, which must be new, gets the six run folders. Two runs go side by side
# with one thread each.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 2)) || { sed -n '2,8p' "$0"; exit 2; }
root=$1 folder=$2
mkdir "$folder"
train() {
    build/retort train bench/convolution_accuracy.yaml data.root="$root" convolution="$1" seed="$2" threads=1 \
        --out "$folder/$1-$2" 2>"$folder/$1-$2.log"
}
for seed in 0 1 2; do
    train auto "$seed" >"$folder/auto-$seed.txt" &
    train direct "$seed" >"$folder/direct-$seed.txt"
    wait
done
for choice in auto direct; do
    for seed in 0 1 2; do
        echo "$choice seed $seed: $(tail -n 1 "$folder/$choice-$seed/results.csv")"
    done
done
