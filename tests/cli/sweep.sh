#!/bin/bash
# One recipe, many runs: each with the bits of a run by itself, in one process or after a kill; one table.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

cat >run.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 84, test_samples: 40, augment: {flip: true, mixup: {}}}
teacher: {model: mlp, hidden: 8, train: {epochs: 2, batch: 16}}
student: {model: convnet, hidden: 4}
loss: [cross_entropy]
train: {epochs: 3, batch: 8}
threads: 1
END
(cat run.yaml && echo 'sweep: {loss: [kl, [cross_entropy, similarity: {weight: 10}]], seed: [0, 1]}') >block.yaml

same() { # FOLDER FOLDER
    for file in last.safetensors best.safetensors; do
        expect_that "$1 and $2 have the same $file" cmp -s "$1/$file" "$2/$file"
    done
}
same_sweep() { # FOLDER
    for run in kl,seed=0 kl,seed=1 cross_entropy+similarity,seed=0 cross_entropy+similarity,seed=1; do
        same "whole/loss=$run" "$1/loss=$run"
    done
    expect_that "$1 has the same table" cmp -s <(cut -d, -f1-8 whole/summary.csv) <(cut -d, -f1-8 "$1/summary.csv")
}

expect_exit 0 "$retort" sweep block.yaml --out whole
expect_stderr_contains "loss=kl,seed=1 epoch  3/3"
expect_stderr_contains "4 runs; top-1 on the test set, spread over seeds; all is in whole"
expect_that "a row a loss" test "$(grep -cE '^(kl|cross_entropy\+similarity) +2 ' "$printed/stderr")" = 2
expect_that "a line a run" test "$(wc -l <whole/summary.csv)" = 5
expect_that "summary.json is JSON" "$inspect" json whole/summary.json

# Each run is what retort train makes of its recipe, and what it was told alone.
expect_exit 0 "$retort" train run.yaml 'loss=[cross_entropy, similarity: {weight: 10}]' seed=1 --out single
same "whole/loss=cross_entropy+similarity,seed=1" single
expect_exit 0 "$retort" train whole/loss=kl,seed=0/recipe.yaml --out again
same "whole/loss=kl,seed=0" again

# Groups are opened once, and wait for their turn; each computes as its own recipe says, which shows in the bits.
expect_exit 0 "$retort" sweep run.yaml --vary seed=0,1 student.weights=single/last.safetensors student.strict=false \
    'student.rename={conv1: gone}' --out once
expect_that "a warning a group" test "$(grep -c "'conv1.weight' missing" "$printed/stderr")" = 2
larger=('student={model: resnet8x4}' 'data.shape=[3, 16, 16]' train.epochs=1)
expect_exit 0 "$retort" sweep run.yaml "${larger[@]}" --vary convolution=direct,auto --out convolutions
for convolution in direct auto; do
    expect_exit 0 "$retort" train run.yaml "${larger[@]}" convolution=$convolution --out $convolution
    same "convolutions/convolution=$convolution" $convolution
done
expect_that "the two differ" test "$(cmp -s direct/last.safetensors auto/last.safetensors; echo $?)" = 1

# Two at a time, or one, make no difference; nor does the command line.
expect_exit 0 "$retort" sweep run.yaml --vary 'loss=kl,[cross_entropy, similarity: {weight: 10}]' --vary seed=0,1 \
    --together 1 --out sequence
same_sweep sequence

# Killed, and gone on with; a finished sweep only tells its table again.
"$retort" sweep block.yaml --out killed >"$scratch/killed.txt" 2>&1 &
process=$!
while kill -0 $process 2>"$scratch/gone" && [ ! -f "killed/loss=kl,seed=0/checkpoint.safetensors" ]; do sleep 0.01; done
kill -9 $process
wait $process 2>"$scratch/gone"
expect_exit 0 "$retort" sweep --resume killed
same_sweep killed
expect_exit 0 "$retort" sweep --resume killed
expect_stderr_lacks "epoch"
expect_stderr_contains "4 runs"

# Ctrl-C.
"$retort" sweep block.yaml train.epochs=400 --out stopped >"$printed/stdout" 2>"$printed/stderr" &
process=$!
while kill -0 $process 2>"$scratch/gone" && [ ! -f "stopped/loss=kl,seed=0/checkpoint.safetensors" ]; do sleep 0.01; done
kill -INT $process
wait $process
expect_that "exit code 130" test $? = 130
expect_stderr_contains "go on with: retort sweep --resume stopped"
expect_that "the other run has a checkpoint, too" test -f "stopped/loss=cross_entropy+similarity,seed=0/checkpoint.safetensors"

# A run that overflows is given up, the others go on.
expect_exit 1 "$retort" sweep run.yaml --vary train.optimizer.sgd.lr=0.01,1000 'loss=[mse_logits]' --out overflow
expect_stderr_contains "train.optimizer.sgd.lr=1000 failed: "
expect_stderr_contains "0, 1 failed"
expect_that "the other one has its result" test -f overflow/train.optimizer.sgd.lr=0.01/result.json
expect_that "this one has none" test ! -e overflow/train.optimizer.sgd.lr=1000/result.json

# Mistakes are told where they stand, all at once, and nothing is written.
expect_exit 2 "$retort" sweep run.yaml --out bad
expect_stderr_contains "run.yaml: nothing varies"
expect_exit 2 "$retort" sweep run.yaml --vary loss=kl,klo --vary sed=1,2 --out bad
expect_stderr_contains "--vary:1:9: unknown loss 'klo'; did you mean 'kl'?"
expect_stderr_contains "unknown key 'sed'; did you mean 'seed'?"
expect_exit 2 "$retort" sweep run.yaml --vary seed=[0 --vary '=1' --vary train.epochs= --out bad
expect_stderr_contains "--vary:1:"
expect_stderr_contains "--vary:2:1: '=1' must be KEY=VALUE,VALUE,..."
expect_exit 2 "$retort" sweep run.yaml --vary threads=1,2 --out bad
expect_stderr_contains "threads cannot vary within a sweep"
expect_exit 2 "$retort" sweep run.yaml baseline=true --vary seed=0,1 --out bad
expect_stderr_contains "a sweep has no baseline"
expect_exit 2 "$retort" sweep run.yaml --vary "seed=$(seq -s, 0 1000)" --out bad
expect_stderr_contains "more than 1000 runs"
expect_exit 2 "$retort" sweep run.yaml --vary student.model=mlp,convnet data.root=/nowhere data.reader=idx --out bad
expect_exit 2 "$retort" sweep run.yaml --vary seed=0,1 --together 0 --out bad
expect_exit 2 "$retort" sweep --resume run.yaml
expect_that "nothing was written" test ! -e bad
expect_exit 2 "$retort" train block.yaml --out bad
expect_stderr_contains "block.yaml:8:8: 'sweep' makes many runs of this recipe: retort sweep block.yaml"
sed 's/sweep: {loss: \[kl,/sweep: {loss: [klo,/' block.yaml >misspelt.yaml
expect_exit 2 "$retort" check misspelt.yaml
expect_stderr_contains "misspelt.yaml:8:16: unknown loss 'klo'; did you mean 'kl'?"
expect_exit 0 "$retort" check block.yaml
expect_stdout_contains "sweep: 4 runs"
echo '{"keys": ["seed"], "runs": [{"folder": "../whole", "values": ["0"]}]}' >stopped/sweep.json
expect_exit 2 "$retort" sweep --resume stopped
expect_stderr_contains "is not of a sweep"

finish
