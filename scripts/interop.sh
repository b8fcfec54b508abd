#!/usr/bin/env bash
# Holds Retort to the tools that others use: installs them into a folder of their own, and runs the interop tests with
# none of them skipped.
#
#   scripts/interop.sh [FOLDER]     the virtual environment; .interop by default, kept for the next time (1 GB)
#
# `meson test -C build --suite interop` runs the same tests with the python3 of PATH, or that of RETORT_PYTHON, and
# skips those whose packages it does not have.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

folder=${1:-.interop}
packages=(numpy safetensors onnx onnxruntime timm)
if ! "$folder/bin/python" -c 'import numpy, safetensors, onnx, onnxruntime, torch, torchvision, timm' 2>/dev/null; then
    echo "interop: installing torch, torchvision, ${packages[*]} into $folder/"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --index-url https://download.pytorch.org/whl/cpu torch torchvision ||
        "$folder/bin/pip" install --quiet torch torchvision
    "$folder/bin/pip" install --quiet "${packages[@]}"
fi

scripts/setup.sh build
meson compile -C build
RETORT_PYTHON=$(realpath -s "$folder")/bin/python exec meson test -C build --suite interop --verbose
