#!/bin/bash
# retort train: the run folder, the same bits for the same seed, and every refusal that leaves nothing behind.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

cat >small.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 96, test_samples: 40}
student: {model: resnet8, width: 0.25}
loss: [cross_entropy: {weight: 0.5}, cross_entropy: {label_smoothing: 0.1}]
train: {epochs: 3, batch: 32}
seed: 7
threads: 1
END
images=(--data synthetic --split test --set 'shape=[3, 8, 8]' --set classes=4 --set test_samples=40 --set samples=96)

is_json() { # KIND FILE
    "$inspect" "$@" >/dev/null
}
value() { # FILE PATH: of a JSON file
    "$inspect" json "$1" | sed -n "s/^$2 //p"
}
table() { # FOLDER: results.csv without the columns that are times
    sed 's/,[^,]*,[^,]*$//' "$1/results.csv"
}
same() { # FOLDER FOLDER: the same training, to the last bit
    expect_that "$1 and $2 have the same weights" cmp -s "$1/last.safetensors" "$2/last.safetensors"
    expect_that "$1 and $2 have the same best weights" cmp -s "$1/best.safetensors" "$2/best.safetensors"
    expect_that "$1 and $2 have the same results" cmp -s <(table "$1") <(table "$2")
}

# The run folder.
expect_exit 0 "$retort" train small.yaml --out run
expect_stdout_empty
expect_stderr_contains "student  epoch  3/3  loss "
expect_stderr_contains "seed 7; top-1 on the test set; the run is in run"
expect_that "no control characters" bash -c '! LC_ALL=C grep -q "[[:cntrl:]]" "$0"' "$printed/stderr"
expect_that "these files and no others" test "$(ls -A run | tr '\n' ' ')" = \
    "best.safetensors checkpoint.safetensors last.safetensors log.jsonl recipe.yaml result.json results.csv "
header=epoch,lr,loss,cross_entropy,cross_entropy_2,train_top1,train_top5
header=$header,test_top1,test_top5,test_cross_entropy,images_per_s,seconds
expect_that "the columns" test "$(head -n 1 run/results.csv)" = "$header"
expect_that "a row of as many numbers for each epoch" awk -F, '
    NR > 1 { good += NF == 12 && $1 == NR - 1 && $2 == 0.1; for (i = 1; i <= NF; ++i) good -= $i !~ /^[0-9.e+-]+$/ }
    END { exit !(NR == 4 && good == 3) }' run/results.csv
expect_that "the loss is the weighted sum of its terms" awk -F, '
    NR > 1 && ($3 - 0.5 * $4 - $5) ^ 2 > 1e-14 { exit 1 }' run/results.csv
expect_that "log.jsonl is JSON" is_json json-lines run/log.jsonl
events=$("$inspect" json-lines run/log.jsonl | sed -n 's/^[0-9]*\.event //p' | tr '\n' ' ')
expect_that "the events: $events" test "$events" = "started precision epoch epoch epoch finished "
expect_that "the terms in the log" grep -qF '"terms":[{"name":"cross_entropy","weight":0.5,"value":' run/log.jsonl
expect_that "result.json is JSON" is_json json run/result.json
for path in parameters macs file_bytes latency_ms top1 top5 training.best_epoch training.best_top1 training.last_top1 \
    training.last_cross_entropy training.train_images_per_s training.train_seconds machine.threads; do
    expect_that "$path is a number" awk -v v="$(value run/result.json $path)" 'BEGIN { exit v !~ /^[0-9.e+-]+$/ }'
done
for path in machine.cpu machine.isa versions.retort versions.engine; do
    expect_that "$path says something" test -n "$(value run/result.json $path)"
done
expect_that "seed" test "$(value run/result.json seed)" = 7
expect_that "recipe" test "$(value run/result.json recipe)" = small.yaml
expect_that "the last row is the result" test "$(awk -F, 'END { print $8 + 0 }' run/results.csv)" = \
    "$(value run/result.json top1)"

# The weights say all that is needed to measure them again, on the images of seed 0 at least.
expect_exit 0 "$retort" train small.yaml seed=0 --out zero
for kind in best last; do
    expect_exit 0 "$retort" eval --weights zero/$kind.safetensors "${images[@]}"
    expect_stdout_contains "{\"top1\": $(value zero/result.json training.${kind}_top1),"
done

# recipe.yaml is the whole recipe: it passes the check, and makes the same run.
expect_exit 0 "$retort" check run/recipe.yaml
expect_exit 0 "$retort" train run/recipe.yaml --out again
expect_that "a resolved recipe is its own" cmp run/recipe.yaml again/recipe.yaml
same run again

