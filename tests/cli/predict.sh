#!/bin/bash
# retort predict and retort eval on made-up images and weights.
retort=$(realpath "$1")
fixture=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

"$fixture" weights bare.safetensors bare resnet8 8 8 3 5 width=0.25 stem_bias=true shortcut=identity || exit 99
"$fixture" weights own.safetensors described resnet8 8 8 3 5 width=0.25 stem_bias=true shortcut=identity || exit 99
"$fixture" weights infinite.safetensors overflowing resnet8 8 8 3 5 || exit 99
"$fixture" weights gray.safetensors described mlp 8 8 1 5 || exit 99
"$fixture" labels labels.npy 13 5 || exit 99

images=(--data synthetic --split test --set 'shape=[3, 8, 8]' --set classes=5 --set test_samples=13)
normalised=(--mean .5,.5,.5 --std .25,.25,.25)
model=(--model resnet8 --set width=0.25 --set shortcut=identity)

absent() { expect_that "$1 was written" test ! -e "$1"; }

# Somebody else's weights: the model and the normalisation are named, the rest shows in the tensors.
expect_exit 0 "$retort" predict "${model[@]}" --weights bare.safetensors "${images[@]}" "${normalised[@]}" \
    --logits bare.npy
expect_stdout_matches \
    '^\{"images": 13, "classes": 5, "logits": "bare.npy", "images_per_s": [0-9][0-9.e+]*\}$'
expect_that "stdout is one line" test "$(wc -l <"$printed/stdout")" -eq 1
expect_stderr_contains "predict"
expect_that "the array's header" grep -aqF "'shape': (13, 5)" bare.npy
expect_that "the array's type" grep -aqF "'descr': '<f4'" bare.npy
expect_that "the array's size" test "$(stat -c %s bare.npy)" -eq $((128 + 13 * 5 * 4))

# Retort's own say it all.
expect_exit 0 "$retort" predict --weights own.safetensors "${images[@]}" --logits own.npy
expect_that "the same logits" cmp bare.npy own.npy
expect_exit 0 "$retort" predict --weights own.safetensors "${images[@]}" --logits batched.npy --batch 4 --threads 1
expect_that "as many logits" test "$(stat -c %s batched.npy)" -eq "$(stat -c %s own.npy)"

# Any size of image, any number of classes in the data; the other split.
expect_exit 0 "$retort" predict --weights own.safetensors --data synthetic: --split train --set 'shape=[3, 9, 6]' \
    --set samples=7 --set classes=3 --logits other.npy
expect_stdout_contains '"images": 7, "classes": 5,'

# What the user says about normalisation wins.
expect_exit 0 "$retort" predict --weights own.safetensors "${images[@]}" --mean 0,0,0 --std 1,1,1 --logits raw.npy
expect_that "other logits" bash -c '! cmp -s raw.npy own.npy'

# Nothing is overwritten silently.
cp own.npy before.npy
expect_exit 2 "$retort" predict --weights own.safetensors "${images[@]}" --mean 0,0,0 --std 1,1,1 --logits own.npy
expect_stdout_empty
expect_stderr_contains "cannot write 'own.npy': it exists; --force replaces it"
expect_that "own.npy is as it was" cmp before.npy own.npy
expect_exit 0 "$retort" predict --weights own.safetensors "${images[@]}" --mean 0,0,0 --std 1,1,1 --logits own.npy \
    --force
expect_that "own.npy is new" cmp raw.npy own.npy
mkdir folder
expect_exit 2 "$retort" predict --weights own.safetensors "${images[@]}" --logits folder --force
expect_stderr_contains "cannot write 'folder': it exists and is not a regular file"
expect_exit 2 "$retort" predict --weights own.safetensors "${images[@]}" --logits nowhere/out.npy
expect_stderr_contains "cannot write 'nowhere/out.npy': its folder: No such file or directory"

