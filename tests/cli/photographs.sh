# Sourced behind expect.sh: image files of two classes, which are sheets of made-up images, and the recipe that makes them.
#
#   make_photographs COUNT    photos/train/{a,b}/1.png to COUNT.png, no two alike, and made.yaml

make_photographs() {
    cat >made.yaml <<END
retort: 1
data: {reader: synthetic, classes: 3, samples: 40}
student: {model: resnet8}
loss: [cross_entropy: {}]
train: {epochs: 1}
END
    mkdir -p photos/train/a photos/train/b photos/val/a photos/val/b
    local i
    for i in $(seq "$1"); do
        "$retort" data preview made.yaml photos/train/a/$i.png seed=$i 2>"$scratch/log" || exit 1
        "$retort" data preview made.yaml photos/train/b/$i.png seed=${i}0 2>"$scratch/log" || exit 1
    done
}