# The same seed, the same bits, whoever makes the batches; another seed, others.
augmented=(data.augment.flip=true data.augment.crop.pad=2)
expect_exit 0 "$retort" train small.yaml "${augmented[@]}" --out first
expect_exit 0 "$retort" train small.yaml "${augmented[@]}" data.workers=3 data.prefetch=1 --out second
expect_exit 0 "$retort" train small.yaml "${augmented[@]}" data.workers=0 seed=8 --out other
same first second
expect_that "augmentation changes something" bash -c '! cmp -s run/last.safetensors first/last.safetensors'
expect_that "another seed, other weights" bash -c '! cmp -s first/last.safetensors other/last.safetensors'

# Any number of threads gets the same batches. The weights stand still here, so that the loss of an epoch says which
# images were normalised together: epochs differ, threads do not.
still=(train.optimizer.sgd.lr=1e-12 train.optimizer.sgd.weight_decay=0 train.epochs=2)
for threads in 1 2; do
    expect_exit 0 env OMP_WAIT_POLICY=passive "$retort" train small.yaml "${augmented[@]}" "${still[@]}" \
        threads=$threads --out threads-$threads
done
expect_that "the same batches" awk -F, '
    FNR == 1 { next }
    FNR == NR { loss[FNR] = $3; next }
    { gap = loss[FNR] - $3; if (gap < 0) gap = -gap; if (gap > largest) largest = gap }
    END { change = loss[2] - loss[3]; if (change < 0) change = -change
          print "threads change the loss by " largest + 0 ", batches by " change
          exit !(largest < 2e-6 && change > 2e-4) }' threads-1/results.csv threads-2/results.csv

# Overrides are part of the recipe.
expect_that "overrides in recipe.yaml" grep -q '^seed: 8$' other/recipe.yaml
expect_that "two epochs" test "$(wc -l <threads-1/results.csv)" = 3

# Where nothing is said, the folder is runs/NAME, or the next that is free.
expect_exit 0 "$retort" train small.yaml train.epochs=1
expect_exit 0 "$retort" train ./small.yaml train.epochs=1
expect_stderr_contains "the run is in runs/small-2"
expect_that "runs/small and runs/small-2" test "$(ls runs | tr '\n' ' ')" = "small small-2 "
rm -r runs

# What is there is never written over.
mkdir full empty
echo precious >full/keep
expect_exit 2 "$retort" train small.yaml --out full
expect_stderr_contains "retort train: run folder 'full' is not empty; nothing is overwritten: choose another --out, or"
expect_that "untouched" test "$(ls -A full; cat full/keep)" = "$(printf 'keep\nprecious')"
expect_exit 2 "$retort" train small.yaml --out full/keep
expect_stderr_contains "run folder 'full/keep': Not a directory"
expect_exit 2 "$retort" train small.yaml --out full/keep/below
expect_exit 2 "$retort" train small.yaml --out ""
expect_stderr_contains "the run folder's name is empty"
expect_exit 0 "$retort" train small.yaml train.epochs=1 --out empty
expect_exit 0 "$retort" train small.yaml train.epochs=1 --out deep/down/here
expect_that "folders on the way" test -f deep/down/here/result.json

# What cannot begin leaves nothing behind.
refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" train "$@"
    expect_stdout_empty
    expect_stderr_contains "$message"
    expect_that "no folder" test ! -e runs -a ! -e refused
}
head -n 5 small.yaml | sed 's/epochs: 3/epochs: many, bacth: 2/' >broken.yaml
sed 's/cross_entropy: {weight: 0.5}/kl: {weight: 0.5}/' small.yaml >alone.yaml
refused "broken.yaml:5:17: " broken.yaml
expect_stderr_contains "broken.yaml:5:23: "
refused "alone.yaml:4:8: " alone.yaml --out refused
refused "absent.yaml" absent.yaml
refused "command line:1:" small.yaml train.epochs=0
refused "cannot find" small.yaml data='{reader: cifar, root: /nonexistent}' --out refused
refused "/nonexistent" small.yaml data='{reader: idx, root: /nonexistent}'
refused "cannot open 'absent.safetensors'" small.yaml student.weights=absent.safetensors
refused "cannot open 'absent.safetensors'" small.yaml teacher='{model: mlp, weights: absent.safetensors}'
refused "weights 'run/last.safetensors' do not fit the network" small.yaml student.weights=run/last.safetensors \
    student.width=0.5 --out refused
refused "tells 4 classes apart; the data has 5" small.yaml data.classes=5 --out refused \
    teacher='{model: resnet8, weights: run/last.safetensors}'
refused "in no known weights format" small.yaml teacher='{model: mlp, weights: small.yaml}'
refused "mean and std have 1 values; the images have 3 channels" small.yaml data.mean='[0.5]' data.std='[0.5]'
refused "option '--cheese' is unknown" small.yaml --cheese
refused "option '--out' is unknown or lacks its value" small.yaml --out
refused "needs a recipe"
refused "needs a recipe" --out refused
refused "--resume takes a run folder and nothing else" --resume run small.yaml
refused "cannot open 'refused/recipe.yaml'" --resume refused

finish