# refused WORDS ARGUMENT...: exit 2, these words, and nothing written.
refused() {
    local words=$1
    shift
    expect_exit 2 "$retort" predict --logits out.npy "$@"
    expect_stdout_empty
    expect_stderr_contains "$words"
    absent out.npy
}
refused "which network? --weights" "${images[@]}"
refused "which images? --data READER:ROOT" --weights own.safetensors
refused "which of the images? --split train or --split test" --weights own.safetensors --data synthetic
refused "there is no split 'val'" --weights own.safetensors --data synthetic --split val
refused "unexpected argument 'run'" --weights own.safetensors "${images[@]}" run
refused "--mean and --std go together" --weights own.safetensors "${images[@]}" --mean 0,0,0
refused "--mean has 3 values and --std 2" --weights own.safetensors "${images[@]}" --mean 0,0,0 --std 1,1
refused "--mean and --std have 1 values; the images have 3 channels" --weights own.safetensors "${images[@]}" \
    --mean 0 --std 1
refused "--mean '129.3': it must be a number from 0 to 1" --weights own.safetensors "${images[@]}" \
    --mean 129.3,0,0 --std 1,1,1
refused "--std '0': it must be a number from" --weights own.safetensors "${images[@]}" --mean 0,0,0 --std 0,1,1
refused "--mean '': it must be a number" --weights own.safetensors "${images[@]}" --mean 0,,0 --std 1,1,1
refused "--threads '0': it must be an integer from 1 to 1024" --weights own.safetensors "${images[@]}" --threads 0
refused "--batch 'many': it must be an integer" --weights own.safetensors "${images[@]}" --batch many
refused "--weights is given twice" --weights own.safetensors --weights own.safetensors "${images[@]}"
refused "unknown option '--weihgts'" --weihgts own.safetensors "${images[@]}"
refused "'bare.safetensors' does not say which network it holds; --model must" --weights bare.safetensors \
    "${images[@]}" "${normalised[@]}"
refused "'bare.safetensors' does not say how its images were normalised; --mean and --std must" "${model[@]}" \
    --weights bare.safetensors "${images[@]}"
refused "there is no model 'resnet9'; did you mean 'resnet8'?" --model resnet9 --weights bare.safetensors \
    "${images[@]}" "${normalised[@]}"
refused "'own.safetensors' holds model 'resnet8', not 'resnet20'" --model resnet20 --weights own.safetensors \
    "${images[@]}"
refused "weights 'bare.safetensors' do not fit the network: " --model resnet8 --set shortcut=identity --weights bare.safetensors \
    "${images[@]}" "${normalised[@]}"
refused "1 unexpected: 'conv1.bias'" --weights own.safetensors "${images[@]}" --set stem_bias=false
refused "'shortcut' in model/resnet8 is 'identical'" --weights own.safetensors "${images[@]}" --set shortcut=identical
refused "neither model 'resnet8' nor reader 'synthetic' has 'shape_'; did you mean 'shape'?" \
    --weights own.safetensors "${images[@]}" --set shape_=1
refused "neither model 'resnet8' nor reader 'synthetic' has 'cheese'" --weights own.safetensors "${images[@]}" \
    --set cheese=1
refused "--set 'cheese' has no '='" --weights own.safetensors "${images[@]}" --set cheese
refused "there is no reader 'sintetic'" --weights own.safetensors --data sintetic --split test
refused "there is no reader 'cifra'; did you mean 'cifar'?" --weights own.safetensors --data cifra:/tmp --split test
refused "reader 'cifar' needs a folder, as in cifar:FOLDER" --weights own.safetensors --data cifar: --split test
refused "cannot find" --weights own.safetensors --data "cifar:$scratch" --split test
refused "'own.safetensors' is for images of 3 channels; these have 1" --weights own.safetensors --data synthetic \
    --split test --set 'shape=[1, 8, 8]'
refused "weights 'gray.safetensors' do not fit the network: 1 of another shape: 'fc1.weight' is F32 [32, 64], not [32, 81]" \
    --weights gray.safetensors --data synthetic --split test --set 'shape=[1, 9, 9]'
refused "cannot open 'absent.safetensors'" --weights absent.safetensors "${images[@]}"
refused "in no known weights format" --weights labels.npy "${images[@]}"
expect_exit 2 "$retort" predict --weights own.safetensors "${images[@]}"
expect_stderr_contains "where shall the logits go? --logits FILE"

