# What the scripts for `retort bench` measure, in the scratch folder of expect.sh: a student whose data are made up, and a
# teacher with its student.
printf 'student: {model: resnet8, width: 0.25}\nloss: [cross_entropy]\n' >"$scratch/least.yaml"
cat >"$scratch/pair.yaml" <<'END'
retort: 1
data: {reader: synthetic, shape: [3, 8, 8], classes: 4, samples: 70, test_samples: 8, augment: {crop: {pad: 1}}}
teacher: {model: resnet8, width: 0.5, train: {epochs: 1}}
student: {model: resnet20, width: 0.25, shortcut: identity}
loss: [cross_entropy: {weight: 0.1}, kl: {weight: 0.9}]
train: {epochs: 2, batch: 16}
threads: 1
END
