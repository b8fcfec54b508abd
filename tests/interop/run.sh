#!/bin/bash
# Runs a script of this folder with the Python that RETORT_PYTHON names, or python3; where there is none it is skipped.
python=${RETORT_PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "skipped: there is no $python"
    exit 77
fi
exec "$python" "$@"