# eval: the same network, measured; its cross-entropy is what `retort loss` makes of the same logits.
expect_exit 0 "$retort" eval --weights own.safetensors "${images[@]}" --logits eval.npy
expect_stdout_matches '^\{"top1": [0-9.]+, "top5": 100, "cross_entropy": [0-9.]+, "ece": [0-9.e-]+, "brier": [0-9.e-]+, "images": 13\}$'
expect_that "the same logits" cmp bare.npy eval.npy
measured=$(sed 's/.*"cross_entropy": \([0-9.]*\).*/\1/' "$printed/stdout")
expect_exit 0 "$retort" loss cross_entropy --student eval.npy --labels labels.npy
loss=$(sed 's/.*"loss": \([0-9.]*\).*/\1/' "$printed/stdout")
expect_that "cross-entropy $measured is $loss" \
    awk -v a="$measured" -v b="$loss" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-24 * a ^ 2) }'

expect_exit 2 "$retort" eval --weights own.safetensors --data synthetic --split test
expect_stdout_empty
expect_stderr_contains "'own.safetensors' tells 5 classes apart; the data has 10"

expect_exit 1 "$retort" eval --weights infinite.safetensors "${images[@]}"
expect_stdout_contains '"cross_entropy": null, "ece": null, "brier": null, "images": 13}'
expect_stderr_contains "13 of 13 images have logits that are NaN or infinite; they count as wrong"

# What else eval tells: the network agrees with itself, and its confusions add up.
expect_exit 0 "$retort" eval --weights own.safetensors "${images[@]}" --teacher own.safetensors --per-class --latency \
    --confusion confusion.csv
expect_stdout_contains '"agreement": 100, "latency_p50_ms": '
expect_stdout_matches '"latency_p99_ms": [0-9.e-]+, "images_per_s": [0-9.e+]+, "per_class": \[\{"class": 0, "images": 3, '
expect_stderr_contains "class  images  predicted  right  of images  of predicted"
top1=$(sed 's/.*"top1": \([0-9.]*\).*/\1/' "$printed/stdout")
expect_that "the confusions give top-1 $top1" awk -F, -v top1="$top1" '
    NR > 1 { for (i = 2; i <= NF; ++i) { all += $i; right += i == NR ? $i : 0 } }
    END { exit !(NR == 6 && all == 13 && (100 * right / all - top1) ^ 2 < 1e-9) }' confusion.csv
expect_exit 2 "$retort" eval --weights own.safetensors "${images[@]}" --confusion confusion.csv
expect_stderr_contains "cannot write 'confusion.csv': it exists; --force replaces it"
expect_exit 2 "$retort" eval --weights own.safetensors "${images[@]}" --teacher-model resnet8
expect_stderr_contains "--teacher-model is of --teacher, which is not given"

# eval of a run's folder: best.safetensors, and the test images of its recipe.
mkdir run
cp own.safetensors run/best.safetensors
cat >run/recipe.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 5, test_samples: 13}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 1}
END
"$retort" eval --weights own.safetensors "${images[@]}" >direct.json 2>/dev/null
expect_exit 0 "$retort" eval run
expect_that "as measured directly" cmp direct.json "$printed/stdout"
expect_exit 0 "$retort" eval run "${images[@]}"
expect_that "as measured directly" cmp direct.json "$printed/stdout"
expect_exit 2 "$retort" eval run --set classes=6
expect_stderr_contains "--set 'classes=6': the run's recipe sets up its reader; --data names another"
expect_exit 2 "$retort" eval run --weights own.safetensors
expect_stderr_contains "a run's folder has its own weights"
sed -i 's/reader: synthetic/reader: sinthetic/' run/recipe.yaml
expect_exit 2 "$retort" eval run
expect_stderr_contains "run/recipe.yaml:2:16: "
rm run/recipe.yaml
expect_exit 2 "$retort" eval run
expect_stderr_contains "run/recipe.yaml"
expect_exit 2 "$retort" eval
expect_stderr_contains "which network? --weights, or a run's folder"
expect_exit 2 "$retort" eval run run
expect_stderr_contains "unexpected argument 'run'"
expect_exit 2 "$retort" eval nowhere
expect_stderr_contains "cannot open 'nowhere/best.safetensors'"

finish
