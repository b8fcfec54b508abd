"""What is done to photographs, beside torchvision: resizing and crops as of Pillow's images, colours and RandAugment's
operations at every strength as of tensors of bytes. Prints the largest difference of each operation in levels of 256, and how
many bytes differ at all. On the photographs of RETORT_DATA where they are, on a made-up picture otherwise."""
import os
import pathlib
import subprocess
import sys

from common import need

torch, torchvision, numpy, PIL = need("torch", "torchvision", "numpy", "PIL")
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import RandAugment, _apply_op

program = os.path.abspath(sys.argv[3])
torch.set_num_threads(1)
STEPS = 31


def photographs():
    folder = pathlib.Path(os.environ.get("RETORT_DATA", "")) / "photos" / "val"
    files = [file for kind in ("ants", "bees") for file in sorted(folder.glob(f"{kind}/*.jpg"))[:2]]
    if files and os.environ.get("RETORT_DATA"):
        return [Image.open(file).convert("RGB") for file in files]
    y, x, c = numpy.meshgrid(numpy.arange(300), numpy.arange(400), numpy.arange(3), indexing="ij")
    waves = numpy.sin(x / 17 + c) + numpy.cos(y / 23 - c) + numpy.sin(x * y / 3000)
    return [Image.fromarray((127.5 + 42 * waves).astype(numpy.uint8))]


def ours(pixels, *words):
    height, width, _ = pixels.shape
    made = subprocess.run([program, str(height), str(width), *map(str, words)], input=pixels.tobytes(), check=True,
                          capture_output=True).stdout
    return numpy.frombuffer(made, numpy.uint8)


differences = {}


def compare(name, found, expected, undecided=False):
    """`undecided` marks bytes that may be one thing or another; they are counted, not compared."""
    apart = numpy.abs(found.astype(int) - numpy.asarray(expected).ravel().astype(int))
    apart = numpy.where(undecided, 0, apart)
    differences.setdefault(name, []).append((apart.max(), (apart > 0).mean(), numpy.mean(undecided)))


def half_way(side, name, magnitude):
    """Of an image of side x side x 3, which bytes are those of pixels that come from half-way between two others, to what
    float32 can tell: either may be taken."""
    y, x = numpy.meshgrid(numpy.arange(side) + 0.5, numpy.arange(side) + 0.5, indexing="ij")
    if name.startswith("Shear"):
        places = [x + magnitude * y - 0.5, y - 0.5] if name == "ShearX" else [x - 0.5, y + magnitude * x - 0.5]
    elif name == "Rotate":
        angle, x, y = numpy.radians(magnitude), x - side / 2, y - side / 2
        turned = [numpy.cos(angle) * x - numpy.sin(angle) * y, numpy.sin(angle) * x + numpy.cos(angle) * y]
        places = [place + side / 2 - 0.5 for place in turned]
    else:
        return False
    near = [numpy.abs(place - numpy.floor(place) - 0.5) < 1e-4 for place in places]
    return numpy.repeat((near[0] | near[1]).ravel(), 3)


def tensor(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()


def bytes_of(tensor):
    return tensor.permute(1, 2, 0).numpy()


for number, image in enumerate(photographs()):
    whole = numpy.array(image)
    for size, short in (224, 256), (64, 72), (96, 96):
        view = F.center_crop(F.resize(image, short, InterpolationMode.BILINEAR), size)
        compare("resize and centre crop", ours(whole, "view", size, short), view)
    torch.manual_seed(number)
    for _ in range(8):
        box = torchvision.transforms.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])
        # Across first, then down, rounding to bytes in between. Pillow 13 has the other order for some boxes.
        part = F.crop(image, *box)
        across = part.resize((224, part.height), Image.BILINEAR)
        compare("random resized crop's resizing", ours(whole, "crop", *box, 224), across.resize((224, 224), Image.BILINEAR))
        compare("the same in Pillow's own order", ours(whole, "crop", *box, 224),
                F.resized_crop(image, *box, [224, 224], InterpolationMode.BILINEAR))

    small = numpy.array(F.center_crop(F.resize(image, 96, InterpolationMode.BILINEAR), 96))
    for name, theirs in (("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast),
                         ("saturation", F.adjust_saturation), ("hue", F.adjust_hue)):
        for factor in (-0.5, -0.2, -0.05, 0.0, 0.1, 0.5) if name == "hue" else (0.0, 0.3, 0.6, 0.9, 1.0, 1.2, 1.9):
            compare("colour jitter's " + name, ours(small, name, factor), bytes_of(theirs(tensor(small), factor)))
    chain = small
    expected = tensor(small)
    for name, factor, theirs in (("contrast", 1.3, F.adjust_contrast), ("hue", 0.07, F.adjust_hue),
                                 ("brightness", 0.8, F.adjust_brightness), ("saturation", 1.4, F.adjust_saturation)):
        chain = ours(chain, name, factor).reshape(small.shape)
        expected = theirs(expected, factor)
    compare("colour jitter, all four in a row", chain.ravel(), bytes_of(expected))

    table = RandAugment()._augmentation_space(STEPS, small.shape[:2])
    for operation, (name, (values, signed)) in enumerate(table.items()):
        for step in range(STEPS if values.ndim > 0 else 1):
            for negative in (0, 1) if signed else (0,):
                magnitude = float(values[step]) if values.ndim > 0 else 0.0
                magnitude *= -1 if negative else 1
                theirs = _apply_op(tensor(small), name, magnitude, InterpolationMode.NEAREST, None)
                compare("RandAugment's " + name, ours(small, "policy", operation, step, negative), bytes_of(theirs),
                        half_way(96, name, magnitude))

# Hue goes through a division of floats and comes back; Pillow's own order of passes may be another.
BOUNDS = {"colour jitter's hue": 1, "the same in Pillow's own order": 1}
failures = 0
print(f"{'operation':36s} {'images':>6s} {'largest difference':>19s} {'bytes that differ':>18s} {'half-way':>9s}")
for name, results in differences.items():
    largest, share = max(result[0] for result in results), max(result[1] for result in results)
    undecided = sum(result[2] for result in results) / len(results)
    right = largest <= BOUNDS.get(name, 0) and undecided < 0.05
    failures += not right
    print(f"{name:36s} {len(results):6d} {largest:19d} {100 * share:16.3f} % {100 * undecided:7.2f} %"
          f"{'' if right else '   TOO FAR'}")
sys.exit(failures > 0)
