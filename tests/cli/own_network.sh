#!/bin/bash
# Networks of one's own, from check to export: all commands take them as they take a model of ours.
retort=$(realpath "$1")
inspect=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99
export OMP_WAIT_POLICY=passive

cat >own.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 96, test_samples: 30}
teacher:
  model:
    layers:
      - conv: {channels: 8, kernel: 3, padding: 1, name: stem}
      - gelu
      - global_avg_pool
      - linear: {features: 4}
  train: {epochs: 1, batch: 32}
student:
  model:
    layers:
      - conv: {channels: 6, kernel: 3, padding: 1, bias: false, name: stem}
      - batch_norm
      - relu
      - residual:
          name: block
          body:
            - conv: {channels: 6, kernel: 3, padding: 1, groups: 6}
            - conv: {channels: 6, kernel: 1}
      - concat: [block, stem]
      - dropout: {probability: 0.2}
      - max_pool: {kernel: 2}
      - flatten
      - linear: {features: 4}
loss: [cross_entropy: {weight: 0.5}, kl: {weight: 0.5}]
train: {epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.02, momentum: 0.9}}}
threads: 1
END

expect_exit 0 "$retort" check own.yaml
expect_stderr_empty
expect_stdout_contains "student: layers"
expect_stdout_matches "^  block.body.0 +convolution +8 x 8 x 6 +60 +3456\$"
expect_stdout_matches "^  block +add +8 x 8 x 6 +0 +0\$"
expect_stdout_matches "^  4 +concat +8 x 8 x 12 +0 +0\$"
expect_stdout_matches "^  8 +linear +1 x 1 x 4 +772 +768\$"

# The run, its resolved recipe, and a run that was killed come to the same bits.
expect_exit 0 "$retort" train own.yaml --out run
expect_exit 0 "$retort" train run/recipe.yaml --out again
expect_that "the resolved recipe trains the same student" cmp run/last.safetensors again/last.safetensors
expect_that "the resolved recipe is its own" cmp run/recipe.yaml again/recipe.yaml
expect_exit 0 "$retort" train own.yaml --out other student.model.layers.0.conv.channels=6
expect_that "an override of what is so anyway changes nothing" cmp run/last.safetensors other/last.safetensors
"$retort" train own.yaml --out cut train.epochs=300 >/dev/null 2>&1 &
started=$!
until [ -s cut/checkpoint.safetensors ] || ! kill -0 "$started" 2>/dev/null; do sleep 0.02; done
kill -KILL "$started" 2>/dev/null
wait "$started" 2>/dev/null
expect_exit 0 "$retort" train --resume cut
expect_exit 0 "$retort" train own.yaml --out whole train.epochs=300
expect_that "a killed run goes on to the same bits" cmp cut/last.safetensors whole/last.safetensors

expect_exit 0 "$retort" eval run
expect_stdout_contains '"images": 30'
expect_exit 0 "$retort" predict --weights run/best.safetensors --data synthetic: --set 'shape=[3, 8, 8]' --set classes=4 \
    --split test --logits logits.npy
expect_exit 0 "$retort" export run --onnx student.onnx --c-header student.h --safetensors student.safetensors
expect_exit 2 "$retort" export run --timm-dir folder
expect_stderr_contains "timm has no architecture that is our 'layers'"
expect_exit 0 "$retort" inspect run/best.safetensors
expect_stdout_matches '^  layers +4 classes, 3 channels +layers=\[\{"conv":\{"channels":6,'
expect_stdout_matches '^  block.body.1.weight +F32 +\[6, 6, 1, 1\]$'
expect_exit 0 "$retort" bench own.yaml --synthetic
expect_exit 0 "$retort" sweep own.yaml --vary student.model.layers.0.conv.kernel=1,3 student.model.layers.0.conv.padding=1 \
    --out swept
expect_exit 0 "$retort" train own.yaml --out taught loss='[cross_entropy, {fitnet: {student: block, teacher: stem}}]'

# A memo is of one network: an activation is not in its weights.
sed 's|^  train: {epochs: 1, batch: 32}|  weights: run/teacher/best.safetensors|' own.yaml >frozen.yaml
expect_exit 0 "$retort" train frozen.yaml --out kept teacher.memo=kept.memo
expect_exit 2 "$retort" train frozen.yaml --out never teacher.memo=kept.memo teacher.model.layers.1=silu
expect_stderr_contains "teacher model differs: 'layers "

expect_exit 0 "$retort" help model/layers
expect_stdout_contains "retort help layer/NAME"
expect_exit 0 "$retort" help layer/residual
expect_stdout_contains "body: a list of layers, required"

# Another network with the run's weights, and a network for other classes.
cp run/best.safetensors teacher.safetensors
cat >second.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 96, test_samples: 30}
teacher: {model: {layers: [flatten, linear: {features: 4}]}, weights: teacher.safetensors}
student: {model: {layers: [conv: {channels: 4, kernel: 9}, relu: {from: 7}, flatten, linear: {features: 5}]}}
loss: [cross_entropy, kl]
train: {epochs: 1}
threads: 1
END
expect_exit 2 "$retort" check second.yaml
expect_stderr_contains "the recipe's layers do not fit images of 8 x 8 x 3 and 4 classes"
expect_stderr_contains "second.yaml:4:56: conv '0': kernel 9 is larger than its map of 8 x 8 with padding 0"
expect_stderr_contains "second.yaml:4:73: there is no layer '7' before this one"
expect_stderr_contains "second.yaml:4:105: the last layer gives 5 numbers; the data has 4 classes"
expect_exit 2 "$retort" train second.yaml --out never
expect_stderr_contains "second.yaml:4:56: conv '0': kernel 9"
expect_that "nothing is written" test ! -e never
expect_exit 2 "$retort" check second.yaml student.model='{layers: [flatten, linear: {features: 4}]}'
expect_stderr_contains "weights 'teacher.safetensors' do not fit the network"

finish
