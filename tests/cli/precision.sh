#!/bin/bash
# Precisions: refused where the CPU would have to emulate them, by the name of what is missing; on a CPU that has them,
# they compute what they say, go on with the same bits, and have memos of their own.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

cat >run.yaml <<'END_OF_RECIPE'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 4, samples: 420, test_samples: 100, augment: {flip: true}}
teacher: {model: resnet8, weights: teacher/last.safetensors, memo: off}
student: {model: resnet8, width: 0.5}
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 6, batch: 32}
threads: 1
END_OF_RECIPE
cat >teacher.yaml <<'END_OF_RECIPE'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 4, samples: 420, test_samples: 100}
student: {model: resnet8}
loss: [cross_entropy]
train: {epochs: 1}
threads: 1
END_OF_RECIPE

told() { # an extended regular expression that some line of stderr matches
    expect_that "stderr has $1" grep -qE -e "$1" "$printed/stderr"
}

# A CPU without bf16: every command says so before anything is written; auto is fp32, to the bit.
lesser() {
    ONEDNN_MAX_CPU_ISA=AVX512_CORE "$@"
}
expect_exit 0 lesser "$retort" train teacher.yaml --out teacher
refused() { # WHAT COMMAND...
    local what=$1
    shift
    expect_exit 2 lesser "$retort" "$@"
    expect_stderr_contains "$what is bf16, and this CPU has no instructions for it (AVX512-BF16 or AMX-BF16 beyond its "
    expect_stdout_empty
    expect_that "nothing is written" test ! -e runs
}
for command in train check bench; do
    refused train.precision $command run.yaml train.precision=bf16
    refused teacher.precision $command run.yaml teacher.precision=bf16
    refused teacher.train.precision $command run.yaml \
        teacher='{model: resnet8, train: {epochs: 1, precision: bf16}}'
done
what_int8="teacher.precision is int8, and this CPU has no instructions for it (AVX512-VNNI, AVX-VNNI or AMX-INT8 beyond"
for command in train check bench; do
    expect_exit 2 lesser "$retort" $command run.yaml teacher.precision=int8
    expect_stderr_contains "$what_int8"
    expect_that "nothing is written" test ! -e runs
done
expect_exit 2 lesser "$retort" eval teacher --precision int8
expect_exit 2 "$retort" train run.yaml train.precision=int8
expect_stderr_contains "'precision' in train is 'int8'; it must be one of fp32, bf16, auto"
refused --precision eval teacher --precision bf16
refused --precision bench --kernels run.yaml --precision bf16
expect_exit 2 "$retort" eval teacher --precision bf17
expect_stderr_contains "retort eval: --precision 'bf17'; it must be fp32, bf16, auto or int8; did you mean 'bf16'?"
expect_exit 2 "$retort" bench run.yaml --precision auto
expect_stderr_contains "--precision goes with --kernels; a recipe's are train.precision=auto and teacher.precision=auto"
expect_exit 0 lesser "$retort" train run.yaml --out fp32
expect_exit 0 lesser "$retort" train run.yaml train.precision=auto teacher.precision=auto --out auto_is_fp32
expect_stderr_lacks "precision:"
expect_that "auto has the bits of fp32" cmp -s fp32/last.safetensors auto_is_fp32/last.safetensors
expect_that "the result says fp32" bash -c '"$0" json auto_is_fp32/result.json | grep -qx "training.precision fp32"' \
    "$inspect"
expect_exit 0 lesser "$retort" check run.yaml train.precision=auto
expect_stdout_matches "^precision: training fp32, teacher fp32\$"

