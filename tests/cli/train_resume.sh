#!/bin/bash
# A run that was stopped or killed, anywhere, and goes on ends with the same bits as one that never was.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

# All that a checkpoint has to hold: momentum, average, running statistics, the place in the schedule; and a validation
# set, augmentation, and a last batch that is short.
cat >run.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 4, samples: 420, test_samples: 100, validation: 0.1,
       augment: {crop: {pad: 1}, flip: true, mixup: {alpha: 0.4}, cutmix: {probability: 0.5}}}
student: {model: resnet8, width: 0.25}
loss: [cross_entropy: {label_smoothing: 0.1}]
train:
  epochs: 16
  batch: 32
  ema: 0.9
  clip_norm: 5
  optimizer: {sgd: {lr: 0.05, nesterov: true}}
  schedule: {cosine: {warmup: 2}}
seed: 3
threads: 1
END
sed -e 's/width: 0.25/width: 0.25/; s/batch: 32/batch: 378/; s/epochs: 16/epochs: 60/' \
    -e 's/optimizer: .*/optimizer: adamw/' run.yaml >one_step.yaml
# Epochs take some milliseconds: there must be many for one of them to be cut off in.
cat >stages.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 12, 12], classes: 4, samples: 300, test_samples: 80, augment: {flip: true}}
teacher: {model: resnet8, width: 0.5, train: {epochs: 40, batch: 32, ema: 0.5}}
student: {model: convnet, hidden: 8, dropout: 0.2}
baseline: true
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 250, batch: 16, optimizer: adamw, schedule: cosine}
threads: 1
END

same() { # FOLDER FOLDER: the same training, to the last bit
    for file in last.safetensors best.safetensors; do
        expect_that "$1 and $2 have the same $file" cmp -s "$1/$file" "$2/$file"
    done
    expect_that "$1 and $2 have the same results" cmp -s <(sed 's/,[^,]*,[^,]*$//' "$1/results.csv") \
        <(sed 's/,[^,]*,[^,]*$//' "$2/results.csv")
    expect_that "$1/log.jsonl is JSON" bash -c '"$0" json-lines "$1" >"$2"' "$inspect" "$1/log.jsonl" "$scratch/log"
    expect_that "$1/result.json is JSON" bash -c '"$0" json "$1" >"$2"' "$inspect" "$1/result.json" "$scratch/result"
}
rows() { # FOLDER: how many epochs are done; -1 before the run has begun
    if [ -f "$1/results.csv" ]; then
        echo $(($(wc -l <"$1/results.csv") - 1))
    elif [ -f "$1/log.jsonl" ]; then
        echo 0
    else
        echo -1
    fi
}
logged() { # FOLDER: how many events it has
    if [ -f "$1/log.jsonl" ]; then wc -l <"$1/log.jsonl"; else echo 0; fi
}
# cut_off SIGNAL CODE FOLDER EPOCHS DELAY ARGUMENTS...: starts `retort train ARGUMENTS`, sends the signal DELAY seconds after
# it has begun in FOLDER and so many epochs are there, and expects the exit code.
cut_off() {
    local signal=$1 code=$2 folder=$3 epochs=$4 delay=$5 process got=0 before
    before=$(logged "$folder")
    shift 5
    command_line="retort train $* (signal $signal after $epochs epochs in $folder)"
    checks=$((checks + 1))
    # On a busy machine this script must get its turn before the training is over.
    nice -n 19 "$retort" train "$@" >"$printed/stdout" 2>"$printed/stderr" </dev/null &
    process=$!
    while kill -0 $process 2>"$scratch/gone" &&
        { [ "$(rows "$folder")" -lt "$epochs" ] || [ "$(logged "$folder")" -le "$before" ]; }; do
        sleep 0.01
    done
    sleep "$delay"
    kill -"$signal" $process 2>"$scratch/gone"
    wait $process 2>"$scratch/gone" || got=$?
    [ "$got" -eq "$code" ] || failed "exit code $got; expected $code"
    expect_that "it was not finished" test ! -e "$folder/result.json"
}

expect_exit 0 "$retort" train run.yaml --out whole

