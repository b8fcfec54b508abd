#!/bin/bash
# retort bench: one JSON object with every figure, a table for people, and no data where none is needed.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
. "$(dirname "$0")/bench_recipes.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive
keys="data_ms teacher_ms pack_ms forward_ms loss_ms backward_ms optimizer_ms other_ms step_ms images_per_s
      mean_images_per_s peak_rss_mb gflops gflop_per_step peak_gflops share_of_peak loader_images_per_s start_ms
      first_step_ms denormals.values"

is_number() { # PATH MORE_THAN
    awk -v path="$1" -v least="$2" '$1 == path && $2 ~ /^[0-9.e+-]+$/ && $2 > least { good = 1 } END { exit !good }' values
}
measured() { # ARGUMENTS...: stdout is one JSON object, and each figure makes sense
    expect_exit 0 "$retort" bench --json "$@"
    expect_stderr_empty
    expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
    for key in $keys; do
        case $key in
        data_ms | teacher_ms | pack_ms | other_ms) expect_that "$key is a number" is_number $key -1 ;;
        *) expect_that "$key is a number above 0" is_number $key 0 ;;
        esac
    done
    expect_that "phases fit into the step" awk '
        $1 ~ /^(teacher|pack|forward|loss|backward|optimizer)_ms$/ { sum += $2 } $1 == "step_ms" { step = $2 }
        END { exit !(sum < 1.5 * step) }' values
    expect_that "images/s is batch over step" awk '{ v[$1] = $2 } END {
        ratio = v["images_per_s"] * v["step_ms"] / (1000 * v["batch"]); exit !(ratio > 0.999 && ratio < 1.001) }' values
    expect_that "gflops is the work over the step" awk '{ v[$1] = $2 } END {
        ratio = v["gflops"] * v["step_ms"] / (1000 * v["gflop_per_step"]); exit !(ratio > 0.999 && ratio < 1.001) }' values
    expect_that "the share of the peak is what it says" awk '{ v[$1] = $2 } END {
        ratio = v["share_of_peak"] * v["peak_gflops"] / v["gflops"]; exit !(ratio > 0.999 && ratio < 1.001) }' values
    expect_that "shares sum to 1 and are the phases' parts" awk '
        $1 ~ /^shares[.]/ { share[substr($1, 8)] = $2; sum += $2; ++count }
        $1 ~ /_ms$/ && $1 !~ /[.]/ && $1 !~ /^(step|start|first_step)_ms$/ { ms[substr($1, 1, length($1) - 3)] = $2; all += $2 }
        END {
            for (phase in ms) if (share[phase] - ms[phase] / all > 1e-4 || ms[phase] / all - share[phase] > 1e-4) exit 1
            exit !(count == 8 && sum > 0.9999 && sum < 1.0001)
        }' values
    expect_that "the peak's loop is named" grep -qxE "peak_isa (AVX-512|AVX2|portable)" values
    expect_that "no denormals where they are flushed" grep -qx "denormals.as_it_runs 0" values
    expect_that "denormals without flushing are counted" grep -qxE "denormals.unflushed [0-9]+" values
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
expect_that "no profile unless asked" bash -c '! grep -qE "^kinds|^(teacher_)?nodes.*_ms" values'
# ResNet-8 at width 0.25 on 32 x 32, batch 8: the first convolution has no gradient for the images, so forward and weights.
expect_that "operations of a step" awk '$1 == "gflop_per_step" { found = $2 } END {
    stem = 32 * 32 * 9 * 3 * 4; first = 2 * 32 * 32 * 9 * 4 * 4
    second = 16 * 16 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8); third = 8 * 8 * (9 * 8 * 16 + 9 * 16 * 16 + 8 * 16)
    expected = 2e-9 * 8 * (2 * stem + 3 * (first + second + third + 16 * 100))
    ratio = found / expected; exit !(ratio > 0.9999 && ratio < 1.0001) }' values

# What oneDNN's limit keeps kernels from is no peak of theirs.
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    ONEDNN_MAX_CPU_ISA=AVX2 measured least.yaml --synthetic --threads 1 --steps 1 train.batch=8
    expect_that "the peak is AVX2's" grep -qx "peak_isa AVX2" values
    expect_that "as the kernels are" grep -qx "isa AVX2" values
fi
ONEDNN_MAX_CPU_ISA=SSE41 measured least.yaml --synthetic --threads 1 --steps 1 train.batch=8
expect_that "the peak is the portable loop's" grep -qx "peak_isa portable" values

measured pair.yaml --steps 2
expect_that "steps" grep -qx "steps 2" values
expect_that "the teacher takes time" is_number teacher_ms 0.001
expect_that "the teacher's layers" grep -qx "teacher_nodes.0.node conv1" values
measured pair.yaml --steps 1 --threads 2 --synthetic train.batch=70
expect_that "threads of the option" grep -qx "threads 2" values

# The profile.
measured pair.yaml --steps 2 --by-kind
expect_that "kinds" awk '
    { split($1, part, ".") }
    $1 ~ /^kinds[.][0-9]+[.]name$/ { name = $2; for (i = 3; i <= NF; ++i) name = name " " $i; ++seen[name]; ++count }
    $1 ~ /^kinds[.].*[.]layers$/ { layers += $2 }
    $1 ~ /^(teacher_)?nodes[.][0-9]+[.]node$/ { ++nodes }
    $1 ~ /^(teacher_)?nodes[.].*[.]forward_ms$/ && $2 > 0 { ++timed }
    END { for (name in seen) if (seen[name] != 1) exit 1
          exit !(count > 4 && seen["convolution 3x3"] && seen["batch norm + relu"] && seen["linear"] &&
                 layers == nodes && timed == nodes) }' values
