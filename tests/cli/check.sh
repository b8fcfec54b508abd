#!/bin/bash
# retort check: the shapes and the cost of a recipe, or everything that is wrong with it; nothing is written.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

cat >pair.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 200, test_samples: 30, limit: 100, validation: 0.2}
teacher: {model: resnet8, train: {epochs: 3}}
student: {model: mlp, hidden: 10}
baseline: true
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 2, batch: 16}
threads: 1
END

expect_exit 0 "$retort" check pair.yaml
expect_stderr_empty
expect_stdout_contains \
    "data: synthetic, 80 training images, 20 held out for validation, 30 test images; 8 x 8 x 3, 4 classes"
expect_stdout_matches "^normalisation \(measured\):( 0\.[0-9]{4}/0\.[0-9]{4}){3} \(mean/std\)\$"
expect_stdout_contains "teacher: resnet8"
# 3x3x3 to 16 channels on 8 x 8, then stages of 16, 32 and 64.
expect_stdout_matches "^  conv1 +convolution +8 x 8 x 16 +432 +27648\$"
expect_stdout_matches "^  bn1 +batch norm +8 x 8 x 16 +32 +0\$"
expect_stdout_matches "^  layer2.0.conv1 +convolution +4 x 4 x 32 +4608 +73728\$"
expect_stdout_matches "^  layer3.0.downsample.0 +convolution +2 x 2 x 64 +2048 +8192\$"
expect_stdout_matches "^  avgpool +global average pool +1 x 1 x 64 +0 +0\$"
expect_stdout_contains "student: mlp"
expect_stdout_matches "^  images +input +8 x 8 x 3 +0 +0\$"
expect_stdout_matches "^  flatten +flatten +1 x 1 x 192 +0 +0\$"
expect_stdout_matches "^  fc1 +linear +1 x 1 x 10 +1930 +1920\$"
expect_stdout_matches "^  fc +linear +1 x 1 x 4 +44 +40\$"
expect_stdout_matches "^  total +5 layers +1974 +1960\$"
expect_stdout_matches "^memory: [0-9.]+ MB activations and gradients, [0-9.]+ MB student .*; [0-9]+ MB in all so far\$"
expect_stdout_matches "^time: [0-9.]+ ms a step of 16 images \([0-9]+ images/s on 1 threads, .*; about [0-9:]+ in all"
expect_stdout_matches "^pair.yaml is in order\$"
expect_that "the total is the sum" awk '
    $1 == "total" { if ($(NF - 1) != parameters || $NF != macs) exit 1; ++totals }
    /^(teacher|student): / { parameters = macs = 0 } / x / { parameters += $(NF - 1); macs += $NF }
    END { exit totals != 2 }' "$printed/stdout"
expect_that "nothing is written" test "$(ls)" = "$(printf 'pair.yaml\n%s' "$(basename "$printed")")"

# Overrides count, and normalisation may be given.
expect_exit 0 "$retort" check pair.yaml student.hidden=20 data.mean='[0.5, 0.5, 0.5]' data.std='[0.25, 0.25, 0.25]'
expect_stdout_contains "normalisation (given): 0.5000/0.2500 0.5000/0.2500 0.5000/0.2500 (mean/std)"
expect_stdout_matches "^  fc1 +linear +1 x 1 x 20 +3860 +3840\$"

# The layers that losses read, and what is trained between them.
losses="[cross_entropy, fitnet: {student: layer2, teacher: layer2}, fitnet: {student: relu1, teacher: layer1}, fitnet]"
expect_exit 0 "$retort" check pair.yaml student='{model: convnet, hidden: 6}' "loss=$losses"
expect_stdout_matches \
    "^  loss.1.fitnet +layer2 +4 x 4 x 12 +layer2 +4 x 4 x 32 +1x1 convolution and batch norm +448 +0\$"
expect_stdout_matches \
    "^  loss.2.fitnet +relu1 +8 x 8 x 6 +layer1 +8 x 8 x 16 +1x1 convolution and batch norm +128 +0\$"
expect_stdout_matches \
    "^  loss.3.fitnet +layer2 +4 x 4 x 12 +layer3 +2 x 2 x 64 +1x1 convolution and batch norm, resize +896 +0\$"
expect_stdout_matches "^memo: none: loss 'fitnet' reads the teacher's features, which a memo does not hold\$"
expect_exit 0 "$retort" check pair.yaml teacher.model=convnet student.model=convnet "loss=[fitnet, kl]"
expect_stdout_matches "^  loss.0.fitnet +layer2 +4 x 4 x 20 +layer2 +4 x 4 x 64 +1x1"
expect_exit 0 "$retort" check pair.yaml teacher.model=convnet teacher.hidden=10 student.model=convnet "loss=[fitnet]"
expect_stdout_matches "^  loss.0.fitnet +layer2 +4 x 4 x 20 +layer2 +4 x 4 x 20 +none +0 +0\$"

# Several teachers: the layers and the memo of each.
expect_exit 0 "$retort" check pair.yaml "teacher=[{model: resnet8, train: {epochs: 1}}, {model: mlp, train: {epochs: 1}, memo: off}]" \
    student.model=convnet "loss=[kl, kl: {teacher: 1}, generalized_cauchy_schwarz, fitnet: {teacher: 1}]"
expect_stdout_contains "teacher: resnet8"
expect_stdout_contains "teacher: mlp"
expect_stdout_matches "^  loss.3.fitnet +layer2 .* 1[.]penultimate +1 x 1 x 32 "
expect_stdout_matches "^teacher 0, memo: a file below the cache folder"
expect_stdout_matches "^teacher 1, memo: none: the recipe says off\$"

# All mistakes at once, each with its place.
cat >wrong.yaml <<'END'
retort: 1
data: {reader: synthetic, clases: 4}
student: {model: resnet21}
loss: [kl: {temprature: 3}]
train: {epochs: 0, optimizer: {sgd: {lr: fast}}}
END
expect_exit 2 "$retort" check wrong.yaml seed=-1
expect_stdout_empty
for place in 2:27 3:18 4:8 4:13 5:17 5:42; do
    expect_stderr_contains "wrong.yaml:$place: "
done
expect_stderr_contains "command line:1:"
expect_stderr_contains "did you mean 'classes'?"

# What is not in the recipe's text: data and weights.
refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" check "$@"
    expect_stdout_lacks "is in order"
    expect_stderr_contains "$message"
}
refused "/nonexistent" pair.yaml data='{reader: cifar, root: /nonexistent}'
refused "cannot open 'absent.safetensors'" pair.yaml teacher='{model: mlp, weights: absent.safetensors}'
refused "cannot open 'absent.safetensors'" pair.yaml student.weights=absent.safetensors
refused "retort check: " pair.yaml data.mean='[0.5]' data.std='[0.5]'
refused "needs a recipe"
refused "option '--json' is unknown" --json
refused "absent.yaml" absent.yaml

finish