# Ctrl-C, before the first epoch is over and later; SIGTERM the same.
cut_off INT 130 stopped 0 0 run.yaml --out stopped
expect_stdout_empty
expect_stderr_contains "retort train: stopped in epoch "
expect_stderr_contains "go on with: retort train --resume stopped"
expect_that "a checkpoint" "$inspect" weights stopped/checkpoint.safetensors >"$scratch/size"
cut_off INT 130 stopped 2 0.02 --resume stopped
expect_stderr_contains "go on with: retort train --resume stopped"
cut_off TERM 130 stopped 4 0 --resume stopped
expect_exit 0 "$retort" train --resume stopped
expect_stderr_contains "student  epoch 16/16"
same stopped whole
expect_that "what happened" test "$("$inspect" json-lines stopped/log.jsonl | sed -n 's/^[0-9]*\.event //p' |
    grep -v -e epoch -e precision | tr '\n' ' ')" = "started interrupted resumed interrupted resumed interrupted resumed finished "

# A kill leaves no time for anything.
cut_off KILL 137 killed 0 0 run.yaml --out killed
for epochs in 1 3 6 8; do
    cut_off KILL 137 killed $epochs 0.0$((RANDOM % 10)) --resume killed
done
expect_exit 0 "$retort" train --resume killed
same killed whole

# The last step of an epoch is a place to stop as well.
expect_exit 0 "$retort" train one_step.yaml --out one_step
cut_off INT 130 one_step_stopped 3 0 one_step.yaml --out one_step_stopped
cut_off INT 130 one_step_stopped 8 0 --resume one_step_stopped
expect_exit 0 "$retort" train --resume one_step_stopped
same one_step_stopped one_step

# Every stage of a pipeline; those that are finished are passed over.
expect_exit 0 "$retort" train stages.yaml --out stages
cut_off KILL 137 cut/teacher 2 0.03 stages.yaml --out cut
cut_off INT 130 cut/teacher 4 0 --resume cut
cut_off KILL 137 cut/alone 2 0.02 --resume cut
expect_that "the teacher is finished" test -s cut/teacher/result.json
find cut/teacher -type f -exec cksum {} + | sort >teacher.before
cut_off INT 130 cut/alone 6 0 --resume cut
cut_off INT 130 cut 2 0.02 --resume cut
cut_off KILL 137 cut 5 0.01 --resume cut
expect_exit 0 "$retort" train --resume cut
expect_stderr_lacks "alone    epoch"
for role in "teacher" "student alone" "distilled student"; do
    expect_that "the table has the $role" grep -q "^$role  .* %\$" "$printed/stderr"
done
find cut/teacher -type f -exec cksum {} + | sort >teacher.after
expect_that "the teacher is as it was" cmp -s teacher.before teacher.after
for stage in /teacher /alone ""; do
    same cut$stage stages$stage
done

# A finished run prints its table again, and stays as it is.
find whole -type f -exec cksum {} + | sort >before
expect_exit 0 "$retort" train --resume whole
expect_stderr_contains "the run is in whole"
find whole -type f -exec cksum {} + | sort >after
expect_that "a finished run stays as it is" cmp -s before after
cp -r whole spoilt
printf '{"role": ' >spoilt/result.json
expect_exit 2 "$retort" train --resume spoilt
expect_stderr_contains "retort train: spoilt/result.json:1:"
echo '{"training": {"epochs": 16}}' >spoilt/result.json
expect_exit 2 "$retort" train --resume spoilt
expect_stderr_contains "'spoilt/result.json' is not a result of a training: "

# Checkpoints of another recipe, or damaged, are refused, and stay.
cut_off INT 130 odd 1 0 run.yaml --out odd
refused() { # MESSAGE
    cp -r odd odd.before
    expect_exit 2 "$retort" train --resume odd
    expect_stderr_contains "$1"
    rm -f odd/log.jsonl odd.before/log.jsonl
    expect_that "files as they were" diff -r odd odd.before
    rm -r odd.before
}
cp odd/recipe.yaml recipe.yaml
sed -i 's/epochs: 16/epochs: 17/' odd/recipe.yaml
refused "checkpoint 'odd/checkpoint.safetensors' belongs to another recipe"
cp recipe.yaml odd/recipe.yaml
cp odd/checkpoint.safetensors checkpoint
head -c 20000 checkpoint >odd/checkpoint.safetensors
refused "'odd/checkpoint.safetensors'"
{ head -c 20000 checkpoint; printf 'x'; tail -c +20002 checkpoint; } >odd/checkpoint.safetensors
refused "checkpoint 'odd/checkpoint.safetensors' is damaged"
cp checkpoint odd/checkpoint.safetensors
sed -i '1s/test_top1/test_top7/' odd/results.csv
refused "'odd/results.csv' has other columns than this run"
sed -i '1s/test_top7/test_top1/' odd/results.csv
expect_exit 0 "$retort" train --resume odd
same odd whole

finish