# A CPU that has int8: the first convolution stays fp32; the teacher says how often it agrees with itself.
if "$retort" eval teacher --precision int8 >has_int8 2>&1; then
    some="int8 in 8 of 9 convolutions"
    expect_exit 0 "$retort" check run.yaml teacher.precision=int8
    expect_stdout_matches "^precision: training fp32, teacher $some\$"
    expect_exit 0 "$retort" train run.yaml teacher.precision=int8 teacher.memo=./int8.memo --out int8
    told "precision: training fp32, teacher $some; its top-1 is fp32.s for [0-9.]+ % of 100 images\$"
    expect_that "it agrees mostly" bash -c '"$0" json int8/result.json |
        awk "\$1 == \"training.teacher_logits.agreement\" && \$2 >= 90 { good = 1 } END { exit !good }"' "$inspect"
    expect_exit 0 "$retort" train run.yaml teacher.precision=int8 --out int8_again
    expect_that "the same bits, with a memo and without" cmp -s int8/last.safetensors int8_again/last.safetensors
    expect_that "int8 is not fp32" bash -c '! cmp -s int8/last.safetensors fp32/last.safetensors'
    expect_exit 0 "$retort" memo verify int8.memo run.yaml teacher.precision=int8
    expect_exit 2 "$retort" train run.yaml teacher.memo=./int8.memo
    expect_stderr_contains "teacher precision differs: '$some' there, 'fp32' here"
else
    echo "int8 is not tried: $(cat has_int8)"
fi

# The rest is for a CPU that has bf16.
"$retort" eval teacher --precision bf16 >has_bf16 2>&1 || finish
all="bf16 in 9 of 9 convolutions"
bf16=(train.precision=bf16 teacher.precision=bf16)
expect_exit 0 "$retort" check run.yaml "${bf16[@]}"
expect_stdout_matches "^precision: training $all, teacher $all\$"
expect_exit 0 "$retort" bench run.yaml --steps 1 "${bf16[@]}"
expect_stdout_matches "^precision: student $all, teacher $all\$"
expect_exit 0 "$retort" bench run.yaml --steps 1 --json train.precision=auto
expect_that "bench --json has precisions" bash -c '"$0" json "$1" | grep -qxE \
    "precision.student (fp32|bf16 in [0-9] of 9 convolutions)"' "$inspect" "$printed/stdout"
expect_exit 0 "$retort" train run.yaml "${bf16[@]}" --out whole
told "^student  precision: training $all, teacher $all; its top-1 is fp32.s for [0-9.]+ % of 100 images\$"
expect_that "the result has both" test "$("$inspect" json whole/result.json | grep precision)" = \
    "$(printf 'training.precision %s\ntraining.teacher_logits.precision %s' "$all" "$all")"
expect_that "the log has both" bash -c '"$0" json-lines whole/log.jsonl | grep -qF "detail $1"' "$inspect" \
    "training $all, teacher $all; its top-1"
expect_that "bf16 is not fp32" bash -c '! cmp -s whole/last.safetensors fp32/last.safetensors'
expect_that "the weights stay fp32" grep -qa '"F32"' whole/last.safetensors

# Stopped and resumed, it ends with the same bits; on another CPU it does not go on.
"$retort" train run.yaml "${bf16[@]}" --out cut >gone 2>&1 &
process=$!
while kill -0 $process 2>gone && [ ! -f cut/checkpoint.safetensors ]; do
    sleep 0.01
done
kill -KILL $process 2>gone
wait $process 2>gone
refused train.precision train --resume cut
expect_exit 0 "$retort" train --resume cut
expect_that "the same bits" cmp -s cut/last.safetensors whole/last.safetensors
"$retort" train run.yaml train.precision=auto --out cut_auto >gone 2>&1 &
process=$!
while kill -0 $process 2>gone && [ ! -f cut_auto/checkpoint.safetensors ]; do
    sleep 0.01
done
kill -KILL $process 2>gone
wait $process 2>gone
if [ ! -f cut_auto/result.json ]; then
    expect_exit 2 lesser "$retort" train --resume cut_auto
    expect_stderr_contains "checkpoint"
    expect_exit 0 "$retort" train --resume cut_auto
fi

# Memos are of one precision.
expect_exit 0 "$retort" train run.yaml teacher.memo=./fp32.memo --out with_memo
expect_exit 2 "$retort" train run.yaml teacher.memo=./fp32.memo teacher.precision=bf16
expect_stderr_contains "is of other logits: teacher precision differs: 'fp32' there, '$all' here; so do: computed bits"
expect_exit 0 "$retort" train run.yaml teacher.memo=./bf16.memo "${bf16[@]}" --out with_bf16_memo
expect_that "the same bits as without" cmp -s with_bf16_memo/last.safetensors whole/last.safetensors
expect_exit 0 "$retort" memo verify bf16.memo run.yaml teacher.precision=bf16
expect_exit 2 "$retort" memo verify bf16.memo run.yaml

finish
