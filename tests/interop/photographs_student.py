"""A student of photographs leaves the house: trained for a few steps, exported as ONNX and C, and asked for the classes of
all validation photographs, which torchvision prepares. onnxruntime and the compiled header must give the accuracy that
`retort eval` gives, photograph by photograph the same class, and its logits.

    photographs_student.py RETORT FIXTURE infer_main.c C_COMPILER     with `photos` in the folder that RETORT_DATA names
"""
import glob
import os
import subprocess
import sys

from common import Bench, need

numpy, onnxruntime, torchvision, pillow = need("numpy", "onnxruntime", "torchvision", "PIL")
from PIL import Image
from torchvision.transforms import functional

photographs = os.path.join(os.environ.get("RETORT_DATA", ""), "photos")
if not os.path.isdir(os.path.join(photographs, "val")):
    print("skipped: there is no folder 'photos' in RETORT_DATA")
    sys.exit(77)
main, compiler = sys.argv[3], sys.argv[4].split()
SIDE, SHORT = 64, 72

RECIPE = f"""retort: 1
data:
  reader: image_folder
  root: {photographs}
  size: {SIDE}
  resize: {SHORT}
  augment: {{flip: true}}
student: {{model: %s}}
loss: [cross_entropy: {{}}]
train: {{epochs: 3, batch: 8, optimizer: {{sgd: {{lr: 0.02}}}}}}
"""


def prepared():
    """The photographs in Retort's order, as bytes [images, channels, height, width], and their labels."""
    pictures, labels = [], []
    for label, folder in enumerate(sorted(glob.glob(os.path.join(photographs, "val", "*")))):
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            picture = functional.resize(Image.open(path).convert("RGB"), SHORT, antialias=True)
            pictures.append(numpy.asarray(functional.center_crop(picture, SIDE)).transpose(2, 0, 1))
            labels.append(label)
    return numpy.stack(pictures), numpy.array(labels)


bench = Bench()
pictures, labels = prepared()
for model in ("resnet8", "mobilenet_v3_small"):
    run, recipe = bench.path(model), bench.path(model + ".yaml")
    with open(recipe, "w") as file:
        file.write(RECIPE % model)
    bench.run(bench.retort, "train", recipe, "--out", run)
    logits = bench.path(model + ".npy")
    measured = bench.measure("eval", run, "--logits", logits)
    expected = numpy.load(logits)
    assert len(expected) == measured["images"] == len(labels)

    def judge(what, found):
        bench.compare(f"{model} {what}", found, expected)
        top1 = 100 * (found.argmax(1) == labels).mean()
        same = (found.argmax(1) == expected.argmax(1)).sum()
        good = abs(top1 - measured["top1"]) < 1e-3 and same == len(labels)
        print(f"  top-1 {top1:.2f} %, by retort eval {measured['top1']:.2f} %; the same class for {same} of "
              f"{len(labels)}{'' if good else '   NOT THE SAME'}")
        bench.failures += not good

    bench.run(bench.retort, "export", run, "--normalize", "--onnx", run + "/student.onnx", "--c-header",
              run + "/student.h")
    session = onnxruntime.InferenceSession(run + "/student.onnx", providers=["CPUExecutionProvider"])
    judge("onnxruntime", session.run(["logits"], {"images": pictures.astype(numpy.float32) / 255})[0])

    # The program reads records of a label and bytes, and writes what it computes.
    records = numpy.concatenate([labels[:, None].astype(numpy.uint8), pictures.reshape(len(labels), -1)], axis=1)
    records.tofile(run + "/records.bin")
    subprocess.run([*compiler, "-std=c99", "-O2", "-I", run, main, "-o", run + "/infer", "-lm"], check=True)
    subprocess.run([run + "/infer", run + "/records.bin", logits, run + "/found.bin"], check=True)
    judge("compiled header", numpy.fromfile(run + "/found.bin", numpy.float32).reshape(expected.shape))

bench.finish()
