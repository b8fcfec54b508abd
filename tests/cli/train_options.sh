#!/bin/bash
# retort train: every optimizer, schedule and option does what it says; teachers; a run that diverges.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

cat >small.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [1, 6, 6], classes: 3, samples: 80, test_samples: 30}
student: {model: convnet, hidden: 4}
loss: [cross_entropy]
train: {epochs: 4, batch: 32}
threads: 1
END

value() { # FOLDER PATH: of its result.json
    "$inspect" json "$1/result.json" | sed -n "s/^$2 //p"
}
column() { # FOLDER NAME: of its results.csv, on one line
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == name) at = i; next } { printf "%s ", $at }' \
        "$1/results.csv"
}
trained() { # FOLDER ARGUMENTS...
    local folder=$1
    shift
    expect_exit 0 "$retort" train small.yaml "$@" --out "$folder"
    expect_that "$folder: finite weights" is_finite "$folder/last.safetensors"
}
is_finite() {
    "$inspect" weights "$1" >/dev/null
}
differ() { # FOLDER FOLDER: other weights
    expect_that "$1 and $2 differ" bash -c '! cmp -s "$0/last.safetensors" "$1/last.safetensors"' "$1" "$2"
}
rates() { # FOLDER RATES: of the last step of each epoch
    expect_that "$1: rates $(column "$1" lr)" test "$(column "$1" lr)" = "$2 "
}

# Schedules: three steps an epoch, and the last of each epoch on record.
trained constant
rates constant "0.1 0.1 0.1 0.1"
trained warm train.schedule='{constant: {warmup: 2}}'
rates warm "0.034 0.0835 0.1 0.1"
trained cosine train.schedule=cosine
rates cosine "0.0933012702 0.0629409523 0.025 0.00170370869"
trained multi_step train.schedule='{multi_step: {milestones: [1, 3], gamma: 0.5}}'
rates multi_step "0.1 0.05 0.05 0.025"
differ constant multi_step

# Optimizers and what surrounds them: each option changes the weights.
trained nesterov train.optimizer='{sgd: {nesterov: true}}'
trained exempt train.optimizer='{sgd: {decay_norm_and_bias: false}}'
trained adamw train.optimizer=adamw train.schedule=cosine
rates adamw "0.000933012702 0.000629409523 0.00025 1.70370869e-05"
trained by_norm train.clip_norm=0.1
trained by_value train.clip_value=0.01
trained flipped data.augment.flip=true
trained dropped student.dropout=0.5
trained batch train.batch=1000
trained perceptron student.model=mlp
for folder in nesterov exempt adamw by_norm by_value flipped dropped batch; do
    differ constant $folder
done
trained both train.optimizer=adamw train.schedule=cosine train.ema=0.9 train.clip_norm=1 train.clip_value=0.1 \
    data.augment.crop.pad=1 data.validation=0.2 data.limit=60 data.workers=0

# The moving average is what is measured and saved; the checkpoint keeps both.
trained average train.ema=0.5
differ constant average
expect_that "training is the same" test "$(column average loss)" = "$(column constant loss)"
expect_that "its accuracy is another" test "$(column average test_cross_entropy)" != \
    "$(column constant test_cross_entropy)"
expect_exit 0 "$retort" eval --weights average/last.safetensors --data synthetic --split test --set 'shape=[1, 6, 6]' \
    --set classes=3 --set samples=80 --set test_samples=30
expect_stdout_contains "{\"top1\": $(value average top1 | cut -c 1-8)"

# A validation set picks the best epoch, and the limit is on what there is to train on.
expect_exit 0 "$retort" check small.yaml data.limit=40 data.validation=0.25
expect_stdout_contains "synthetic, 30 training images, 10 held out for validation, 30 test images; 6 x 6 x 1, 3 classes"
trained validation data.limit=40 data.validation=0.25
expect_that "columns of the validation" grep -q \
    ',train_top5,validation_top1,validation_top5,validation_cross_entropy,test_top1,' validation/results.csv
expect_that "picked on validation" test "$(value validation training.best_picked_on)" = validation
# Ten images are soon as good as they get, so that the test set would pick another epoch in most of these.
for seed in 0 1 2 3 4; do
    trained picked-$seed seed=$seed train.epochs=8 data.limit=40 data.validation=0.25
    expect_that "the test accuracy at the epoch that validation picked" awk -F, \
        -v epoch="$(value picked-$seed training.best_epoch)" -v top1="$(value picked-$seed training.best_top1)" '
        NR > 1 && $7 > best + 0 { best = $7; at = $1; test = $10 }
        END { exit !(at == epoch && test - top1 < 1e-3 && top1 - test < 1e-3) }' picked-$seed/results.csv
done

