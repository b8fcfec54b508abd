#!/bin/bash
# retort bench --kernels: each work of the networks once, all kernels that a convolution has, and every other layer beside
# oneDNN's. That there are times is looked at, never what they are.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
. "$(dirname "$0")/bench_recipes.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

# Convolutions: each shape of the two networks once, oneDNN's direct one in all of them.
expect_exit 0 "$retort" bench --kernels --batch 2 --steps 2 --json --threads 1 pair.yaml least.yaml
expect_stderr_empty
expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
expect_that "shapes and kernels" awk '
    { split($1, part, "."); at = part[2] }
    $1 ~ /^shapes[.][0-9]+[.](height|width|channels_in|channels_out|window|stride|padding|groups)$/ {
        shape[at] = shape[at] " " part[3] "=" $2 }
    $1 ~ /[.]kernels[.][0-9]+[.]kernel$/ && $2 " " $3 == "oneDNN direct" { ++direct[at] }
    $1 ~ /[.]picked_trained$/ { trained[at] += $2 == "true" }
    $1 ~ /[.]picked_frozen$/ { frozen[at] += $2 == "true" }
    $1 ~ /[.](forward|frozen|weights)[.]ms$/ { ++timed[at]; ok += !($2 > 0) }
    $1 ~ /[.]backward[.]ms$/ { ++backward[at] }
    $1 ~ /[.]reads_images$/ { images[at] = $2 == "true" }
    END {
        for (at in shape) {
            ++count
            if (seen[shape[at]]++ || direct[at] != 1 || trained[at] != 1 || frozen[at] != 1 || timed[at] < 3) exit 1
            if (images[at] ? backward[at] : !backward[at]) exit 1
        }
        exit !(count == 22 && ok == 0)
    }' values
# All other layers: each work once, beside oneDNN's unless a plan takes that.
expect_that "layers and their peers" awk '
    { split($1, part, "."); at = part[2]; pass = at "." part[3] }
    $1 ~ /^layers[.][0-9]+[.]layer$/ { name = $2; for (i = 3; i <= NF; ++i) name = name " " $i; named[at] = name; ++seen[name] }
    $1 ~ /^layers[.][0-9]+[.](height|width|channels_in|channels_out|window|stride|padding)$/ {
        work[at] = work[at] " " part[3] "=" $2 }
    $1 ~ /^layers[.][0-9]+[.](forward|backward|frozen)$/ && $2 == "null" { absent[pass] = 1 }
    $1 ~ /^layers[.].*[.]same$/ { same[pass] = $2 }
    $1 ~ /^layers[.].*[.]retort[.]ms$/ { own[pass] = $2 }
    $1 ~ /^layers[.].*[.]onednn[.]ms$/ { peer[pass] = $2 }
    $1 ~ /^layers[.].*[.]implementation$/ && ($2 == "" || $2 ~ /^(null|ref.*)$/) { bad = 1 }
    $1 ~ /^layers[.].*[.]ratio$/ { ratio[pass] = $2 }
    $1 == "layer_passes" { passes = $2 }
    END {
        for (at in named) {
            if (once[named[at] work[at]]++) bad = 1
            for (p = split("forward backward frozen", list, " "); p > 0; --p) {
                pass = at "." list[p]
                if (absent[pass]) { if (named[at] == "linear" || pass in own) bad = 1; continue }
                expected = named[at] == "linear" && list[p] != "frozen" ? "true" : "false"
                if (!(own[pass] > 0) || same[pass] != expected) bad = 1
                if (expected == "true") { if (pass in peer || ratio[pass] != "null") bad = 1; continue }
                ++compared
                if (!(peer[pass] > 0)) bad = 1
                else { off = ratio[pass] * own[pass] / peer[pass]; if (off < 0.999 || off > 1.001) bad = 1 }
            }
        }
        exit bad || !(seen["batch norm"] == 9 && seen["batch norm + relu"] == 9 && seen["add + relu"] == 9 &&
                      seen["global average pool"] == 3 && seen["linear"] == 3 && compared == 68 && passes == compared)
    }' values
expect_that "what has no peer is named" grep -qx "layers_without_peer.0 subsample" values
expect_that "batch, rounds, threads" test 3 = "$(grep -cxE "batch 2|rounds 2|threads 1" values)"
expect_exit 0 "$retort" bench --kernels --batch 1 --steps 1 least.yaml
expect_stderr_empty
expect_stdout_matches "^32x32x3 > 4, 3x3 +[A-Za-z].* [0-9.]+[*] "
expect_stdout_matches "^Of [0-9]+ choices between kernels"
for layer in "batch norm [+] relu +32x32x4" "add [+] relu +8x8x16"; do
    expect_stdout_matches "^$layer +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +- +- +-\$"
done
expect_stdout_matches "^linear +16 > 100 +[0-9.]+ +same +- +[0-9.]+ +same +- +[0-9.]+ +[0-9.]+ +[0-9.]+\$"
expect_stdout_matches "^takes those. Of [0-9]+ passes of our own, oneDNN's are faster by more than 10 % in [0-9]+[.]\$"
expect_stdout_lacks "Without a peer"
expect_exit 0 "$retort" bench --kernels --batch 1 --steps 1 least.yaml student.width=0.5
expect_stdout_matches "^32x32x3 > 8, 3x3 +[A-Za-z].* [0-9.]+[*] "
# Without a recipe: the usual pairs.
expect_exit 0 "$retort" bench --kernels --batch 1 --steps 1
for channels in 16 32; do
    expect_stdout_matches "^32x32x3 > $channels, 3x3 "
done
expect_stdout_matches "^max pool +32x32x64 > 16x16x64, 2x2 /2 +[0-9.]+ +same +- "
expect_stdout_matches "^batch norm [+] relu +32x32x32 +([0-9.]+ +){8}[0-9.]+\$"

expect_exit 2 "$retort" bench --kernels least.yaml absent.yaml
expect_stdout_empty
expect_stderr_contains "absent.yaml"

finish
