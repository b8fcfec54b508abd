#!/usr/bin/env bash
# Does the cost of a step grow as its operations do? ResNet-8 on made-up images, one thing changed at a time: threads (1, 2,
# 4 ... all), batch (16 to 256), width (1 to 4 times the channels: up to 16 times the operations).
#
#     bench/scaling.sh [STEPS [ROUNDS]]
#
# The points are timed in turns, ROUNDS times (3) with STEPS steps (10) each; the median of the rounds' medians counts.
# Prints a table and writes bench/results/scaling.json; close everything else first. RETORT names another binary than
# build/retort.
set -euo pipefail

cd "$(dirname "$0")/.."
steps=${1:-10}
rounds=${2:-3}
retort=${RETORT:-build/retort}
[ -x "$retort" ] || { echo "scaling.sh: $retort is missing; run scripts/setup.sh and meson compile -C build" >&2; exit 1; }

cpus=$(nproc)
points=() # "SERIES THREADS BATCH WIDTH"
for ((threads = 1; threads < cpus; threads *= 2)); do points+=("threads $threads 64 1"); done
points+=("threads $cpus 64 1")
for batch in 16 32 64 128 256; do points+=("batch $cpus $batch 1"); done
for width in 1 2 3 4; do points+=("width $cpus 64 $width"); done

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
figure() { sed -n "s/^ \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" <<<"$2"; } # KEY JSON: a value of the outermost object

declare -A times gflop peaks
for ((round = 1; round <= rounds; ++round)); do
    for point in "${points[@]}"; do
        read -r _ threads batch width <<<"$point"
        json=$("$retort" bench bench/scaling.yaml --synthetic --json --steps "$steps" --threads "$threads" \
            train.batch="$batch" student.width="$width")
        times[$point]+="$(figure step_ms "$json") "
        gflop[$point]=$(figure gflop_per_step "$json")
        peaks[$threads]+="$(figure peak_gflops "$json") "
        isa=$(figure isa "$json") engine=$(figure engine "$json")
    done
done

mkdir -p bench/results
result=bench/results/scaling.json
cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1 | tr -d '"\\')
{
    printf '{\n "date": "%s",\n "cpu": "%s",\n "cpus": %d,\n "isa": "%s",\n "engine": "%s",\n' \
        "$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" "$cpu" "$cpus" "$isa" "$engine"
    printf ' "student": "resnet8",\n "steps": %d,\n "rounds": %d,\n "points": [' "$steps" "$rounds"
    separator=
    for point in "${points[@]}"; do
        read -r series threads batch width <<<"$point"
        # The best peak at that many threads: what kept other measurements from it was not the machine.
        printf '%s\n  {"series": "%s", "threads": %d, "batch": %d, "width": %d, "gflop_per_step": %s, "step_ms": %s, "peak_gflops": %s}' \
            "$separator" "$series" "$threads" "$batch" "$width" "${gflop[$point]}" \
            "$(tr ' ' '\n' <<<"${times[$point]% }" | median)" "$(tr ' ' '\n' <<<"${peaks[$threads]% }" | sort -g | tail -n 1)"
        separator=,
    done
    printf '\n ]\n}\n'
} >"$result"

echo "series   threads  batch  width  GFLOP a step  ms a step  GFLOP/s  of peak"
sed -n 's/^  {//; s/["{},:]/ /g; /^ series/p' "$result" | awk '{
    if ($2 != last && NR > 1) print ""
    last = $2
    printf "%-8s %7d %6d %6d %13.3f %10.2f %8.0f %6.0f %%\n", $2, $4, $6, $8, $10, $12, 1e3 * $10 / $12, 1e5 * $10 / $12 / $14 }'
echo "written to $result"