# A teacher from an earlier run, and another from a recipe of its own.
kl='[cross_entropy: {weight: 0.1}, kl: {weight: 0.9, temperature: 2}]'
trained distilled teacher='{model: convnet, hidden: 4, weights: constant/last.safetensors}' loss="$kl"
expect_stderr_contains "distilled student"
expect_that "columns of the terms" grep -q '^epoch,lr,loss,cross_entropy,kl,train_top1,' distilled/results.csv
expect_that "no stage of the teacher's" test ! -e distilled/teacher -a ! -e distilled/alone
expect_that "the teacher's own accuracy" grep -qE \
    "^teacher +convnet .* - +$(printf %.2f "$(value constant top1)") %\$" "$printed/stderr"
trained described teacher='{model: convnet, weights: constant/last.safetensors}' loss="$kl"
expect_that "options of the teacher from its file" cmp -s distilled/last.safetensors described/last.safetensors
trained staged teacher='{model: mlp, hidden: 16, train: {epochs: 2}, loss: [cross_entropy: {label_smoothing: 0.1}]}' \
    baseline=true loss="$kl"
for role in "teacher" "student alone" "distilled student"; do
    expect_stderr_contains "$role  "
done
for folder in staged/teacher staged/alone staged; do
    for file in best.safetensors last.safetensors results.csv log.jsonl result.json; do
        expect_that "$folder/$file" test -s "$folder/$file"
    done
done
expect_that "roles" test "$(value staged/teacher role),$(value staged/alone role),$(value staged role)" = \
    "teacher,student alone,distilled student"
expect_that "the teacher's epochs" test "$(value staged/teacher training.epochs)" = 2
expect_that "the student alone is the student alone" cmp -s staged/alone/last.safetensors constant/last.safetensors
differ staged constant
trained alike student='{model: mlp, hidden: 16}' loss='[cross_entropy: {label_smoothing: 0.1}]' train.epochs=2 \
    train.batch=128
expect_that "the teacher learns by its own loss" cmp -s staged/teacher/last.safetensors alike/last.safetensors

# Training may begin with weights; at a rate of nearly nothing it ends with them.
expect_exit 0 "$retort" train small.yaml student.weights=constant/last.safetensors train.optimizer.sgd.lr=1e-12 \
    train.optimizer.sgd.weight_decay=0 train.epochs=1 --out resumed
expect_that "the accuracy of those weights, nearly" awk -v a="$(value resumed top1)" -v b="$(value constant top1)" '
    BEGIN { exit !((a - b) ^ 2 < 400) }'

# Weight decay that makes weights grow: numbers overflow after some epochs. The error says which, where and when; what
# was written before is whole, and the weights in it are finite.
for model in mlp convnet; do
    expect_exit 1 "$retort" train small.yaml student.model=$model train.epochs=60 --out diverged-$model \
        train.optimizer='{sgd: {lr: 0.1, weight_decay: 150, momentum: 0}}'
    expect_stdout_empty
    step="\(step [0-9]+\)|(the gradient of )?'.*' is .* (in|after) step [0-9]+; .*"
    expect_that "the term or the parameter, and the step" grep -qE "^retort train: (loss 'cross_entropy': .*$step)\$" \
        "$printed/stderr"
    expect_that "some epochs were good" test "$(wc -l <diverged-$model/results.csv)" -gt 2
    for kind in best last checkpoint; do
        expect_that "$kind: finite weights" is_finite diverged-$model/$kind.safetensors
    done
    expect_that "no nan in results.csv" bash -c '! grep -qi nan "$0"' diverged-$model/results.csv
    expect_that "no result" test ! -e diverged-$model/result.json
    expect_that "the log says why" bash -c '"$0" json-lines "$1" | grep -qE "[.]event numeric\$"' "$inspect" \
        diverged-$model/log.jsonl
done
expect_exit 1 "$retort" train small.yaml train.optimizer.sgd.lr=1000 student.model=mlp train.epochs=200 --out huge
expect_stderr_contains "is inf; it must be finite (step "

# A disk that is full, here a limit on the size of files: what was written before stays whole, and nothing half-written
# lies about.
expect_exit 1 bash -c 'trap "" XFSZ; ulimit -f 4; exec "$0" "$@"' "$retort" train small.yaml --out limited
expect_stderr_contains "retort train: cannot write 'limited/checkpoint.safetensors': File too large"
expect_that "weights of the first epoch" is_finite limited/last.safetensors
expect_that "no leavings" test "$(ls limited | tr '\n' ' ')" = \
    "best.safetensors last.safetensors log.jsonl recipe.yaml results.csv "
expect_exit 0 "$retort" train --resume limited
expect_that "it can go on" cmp -s limited/last.safetensors constant/last.safetensors

finish
