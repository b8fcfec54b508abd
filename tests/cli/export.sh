#!/bin/bash
# retort export: every format of made-up networks, held to the student; and what is refused.
retort=$(realpath "$1")
fixture=$(realpath "$2")
. "$(dirname "$0")/expect.sh"
cd "$scratch" || exit 99

images=(--data synthetic --split test --set 'shape=[3, 16, 16]' --set test_samples=13)

# The report names the file, and the logits are the student's: at most 1e-5 of the largest.
close() { # FORMAT
    expect_that "$1: logits far from the student's, or all 0" awk -v format="$1" '
        { n = split($0, part, "[{]") }
        END { for (i = 1; i <= n; ++i)
                  if (index(part[i], "\"format\": \"" format "\"")) {
                      match(part[i], /"largest_difference": [^,]*/); d = substr(part[i], RSTART + 22, RLENGTH - 22) + 0
                      match(part[i], /"largest_logit": [^,]*/); l = substr(part[i], RSTART + 17, RLENGTH - 17) + 0
                      exit !(l > 0.01 && d <= 1e-5 * l)
                  }
              exit 1 }' "$printed/stdout"
}

for model in resnet8 wrn_10_1 vgg8 mobilenetv2 convnet mlp; do
    "$fixture" weights $model.safetensors lively $model 16 16 3 10 || exit 99
    for options in "" "--fold --normalize"; do
        # shellcheck disable=SC2086
        expect_exit 0 "$retort" export --weights $model.safetensors "${images[@]}" --force $options \
            --safetensors out.safetensors --onnx out.onnx
        expect_stdout_contains '"format": "onnx", "file": "out.onnx", "bytes": '
        expect_stdout_contains '"images": 13, '
        expect_stderr_contains "top-1 is the same on 13"
        for format in safetensors onnx; do close $format; done
    done
    expect_that "the tensors are the same" cmp $model.safetensors out.safetensors
done

# Of a checkpoint's tensors only the network's are exported; files of a run are found by its folder.
mkdir run
cp resnet8.safetensors run/best.safetensors
cat >run/recipe.yaml <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 16, 16], classes: 10, test_samples: 40}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 1}
END
expect_exit 0 "$retort" export run --onnx run.onnx
expect_stdout_contains '"images": 32, '
expect_exit 0 "$retort" export run --onnx run.onnx --force --images 5
expect_stdout_contains '"images": 5, '

refused() { # WORDS ARGUMENT...
    local words=$1
    shift
    expect_exit 2 "$retort" export "$@"
    expect_stdout_empty
    expect_stderr_contains "$words"
}
refused "export it as what? --safetensors FILE" run
refused "cannot write 'run.onnx': it exists; --force replaces it" run --onnx run.onnx
refused "cannot write 'nowhere/a.onnx': its folder: No such file or directory" run --onnx nowhere/a.onnx
refused "--images '0': it must be an integer from 1 to" run --onnx new.onnx --images 0
refused "--onnx is given twice" run --onnx new.onnx --onnx newer.onnx
refused "--logits and --precision are not for export" run --onnx new.onnx --precision bf16
refused "unknown option '--fould'" run --onnx new.onnx --fould
expect_that "new.onnx was written" test ! -e new.onnx

# A file that does not compute what the student does is not left behind.
"$fixture" weights infinite.safetensors overflowing resnet8 16 16 3 10 || exit 99
expect_exit 1 "$retort" export --weights infinite.safetensors "${images[@]}" --onnx infinite.onnx
expect_stderr_contains "'infinite.onnx' gives logits that are not finite, or the student does"
expect_that "infinite.onnx is still there" test ! -e infinite.onnx

finish