expect_that "only the student has a backward" awk '
    $1 ~ /^teacher_nodes[.].*[.]backward_ms$/ && $2 != 0 { exit bad = 1 }
    $1 ~ /^nodes[.].*[.]backward_ms$/ && $2 > 0 { ++count } END { exit bad || !(count > 40) }' values

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
expect_stdout_matches "^the loader makes [0-9]+ images/s on one core: [0-9.]+ % of a step\$"
expect_stdout_contains "0 reorders of activations in a step"
expect_stdout_contains ", 0 reference kernels"
expect_stdout_matches "^[0-9.e+-]+ GFLOP a step; multiply-adds alone reach [0-9]+ GFLOP/s here \\(.*, measured\\), the step [0-9]+ % of that\$"
expect_stdout_matches "^0 denormals among the [0-9.]+ million values of a step, [0-9]+ where they are not flushed to zero\$"
expect_stdout_matches "^first step begun [0-9]+ ms after the process, done [0-9]+ ms after it\$"
expect_that "printed shares sum to 100" awk '$NF == "%" && $1 != "step" && NF <= 5 { sum += $(NF - 1); ++count }
    END { exit !(count == 8 && sum > 99.5 && sum < 100.5) }' "$printed/stdout"

expect_exit 0 "$retort" bench pair.yaml --steps 2 --by-kind --by-node
expect_stderr_empty
expect_stdout_matches "^By kind of layer, mean of 2 more steps"
expect_stdout_matches "^convolution 3x3 +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ % +[0-9]+\$"
expect_stdout_matches "^all layers +[0-9]+ .* 100.0 % +[0-9]+\$"
expect_stdout_matches "^The 20 slowest of [0-9]+ passes of layers"
expect_stdout_matches "^student +layer[0-9.]+conv[12] +convolution 3x3 +[0-9x]+ > [0-9x]+ +(forward|backward) .* [0-9.]+ % +[0-9]+\$"

# Threads.
expect_exit 0 "$retort" bench --tune-threads pair.yaml --synthetic --steps 2 --json
expect_stderr_empty
expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
expect_that "1, 2, 4 ... all CPUs, and one of them recommended" awk -v cpus="$(nproc)" '
    $1 ~ /^tried[.][0-9]+[.]threads$/ { if (last && $2 != 2 * last && $2 != cpus) bad = 1; last = $2; tried[$2] = 1 }
    $1 ~ /^tried[.].*[.]step_ms$/ && !($2 > 0) { bad = 1 }
    $1 == "recommended" { recommended = $2 }
    END { exit bad || !tried[1] || last != cpus || !tried[recommended] }' values
expect_exit 0 "$retort" bench --tune-threads pair.yaml --steps 1
expect_stdout_matches "^ +1 +[0-9.]+ +[0-9]+ +1.00\$"
expect_stdout_matches "^recommended: .threads: [0-9]+. in the recipe"

# The losses alone.
expect_exit 0 "$retort" bench --losses --threads 1 --json
expect_stderr_empty
expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
expect_that "it begins with cross-entropy" grep -qx "0.loss cross_entropy" values
expect_that "at 16 samples" grep -qx "0.samples 16" values
expect_that "every figure is a time" awk '$1 ~ /[.]microseconds$/ { ++count; if (!($2 > 0)) exit 1 } END { exit count < 12 }' values
expect_that "features are read as well" grep -qE "[.]loss fitnet$" values
expect_exit 0 "$retort" bench --losses cross_entropy fitnet crd --threads 1 --json
expect_stderr_empty
expect_that "stdout is JSON" bash -c '"$0" json "$1" >values' "$inspect" "$printed/stdout"
expect_that "it begins with cross-entropy" grep -qx "0.loss cross_entropy" values
expect_that "at 16 samples of 10 classes" bash -c 'grep -qx "0.samples 16" values && grep -qx "0.width 10" values'
expect_that "features have channels" bash -c 'grep -qx "6.loss fitnet" values && grep -qx "6.width 16" values'
expect_that "every figure is a time" awk '
    $1 ~ /[.]microseconds$/ { ++count; if (!($2 > 0)) exit 1 } END { exit count != 16 }' values
expect_exit 0 "$retort" bench --losses kl --threads 1
expect_that "kl alone" test "$(grep -c "^kl " "$printed/stdout") $(wc -l <"$printed/stdout")" = "6 8"
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
for number in 0 65537 x; do
    refused "--batch '$number' must be a whole number from 1 to 65536" --kernels --batch $number
done
refused "--batch goes with --kernels; a recipe's batch is train.batch=8" pair.yaml --batch 8
refused "--kernels and --tune-threads are two measurements" --kernels --tune-threads pair.yaml
refused "--by-kind does not go with --kernels" --kernels --by-kind
refused "--by-node does not go with --tune-threads" --tune-threads pair.yaml --by-node
refused "takes no --threads" --tune-threads pair.yaml --threads 2
refused "needs a recipe" --tune-threads
refused "--losses takes names of losses, and 'pair.yaml' is none" pair.yaml --losses
refused "'hellingr' is none; did you mean 'hellinger'?" --losses kl hellingr
refused "option '--steps' is unknown beside --losses" --losses --steps 3
refused "--threads 'two' must be a whole number from 1 to 1024" --losses --threads two
refused "absent.yaml" absent.yaml --json
refused "command line:1:" pair.yaml student.model=resnet19
refused "least.yaml:1:1: " least.yaml
refused "command line:1:6: " least.yaml --synthetic loss=

finish
