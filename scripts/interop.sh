#!/usr/bin/env bash
# Holds Retort to the tools that others use: installs them into a folder of their own, runs the interop tests, and fails
# where one of them fails or is skipped.
#
#   RETORT_DATA=FOLDER scripts/interop.sh [VENV]     VENV: the virtual environment; .interop by default, kept for the
#                                                    next time (1 GB). FOLDER: what has photos/train and photos/val
#
# `meson test -C build --suite interop` runs the same tests with the python3 of PATH, or that of RETORT_PYTHON, and
# skips those whose packages or data are absent.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

folder=${1:-.interop}
packages=(numpy pillow safetensors onnx onnxruntime timm)
if ! "$folder/bin/python" -c 'import numpy, PIL, safetensors, onnx, onnxruntime, torch, torchvision, timm' 2>/dev/null; then
    echo "interop: installing torch, torchvision, ${packages[*]} into $folder/"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --index-url https://download.pytorch.org/whl/cpu torch torchvision ||
        "$folder/bin/pip" install --quiet torch torchvision
    "$folder/bin/pip" install --quiet "${packages[@]}"
fi

scripts/setup.sh build
meson compile -C build
export RETORT_PYTHON
RETORT_PYTHON=$(realpath -s "$folder")/bin/python
"$RETORT_PYTHON" -c '
import importlib.metadata as packages
for name in ("torch", "torchvision", "timm", "safetensors", "onnx", "onnxruntime", "numpy", "pillow"):
    print("interop:", name, packages.version(name))'
meson test -C build --suite interop --verbose
if grep -q '"result": "SKIP"' build/meson-logs/testlog.json; then
    echo "interop: not all of it ran: the tests above that were skipped say what they need" >&2
    exit 1
fi
