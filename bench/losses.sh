#!/usr/bin/env bash
# Value and gradient of the losses in Retort and in PyTorch's eager form, in turns, and the medians over the rounds.
#
#     bench/losses.sh [PYTHON [ROUNDS [LOSS ...]]]
#
# PYTHON is one that can import torch (python3), ROUNDS how often each runs (5). Prints a table and writes
# bench/results/losses.json; close everything else first. Without names of losses, all are measured; those that
# pytorch_losses.py does not have stand alone.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${1:-python3}
rounds=${2:-5}
losses=("${@:3}")
"$python" -c 'import torch' || { echo "losses.sh: '$python' cannot import torch" >&2; exit 1; }
[ -x build/retort ] || { echo "losses.sh: build/retort is missing; run scripts/setup.sh and meson compile -C build" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for ((round = 1; round <= rounds; ++round)); do
    build/retort bench --losses "${losses[@]}" --json >"$scratch/retort.$round.json"
    "$python" bench/pytorch_losses.py "${losses[@]}" >"$scratch/pytorch.$round.json"
done

mkdir -p bench/results
"$python" - "$scratch" "$rounds" bench/results/losses.json <<'END'
import datetime
import json
import re
import statistics
import sys
import torch

folder, rounds, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def medians(who):
    times = {}
    for number in range(1, rounds + 1):
        with open(f"{folder}/{who}.{number}.json") as file:
            for result in json.load(file):
                key = result["loss"], result["samples"], result["width"]
                times.setdefault(key, []).append(result["microseconds"])
                threads = result["threads"]
    return {key: statistics.median(values) for key, values in times.items()}, threads


(ours, our_threads), (theirs, their_threads) = medians("retort"), medians("pytorch")
print(f"{'loss':<24}{'size':>12}{'Retort us':>12}{'PyTorch us':>12}{'ratio':>8}")
results = []
for (loss, samples, width), time in ours.items():
    peer = theirs.get((loss, samples, width))
    ratio = peer and round(peer / time, 2)
    print(f"{loss:<24}{f'{samples} x {width}':>12}{time:>12.1f}{f'{peer:.1f}' if peer else '-':>12}{ratio or '-':>8}")
    results.append({"loss": loss, "samples": samples, "width": width, "retort_us": round(time, 2),
                    "pytorch_us": peer, "ratio": ratio})
with open("/proc/cpuinfo") as file:
    cpu = re.search(r"model name\s*: (.*)", file.read())
date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
with open(path, "w") as file:
    json.dump({"date": date, "cpu": cpu.group(1) if cpu else "unknown CPU", "rounds": rounds,
               "retort_threads": our_threads, "pytorch_threads": their_threads, "torch": torch.__version__,
               "results": results}, file, indent=1)
    file.write("\n")
END
