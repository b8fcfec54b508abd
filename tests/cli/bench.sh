#!/bin/bash
# retort bench: one JSON object with every figure, a table for people, and no data where none is needed.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

printf 'student: {model: resnet8, width: 0.25}\nloss: [cross_entropy]\n' >least.yaml
cat >pair.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 70, test_samples: 8, augment: {crop: {pad: 1}}}
teacher: {model: resnet8, width: 0.5, train: {epochs: 1}}
student: {model: resnet20, width: 0.25, shortcut: identity}
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 2, batch: 16}
threads: 1
END
keys="data_ms teacher_ms forward_ms loss_ms backward_ms optimizer_ms step_ms images_per_s peak_rss_mb gflops"

is_number() { # PATH MORE_THAN
    awk -v path="$1" -v least="$2" '$1 == path && $2 ~ /^[0-9.e+-]+$/ && $2 > least { good = 1 } END { exit !good }' values
}
measured() { # ARGUMENTS...: stdout is one JSON object, and each figure makes sense
    expect_exit 0 "$retort" bench --json "$@"
    expect_stderr_empty
    expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
    for key in $keys; do
        case $key in
        data_ms | teacher_ms) expect_that "$key is a number" is_number $key -1 ;;
        *) expect_that "$key is a number above 0" is_number $key 0 ;;
        esac
    done
    expect_that "phases fit into the step" awk '
        $1 ~ /^(teacher|forward|loss|backward|optimizer)_ms$/ { sum += $2 } $1 == "step_ms" { step = $2 }
        END { exit !(sum < 1.5 * step) }' values
    expect_that "images/s is batch over step" awk '{ v[$1] = $2 } END {
        ratio = v["images_per_s"] * v["step_ms"] / (1000 * v["batch"]); exit !(ratio > 0.999 && ratio < 1.001) }' values
    expect_that "gflops is the work over the step" awk '{ v[$1] = $2 } END { exit !(v["gflops"] < 1e5) }' values
    expect_that "no reorders" grep -qx "reorders 0" values
    expect_that "no reference kernels" grep -qx "reference_kernels 0" values
    expect_that "isa" grep -qE "^isa [A-Za-z]" values
    expect_that "every layer with weights has three implementations" awk '
        { split($1, part, "."); at = part[1] "." part[2] }
        $1 ~ /[.]kind$/ { kind[at] = $2 } $1 ~ /[.]forward$/ { forward[at] = $2 }
        $1 ~ /[.]backward_weights$/ { weights[at] = $2 }
        END { for (at in kind) if (kind[at] == "convolution") { ++count
                  if (forward[at] ~ /^(|null|ref.*)$/ || (at ~ /^nodes/ && weights[at] ~ /^(|null|ref.*)$/)) exit 1 }
              exit !(count > 0) }' values
}

measured least.yaml --synthetic --threads 1 --steps 3 train.batch=8
expect_that "steps" grep -qx "steps 3" values
expect_that "threads" grep -qx "threads 1" values
expect_that "batch" grep -qx "batch 8" values
expect_that "no teacher" grep -qx "teacher null" values
expect_that "100 classes" grep -qx "student resnet8" values
expect_that "the first layer" grep -qx "nodes.0.node conv1" values

measured pair.yaml --steps 2
expect_that "steps" grep -qx "steps 2" values
expect_that "the teacher takes time" is_number teacher_ms 0.001
expect_that "the teacher's layers" grep -qx "teacher_nodes.0.node conv1" values
measured pair.yaml --steps 1 --threads 2 --synthetic train.batch=70
expect_that "threads of the option" grep -qx "threads 2" values
expect_that "nothing is written" test -z "$(find . -name runs -o -name '*.safetensors' -o -name '*.csv')"

# Neither data nor weights are touched.
sed 's/synthetic, .*}}/cifar, root: absent}/; s/train: {epochs: 1}}/weights: absent}/' pair.yaml >away.yaml
measured away.yaml --synthetic --steps 1
expect_exit 2 "$retort" bench away.yaml --steps 1
expect_stdout_empty
expect_stderr_contains "retort bench: "

# The table for people.
expect_exit 0 "$retort" bench pair.yaml --steps 2
expect_stderr_empty
for phase in "data (waiting)" teacher forward losses backward optimizer; do
    expect_stdout_matches "^${phase//[()]/.} +[0-9.]+ +[0-9.]+ %\$"
done
expect_stdout_matches "^step +[0-9.]+ +100.0 %\$"
expect_stdout_matches "^[0-9]+ images/s, [0-9]+ GFLOP/s, batch 16, 1 threads, .*, peak memory [0-9]+ MB\$"
expect_stdout_contains "0 reorders of activations in a step"
expect_stdout_contains ", 0 reference kernels"

# The losses alone.
expect_exit 0 "$retort" bench --losses --threads 1 --json
expect_stderr_empty
expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
expect_that "it begins with cross-entropy" grep -qx "0.loss cross_entropy" values
expect_that "at 16 samples" grep -qx "0.samples 16" values
expect_that "every figure is a time" awk '$1 ~ /[.]microseconds$/ { ++count; if (!($2 > 0)) exit 1 } END { exit count < 12 }' values
expect_exit 0 "$retort" bench --losses --threads 1
expect_stdout_matches "^kl +256 +1000 +[0-9.]+\$"

refused() { # MESSAGE ARGUMENTS...
    local message=$1
    shift
    expect_exit 2 "$retort" bench "$@"
    expect_stdout_empty
    expect_stderr_contains "$message"
}
refused "needs a recipe"
refused "needs a recipe" --json
refused "option '--cheese' is unknown" pair.yaml --cheese
refused "option '--steps' is unknown or lacks its value" pair.yaml --steps
for number in 0 -1 many 3.5 "" 100001 99999999999999999999; do
    refused "--steps '$number' must be a whole number from 1 to 100000" pair.yaml --steps "$number"
done
for number in 0 1025 two; do
    refused "--threads '$number' must be a whole number from 1 to 1024" pair.yaml --threads $number
done
refused "--losses takes no recipe, and 'pair.yaml' is one" pair.yaml --losses
refused "option '--steps' is unknown beside --losses" --losses --steps 3
refused "--threads 'two' must be a whole number from 1 to 1024" --losses --threads two
refused "absent.yaml" absent.yaml --json
refused "command line:1:" pair.yaml student.model=resnet19
refused "least.yaml:1:1: " least.yaml
refused "command line:1:6: " least.yaml --synthetic loss=

finish
