#!/bin/bash
# retort train on real images. RETORT_CIFAR100 is the folder that holds cifar-100-binary.
retort=$(realpath "$1")
recipe=$(realpath "$2")
limit=$3 # training images
. "$(dirname "$0")/expect.sh"
[ -n "${RETORT_CIFAR100:-}" ] || skip "RETORT_CIFAR100 is not set"
export OMP_WAIT_POLICY=passive

# All training images, and of the test images enough to see that something is measured.
mkdir "$scratch/data"
ln -s "$(realpath "$RETORT_CIFAR100")/cifar-100-binary/train.bin" "$scratch/data/train.bin"
head -c $((500 * 3074)) "$RETORT_CIFAR100/cifar-100-binary/test.bin" >"$scratch/data/test.bin"
cd "$scratch" || exit 99

trained() { # FOLDER ARGUMENTS...
    local folder=$1
    shift
    expect_exit 0 "$retort" train "$recipe" data.root=data train.epochs=2 seed=0 "$@" --out "$folder"
    expect_that "$folder: two epochs" test "$(wc -l <"$folder/results.csv")" = 3
}
losses() { # FOLDER: of its epochs
    awk -F, 'NR > 1 { printf "%s ", $3 }' "$1/results.csv"
}

# The same seed, the same bits.
trained first data.limit=$limit threads=1
trained second data.limit=$limit threads=1
for file in last.safetensors best.safetensors recipe.yaml; do
    expect_that "the same $file" cmp -s first/$file second/$file
done
expect_that "the same losses" test "$(losses first)" = "$(losses second)"
expect_that "it learns: $(losses first)" awk -F, 'NR == 2 { before = $3 } END { exit !(before < 6 && $3 < before - 0.02) }' \
    first/results.csv

# One thread and two get the same batches. The weights stand still here, so that an epoch's loss depends on nothing but
# which images were normalised together, and how each was augmented: epochs differ, threads do not.
still=(data.limit=512 train.batch=32 train.optimizer.sgd.lr=1e-12 train.optimizer.sgd.weight_decay=0
    student.weights=first/last.safetensors)
trained one "${still[@]}" threads=1
trained two "${still[@]}" threads=2
expect_that "the same batches: $(losses one), $(losses two)" awk -v one="$(losses one)" -v two="$(losses two)" '
    function gap(a, b) { return a > b ? a - b : b - a }
    BEGIN { split(one, a, " "); split(two, b, " ")
            exit !(gap(a[1], b[1]) < 1e-5 && gap(a[2], b[2]) < 1e-5 && gap(a[1], a[2]) > 2e-4) }'

finish
