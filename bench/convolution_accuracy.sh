#!/usr/bin/env bash
# Does Winograd's rounding cost accuracy? Trains ResNet-20 on CIFAR-100 for a few epochs with `convolution: auto` and
# `convolution: direct`, for three seeds; the last words are mean and spread of each.
#
#     bench/convolution_accuracy.sh CIFAR_ROOT FOLDER
#
# CIFAR_ROOT holds CIFAR-100's binary files; FOLDER, which must be new, gets the six run folders.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 2)) || { sed -n '2,7p' "$0"; exit 2; }
exec build/retort sweep bench/convolution_accuracy.yaml --vary convolution=auto,direct --vary seed=0,1,2 \
    data.root="$1" --out "$2"
