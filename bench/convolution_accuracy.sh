#!/usr/bin/env bash
# Does Winograd's rounding cost accuracy? Trains ResNet-20 on CIFAR-100 for a few epochs with `convolution: auto` and
# `convolution: direct`, for some seeds; the last words are mean and spread of each.
#
#     bench/convolution_accuracy.sh CIFAR_ROOT FOLDER [SEEDS]
#
# CIFAR_ROOT holds CIFAR-100's binary files; FOLDER, which must be new, gets a run folder for each; SEEDS, with commas
# between them, are 0,1,2 unless given: a few tell nothing that is smaller than their spread.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 2 || $# == 3)) || { sed -n '2,8p' "$0"; exit 2; }
exec build/retort sweep bench/convolution_accuracy.yaml --vary convolution=auto,direct --vary seed="${3:-0,1,2}" \
    data.root="$1" --out "$2"
