#!/bin/bash
# retort export: every format of made-up networks, held to the student; and what is refused.
retort=$(realpath "$1")
fixture=$(realpath "$2")
main=$(realpath "$3")
read -ra cc <<<"${4:-cc}"
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

# Small ones of each family: a header has a dozen letters for each weight.
declare -A settings=([resnet8]= [wrn_10_1]= [vgg8]=width=0.125 [mobilenetv2]=width=0.25 [convnet]= [mlp]=
    [mobilenet_v3_small]=width=0.25 [efficientnet_b0]=width=0.25 [vit_tiny]="depth=1 patch=4")
for model in "${!settings[@]}"; do
    # shellcheck disable=SC2086
    "$fixture" weights $model.safetensors lively "$model" 16 16 3 10 ${settings[$model]} || exit 99
    for options in "" "--fold --normalize"; do
        # shellcheck disable=SC2086
        expect_exit 0 "$retort" export --weights $model.safetensors "${images[@]}" --force $options \
            --safetensors out.safetensors --onnx out.onnx --c-header out.h
        expect_stdout_contains '"format": "onnx", "file": "out.onnx", "bytes": '
        expect_stdout_contains '"images": 13, '
        expect_stderr_contains "top-1 is the same on 13"
        for format in safetensors onnx c-header; do close $format; done
    done
    expect_that "the tensors are the same" cmp $model.safetensors out.safetensors
done

# A C compiler makes a program of the header and its one companion; what it computes from raw bytes are the logits that
# `retort predict` writes. The images are any bytes: those of the program itself.
for i in {0..6}; do
    printf "\\x0$i"
    tail -c +$((i * 3072 + 1)) "$retort" | head -c 3072
done >test_batch.bin
for model in resnet8 wrn_10_1 vgg8 mobilenetv2 mobilenet_v3_small efficientnet_b0 vit_tiny; do
    # shellcheck disable=SC2086
    "$fixture" weights $model.safetensors lively $model 32 32 3 10 ${settings[$model]} || exit 99
    mkdir $model
    expect_exit 0 "$retort" export --weights $model.safetensors --data cifar:. --split test --normalize --images 2 \
        --c-header $model/student.h
    expect_exit 0 "$retort" predict --weights $model.safetensors --data cifar:. --split test --logits $model/logits.npy
    expect_exit 0 "${cc[@]}" -std=c99 -pedantic -Wall -Wextra -Wconversion -Werror -O1 -I $model "$main" \
        -o $model/infer -lm
    expect_exit 0 $model/infer test_batch.bin $model/logits.npy
    expect_that "compiled logits are far from the student's: $(cat "$printed/stdout")" \
        awk '{ exit !($2 > 0.01 && $1 <= 1e-5 * $2) }' "$printed/stdout"
done
expect_exit 0 "$retort" export --weights vgg8.safetensors --data cifar:. --split test --images 2 --c-header vgg8/again.h
echo "/* changed */" >>vgg8/retort_infer.h
expect_exit 2 "$retort" export --weights vgg8.safetensors --data cifar:. --split test --images 2 --c-header vgg8/third.h
expect_stderr_contains "cannot write 'vgg8/retort_infer.h': it exists; --force replaces it"
expect_that "third.h was written" test ! -e vgg8/third.h

# Quantised: a quarter of the bytes, logits near those in fp32 but not theirs, and a header that compiles. Ranges are those
# of training images, of which cifar has five files.
for i in 1 2 3 4 5; do cp test_batch.bin data_batch_$i.bin; done
for model in resnet8 vit_tiny; do
    expect_exit 0 "$retort" export --weights $model.safetensors --data cifar:. --split test --normalize --int8 --force \
        --onnx $model/int8.onnx --c-header $model/student.h
    expect_stdout_contains '"int8": {"top1_fp32": '
    expect_stderr_contains "int8: ranges are those of 35 images of training"
    expect_stderr_contains "c-header: int8: top-1 is "
    expect_that "int8.onnx is large" awk -v whole="$(stat -c %s $model.safetensors)" \
        -v small="$(stat -c %s $model/int8.onnx)" 'BEGIN { exit !(small < 0.5 * whole) }'
    expect_exit 0 "${cc[@]}" -std=c99 -pedantic -Wall -Wextra -Wconversion -Werror -O1 -I $model "$main" \
        -o $model/infer -lm
    expect_exit 0 $model/infer test_batch.bin $model/logits.npy
    expect_that "int8 logits are too far from fp32, or the same: $(cat "$printed/stdout")" \
        awk '{ exit !($1 > 1e-5 * $2 && $1 <= 0.1 * $2) }' "$printed/stdout"
done
rm data_batch_3.bin
expect_exit 2 "$retort" export --weights resnet8.safetensors --data cifar:. --split test --int8 --onnx none.onnx
expect_stderr_contains "data_batch_3.bin"
expect_that "none.onnx was written" test ! -e none.onnx

# timm's folder; what timm makes of it is a test of the suite interop.
"$fixture" weights wide.safetensors lively mobilenet_v2 32 32 3 10 || exit 99
expect_exit 0 "$retort" export --weights wide.safetensors --data cifar:. --split test --timm-dir timm
close timm-dir
expect_that "config.json" grep -q '"architecture": "mobilenetv2_100"' timm/config.json
expect_that "model.safetensors" grep -aq '"blocks.1.0.conv_pwl.weight":' timm/model.safetensors
expect_exit 2 "$retort" export --weights wide.safetensors --data cifar:. --split test --timm-dir timm
expect_stderr_contains "cannot write 'timm': it exists; --force writes into it"

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
refused "'9.h' cannot name what is in a C header: it must begin with a letter" run --c-header 9.h
refused "cannot write 'retort_infer.h': that is the name of the file beside it" run --c-header retort_infer.h
refused "timm has no architecture that is our 'resnet8'; it has resnet18, resnet34" run --timm-dir folder
"$fixture" weights thin.safetensors described mobilenet_v2 32 32 3 10 width=0.5 || exit 99
refused "timm's 'mobilenetv2_100' has other layers: model 'mobilenet_v2' must have its usual options" \
    --weights thin.safetensors --data cifar:. --split test --timm-dir folder
expect_that "folder was made" test ! -e folder
refused "--images '0': it must be an integer from 1 to" run --onnx new.onnx --images 0
refused "--onnx is given twice" run --onnx new.onnx --onnx newer.onnx
refused "--logits and --precision are not for export" run --onnx new.onnx --precision auto
refused "--int8 is for --onnx and --c-header" run --safetensors new.safetensors --int8
refused "unknown option '--fould'" run --onnx new.onnx --fould
expect_that "new.onnx was written" test ! -e new.onnx

# A file that does not compute what the student does is not left behind.
"$fixture" weights infinite.safetensors overflowing resnet8 16 16 3 10 || exit 99
expect_exit 1 "$retort" export --weights infinite.safetensors "${images[@]}" --onnx infinite.onnx
expect_stderr_contains "'infinite.onnx' gives logits that are not finite, or the student does"
expect_that "infinite.onnx is still there" test ! -e infinite.onnx

finish
