"""A student of photographs leaves the house: trained for a few steps, exported as ONNX and C, and asked for the classes of
all validation photographs, which torchvision prepares. onnxruntime and the compiled header must give the accuracy that
`retort eval` gives, photograph by photograph the same class, and its logits; and so quantised to int8, as `retort export` says.

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
plain = onnxruntime.SessionOptions()
plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

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

    def judge(what, found, reference, top1, bound=1e-4):
        bench.compare(f"{model} {what}", found, reference, bound)
        right = 100 * (found.argmax(1) == labels).mean()
        same = (found.argmax(1) == reference.argmax(1)).sum()
        good = abs(right - top1) < 1e-3 and same == len(labels)
        print(f"  top-1 {right:.2f} %, by Retort {top1:.2f} %; the same class for {same} of {len(labels)}"
              f"{'' if good else '   NOT THE SAME'}")
        bench.failures += not good

    def by_onnxruntime():
        session = onnxruntime.InferenceSession(run + "/student.onnx", plain, providers=["CPUExecutionProvider"])
        return session.run(["logits"], {"images": pictures.astype(numpy.float32) / 255})[0]

    def by_compiled_header():
        # The program reads records of a label and bytes, and writes what it computes.
        records = numpy.concatenate([labels[:, None].astype(numpy.uint8), pictures.reshape(len(labels), -1)], axis=1)
        records.tofile(run + "/records.bin")
        subprocess.run([*compiler, "-std=c99", "-O2", "-I", run, main, "-o", run + "/infer", "-lm"], check=True)
        subprocess.run([run + "/infer", run + "/records.bin", logits, run + "/found.bin"], check=True,
                       stdout=subprocess.DEVNULL)
        return numpy.fromfile(run + "/found.bin", numpy.float32).reshape(expected.shape)

    export = ("export", run, "--normalize", "--onnx", run + "/student.onnx", "--c-header", run + "/student.h", "--force")
    bench.run(bench.retort, *export)
    judge("onnxruntime", by_onnxruntime(), expected, measured["top1"])
    judge("compiled header", by_compiled_header(), expected, measured["top1"])

    # Quantised, the two say the same as each other, but where sums in another order fall on the other side of half a step
    # and what follows is a step off: two of the 127 steps of the largest logit.
    told = bench.measure(*export, "--int8")[0]["int8"]
    assert abs(told["top1_fp32"] - measured["top1"]) < 1e-3, told
    quantised = by_compiled_header()
    judge("int8, onnxruntime", by_onnxruntime(), quantised, told["top1"], 2 / 127)
    print(f"  int8 against fp32: top-1 {told['top1_fp32']:.2f} % -> {told['top1']:.2f} %, logits differ by "
          f"{numpy.abs(quantised - expected).max():.3g}")

bench.finish()
