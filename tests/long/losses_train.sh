#!/bin/bash
# Every loss trains 200 steps on CIFAR-100, with the weights of its recipe in recipes/cifar100: its own term falls, and all
# stays finite. One sweep, so that all students learn side by side from one ResNet-56, the one in RETORT_DATA.
retort=$(realpath "$1")
recipes=$(realpath "$2")
. "$(dirname "$0")/../cli/expect.sh"
[ -n "${RETORT_CIFAR100:-}" ] || skip "RETORT_CIFAR100 is not set"
teacher=$RETORT_DATA/weights/cifar100_resnet56.pth
[ -f "$teacher" ] || skip "there is no $teacher"
images=1600 # 25 steps of 64 in each of eight epochs: memories of samples are met again

mkdir "$scratch/data"
head -c $((images * 3074)) "$RETORT_CIFAR100/cifar-100-binary/train.bin" >"$scratch/data/train.bin"
head -c $((500 * 3074)) "$RETORT_CIFAR100/cifar-100-binary/test.bin" >"$scratch/data/test.bin"
cd "$scratch" || exit 99

# The recipe's loss, as an item of a list in a list. topology is next to nothing at a random start, where all features are
# alike, and grows with what cross-entropy makes of them: it shows that it falls alone.
terms() { # RECIPE
    case $1 in */topology/*) echo '    - - topology'; return ;; esac
    sed -n '/^loss:/,/^train:/p' "$1" | sed -e '1d;$d' -e 's/^  /      /' | sed '1s/^      - /    - - /'
}
head_of() { # TEACHER...: of a recipe; a list where there are several
    cat <<END
retort: 1
data: {reader: cifar, root: data, mean: [.5071, .4867, .4408], std: [.2675, .2565, .2761], augment: {crop: {pad: 4}, flip: true}}
teacher: $1
student: {model: resnet8}
loss: [cross_entropy]
train: {epochs: 8, batch: 64, clip_norm: 5, optimizer: {sgd: {lr: 0.05, weight_decay: 5.0e-4}}}
sweep:
  loss:
END
}
one="{model: resnet56, weights: $teacher}"
head_of "$one" >one.yaml
head_of "[$one, $one]" >two.yaml
losses=$(cd "$recipes/cifar100" && for folder in */; do test ! -f "$folder/resnet20_from_resnet56.yaml" || echo "${folder%/}"; done)
for loss in $losses; do
    case $loss in generalized_cauchy_schwarz) to=two ;; *) to=one ;; esac
    terms "$recipes/cifar100/$loss/resnet20_from_resnet56.yaml" >>$to.yaml
done

expect_exit 0 "$retort" sweep one.yaml --out one
expect_exit 0 "$retort" sweep two.yaml --out two

# The means of the loss's terms over the first epoch and the last: of the run whose last term it is.
fall() { # LOSS
    local folder last
    for folder in {one,two}/loss=*; do
        last=${folder##*[+=]}
        [ "$last" = "$1" ] || continue
        awk -F, -v loss="$1" '
            NR == 1 { for (i = 2; i <= NF; ++i) if ($i == loss || $i ~ "^" loss "_[0-9]+$") columns[i] }
            NR == 2 || NR == 9 { sum = 0; for (i in columns) sum += $i; printf "%s ", sum }' "$folder/results.csv"
    done
}
for loss in $losses; do
    read -r before after <<<"$(fall "$loss")"
    echo "$loss: ${before:-no run} -> ${after:-}"
    expect_that "$loss falls and is finite: ${before:-no run} -> ${after:-}" awk -v before="${before:-nan}" -v after="${after:-nan}" \
        'BEGIN { exit !(before ~ /^-?[0-9.e+-]+$/ && after ~ /^-?[0-9.e+-]+$/ && after + 0 < before + 0) }'
done

finish
