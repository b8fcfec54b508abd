#!/bin/bash
# The recipe for photographs, from files to a student, a few steps of it on those in RETORT_DATA: two runs have the same
# bits, and so has one that is killed and gone on with. Small images, so that it takes seconds; the recipe's 224 are checked.
retort=$(realpath "$1")
recipe=$(realpath "$2")
. "$(dirname "$0")/../cli/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive
photos=${RETORT_DATA:-}/photos
[ -d "$photos/train" ] || skip "there are no photographs in '$photos' (from RETORT_DATA)"

expect_exit 0 "$retort" check "$recipe" data.root="$photos" train.batch=8
expect_stdout_contains "224 x 224 x 3, 2 classes"
expect_stdout_contains "memo: none: the augmentation has no finite number of variants"
expect_exit 0 "$retort" data preview "$recipe" sheet.png data.root="$photos"
expect_that "a sheet" test "$(head -c 24 sheet.png | tail -c 8 | od -An -tx1 | tr -d ' \n')" = 0000072400000394
expect_exit 2 "$retort" check "$recipe" data.root="$photos" 'loss=[cross_entropy, dkd]'
expect_stderr_contains "loss 'dkd' is defined by one label an image, and data.augment.mixup gives it two"

few=(data.root="$photos" data.size=64 train.batch=16 train.epochs=12 teacher.train.batch=16 teacher.train.epochs=1
    teacher.width=0.25 threads=1)
expect_exit 0 "$retort" train "$recipe" "${few[@]}" --out whole
expect_stderr_contains "distilled student"
"$retort" train "$recipe" "${few[@]}" data.workers=3 --out killed >"$scratch/killed.txt" 2>&1 </dev/null &
process=$!
while kill -0 $process 2>"$scratch/gone" && [ "$(cat killed/results.csv 2>"$scratch/gone" | wc -l)" -lt 4 ]; do
    sleep 0.01
done
kill -9 $process 2>"$scratch/gone"
wait $process 2>"$scratch/gone"
expect_that "it was not finished" test ! -e killed/result.json
expect_exit 0 "$retort" train --resume killed
for file in last.safetensors best.safetensors teacher/last.safetensors; do
    expect_that "the same $file" cmp -s "whole/$file" "killed/$file"
done

finish
