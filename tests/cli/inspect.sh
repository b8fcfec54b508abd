#!/bin/bash
# retort inspect, and what recipes and commands make of others' weights: renames, gaps, expectations.
retort=$(realpath "$1")
fixture=$(realpath "$2")
torch=$(realpath "$3")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

"$fixture" weights bare.safetensors bare resnet8 8 8 3 5 width=0.25 stem_bias=true shortcut=identity || exit 99
"$fixture" weights own.safetensors described resnet14 8 8 3 5 || exit 99
"$fixture" weights wrn.safetensors bare wrn_16_2 32 32 3 7 || exit 99
"$fixture" weights mlp.safetensors bare mlp 28 28 1 10 || exit 99

expect_exit 0 "$retort" inspect bare.safetensors
expect_stdout_matches '^  safetensors, [0-9]+ tensors, [0-9]+ numbers$'
expect_stdout_matches '^  resnet8 +5 classes, 3 channels +width=0.25 shortcut=identity stem_bias=true$'
expect_stdout_matches '^  conv1.weight +F32 +\[4, 3, 3, 3\]$'
expect_exit 0 "$retort" inspect own.safetensors
expect_stdout_matches '^  resnet14 +5 classes, 3 channels$'
expect_stdout_matches '^  retort.model +resnet14$'
expect_exit 0 "$retort" inspect wrn.safetensors
expect_stdout_matches '^  wrn_16_2 +7 classes, 3 channels$'
expect_exit 0 "$retort" inspect mlp.safetensors
expect_stdout_matches '^  mlp +10 classes, 1 channels$'

# PyTorch's.
expect_exit 0 "$retort" inspect "$torch/stream.th"
expect_stdout_matches "^  PyTorch \(stream\), below 'state_dict', 13 tensors, 60 numbers$"
expect_stdout_contains "no known network has these tensors"
expect_stdout_matches '^  best_acc1 +66.5$'
expect_stdout_matches '^  optimizer +a dictionary of 2$'
expect_stdout_matches '^  module.fc.weight +F32 +\[2, 3\]$'
expect_stdout_matches '^  steps +I64 +\[\]$'
expect_exit 0 "$retort" inspect --json bare.safetensors
expect_stdout_contains '"models": [{"model": "resnet8", "options": "width=0.25 shortcut=identity stem_bias=true"'
expect_stdout_contains '{"name": "conv1.weight", "dtype": "F32", "shape": [4, 3, 3, 3]}'
expect_that "stdout is one line" test "$(wc -l <"$printed/stdout")" -eq 1
expect_exit 0 "$retort" inspect --json "$torch/model.pth"
expect_stdout_contains '"format": "PyTorch (zip)", "within": "model", "numbers": 6, "models": []'
expect_stdout_contains '"metadata": [{"key": "epoch", "value": "1"}]'

# What is wrong.
refused() { # WORDS ARGUMENTS...
    local words=$1
    shift
    expect_exit 2 "$retort" "$@"
    expect_stdout_empty
    expect_stderr_contains "$words"
}
refused "'posix.system' is not a tensor, dictionary, string or number; refused" inspect "$torch/hostile.pth"
expect_that "code ran" test ! -e /tmp/retort-was-here
refused "which file?" inspect
refused "one file at a time" inspect a b
refused "unknown option '--yaml'" inspect --yaml bare.safetensors
refused "cannot open 'nothing'" inspect nothing

# Other names, and gaps.
images=(--data synthetic --split test --set 'shape=[3, 8, 8]' --set classes=5 --set test_samples=13 --mean 0,0,0
    --std 1,1,1)
predict=(predict --model resnet8 --set width=0.25 --weights bare.safetensors "${images[@]}" --force --logits)
refused "say shortcut: identity in a recipe, or --set shortcut=identity" "${predict[@]}" a.npy
predict+=(a.npy --set shortcut=identity)
expect_exit 0 "$retort" "${predict[@]}"
refused "no tensor of 'bare.safetensors' begins with 'layer9.', which is to be renamed" "${predict[@]}" \
    --rename layer9.=layer1.
refused "1 missing: 'fc.bias'; 1 unexpected: 'head.bias'" "${predict[@]}" --rename fc.bias=head.bias
expect_exit 0 "$retort" "${predict[@]}" --rename fc.bias=head.bias --no-strict
expect_stderr_contains "warning: weights 'bare.safetensors': 'head.bias' unexpected, 'fc.bias' missing"
refused "--rename 'fc' has no '='; it is FROM=TO" "${predict[@]}" --rename fc

# The same in recipes; and a teacher of whom something is expected.
cat >recipe.yaml <<'YAML'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 5, samples: 60, test_samples: 40}
teacher:
  model: resnet8
  width: 0.25
  shortcut: identity
  weights: bare.safetensors
student: {model: mlp}
loss: [{kl: {}}]
train: {epochs: 1, batch: 20}
YAML
refused "the recipe expects 99.9, give or take 0.1. Likely causes: the order of the classes, " train recipe.yaml \
    --out run 'teacher.expect={top1: 99.9, tolerance: 0.1}'
expect_stderr_contains "the normalisation (mean ["
expect_stderr_contains "measured on the training images: the recipe has none"
expect_that "a run was begun" test ! -e run
refused "1 missing: 'fc.bias'; 1 unexpected: 'head.bias'" train recipe.yaml --out run \
    'teacher.rename={fc.bias: head.bias}'
expect_exit 0 "$retort" train recipe.yaml --out run 'teacher.rename={fc.bias: head.bias, "layer1.": "layer1."}' \
    teacher.strict=false 'teacher.expect={top1: 50, tolerance: 50}'
expect_stderr_contains "warning: weights 'bare.safetensors': 'head.bias' unexpected, 'fc.bias' missing"
expect_that "the resolved recipe says so" grep -q '^ *fc.bias: head.bias$' run/recipe.yaml
expect_that "the resolved recipe expects it" grep -q '^ *tolerance: 50$' run/recipe.yaml
expect_exit 0 "$retort" check run/recipe.yaml
expect_stdout_contains "teacher's weights 'bare.safetensors', which strict: false lets pass: 'head.bias' unexpected, 'fc.bias' missing"
expect_stdout_matches "^teacher: [0-9.]+ % top-1 on the [0-9]+ test images; the recipe expects 50, give or take 50\$"
expect_exit 2 "$retort" check recipe.yaml 'teacher.expect={top1: 99.9, tolerance: 0.1}'
expect_stderr_contains "the recipe expects 99.9, give or take 0.1. Likely causes: "
expect_stdout_lacks "is in order"
expect_exit 0 "$retort" train recipe.yaml --out dropped 'teacher.rename={fc.b: "", "": ""}' teacher.strict=false
expect_stderr_contains "'ias' unexpected, 'fc.bias' missing"
expect_exit 0 "$retort" check dropped/recipe.yaml
expect_exit 0 "$retort" train recipe.yaml --out started teacher.strict=true 'student={model: resnet8, width: 0.25,
    shortcut: identity, stem_bias: true, weights: bare.safetensors, strict: false, rename: {fc.: head.}}'
expect_stderr_contains "'fc.weight' missing, 'fc.bias' missing"

finish
