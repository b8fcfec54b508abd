#!/usr/bin/env python3
"""Writes tests/golden/pictures.inc, picture_files.inc and picture_regions.inc: small image files and their pixels, and what torchvision makes of a small image, for datasets/resample.c, color.c, warp.c and
the operations of RandAugment. Needs torch, torchvision and Pillow (made with torchvision 0.29, Pillow 13).

The image is the formula of picture() here and in tests/unit/test_pictures.c. Resizing is Pillow's, which torchvision
uses for images of Pillow's; the rest is torchvision's for tensors of bytes."""
import io
import pathlib

import numpy
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomErasing, RandomResizedCrop
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import RandAugment, _apply_op


def picture(height, width):
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                pixels[y, x, c] = (x * (7 + c) + y * (11 - 2 * c) + (x * y * (c + 1)) % 23 * 5 + 40 * c) % 256
    return pixels


cases = []


def add(name, pixels):
    cases.append((name, numpy.ascontiguousarray(pixels).astype(numpy.uint8)))


def resized(height, width, box, size, name):
    image = Image.fromarray(picture(height, width))
    add(name, numpy.array(F.resized_crop(image, *box, size, InterpolationMode.BILINEAR)))


resized(37, 53, (0, 0, 37, 53), (9, 7), "resize_down")
resized(11, 9, (0, 0, 11, 9), (14, 17), "resize_up")
resized(37, 53, (5, 8, 20, 31), (10, 10), "resize_box")
whole = F.center_crop(F.resize(Image.fromarray(picture(37, 53)), 16, InterpolationMode.BILINEAR), 13)
add("resize_center", numpy.array(whole))
whole = F.center_crop(F.resize(Image.fromarray(picture(53, 37)), 16, InterpolationMode.BILINEAR), 11)
add("resize_center_tall", numpy.array(whole))

image = torch.from_numpy(picture(11, 13)).permute(2, 0, 1).contiguous()


def changed(name, tensor):
    add(name, tensor.permute(1, 2, 0).numpy())


for factor in 0.4, 1.7:
    changed(f"brightness_{factor}", F.adjust_brightness(image, factor))
    changed(f"contrast_{factor}", F.adjust_contrast(image, factor))
    changed(f"saturation_{factor}", F.adjust_saturation(image, factor))
for turn in -0.3, 0.1:
    changed(f"hue_{turn}", F.adjust_hue(image, turn))

operations = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
              "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]
table = RandAugment()._augmentation_space(31, (11, 13))
assert list(table) == operations
# Of the histogram's, a channel whose bytes do not reach 0 and 255, and one with few of them.
narrow = (image // 3 + 60).to(torch.uint8)
large = torch.from_numpy(picture(40, 40)).permute(2, 0, 1).contiguous() // 4
for name in operations[1:]:
    values, signed = table[name]
    for step, sign in ((9, 1), (24, -1)):
        magnitude = float(values[step]) if values.ndim > 0 else 0.0
        magnitude *= sign if signed else 1
        source = narrow if name == "AutoContrast" else large if name == "Equalize" else image
        result = _apply_op(source, name, magnitude, InterpolationMode.NEAREST, None)
        changed(f"{name}_{step}", result[:, :8, :] if name == "Equalize" else result)

here = pathlib.Path(__file__).parent


def write_bytes(file, values):
    line = " (const uint8_t[]){"
    for value in values:
        if len(line) + 4 > 116:
            file.write(line + "\n")
            line = "  "
        line += f"{value},"
    file.write(line.rstrip(",") + "}")


def encode(pixels, mode, form, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, form, **options)
    return stream.getvalue()


# Files of each kind, and what Pillow decodes. Smooth, so that decoders differ by little where they fill in colours.
ramp = numpy.stack([numpy.add.outer(numpy.arange(13) * a, numpy.arange(17) * b) + c
                    for a, b, c in ((9, 5, 10), (3, 8, 40), (11, -4, 90))], axis=-1).astype(numpy.uint8)
files = [
    ("baseline", encode(ramp, "RGB", "JPEG", quality=90)),
    ("full_color", encode(ramp, "RGB", "JPEG", quality=95, subsampling=0)),
    ("progressive", encode(ramp, "RGB", "JPEG", quality=90, progressive=True)),
    ("gray", encode(ramp, "L", "JPEG", quality=90)),
    ("inks", encode(ramp, "CMYK", "JPEG", quality=95)),
    ("png", encode(ramp, "RGB", "PNG")),
    ("png_gray", encode(ramp, "L", "PNG")),
    ("png_palette", encode(ramp, "P", "PNG")),
    ("png_alpha", encode(ramp, "RGBA", "PNG")),
]
with open(here / "picture_files.inc", "w") as file:
    file.write("/* Made by make_picture_golden.py. */\n")
    for name, content in files:
        file.write(f'{{"{name}", {len(content)},\n')
        write_bytes(file, content)
        file.write(",\n")
        write_bytes(file, numpy.array(Image.open(io.BytesIO(content)).convert("RGB")).ravel())
        file.write("},\n")

path = here / "pictures.inc"
with open(path, "w") as file:
    file.write("/* Made by make_picture_golden.py. */\n")
    for name, pixels in cases:
        height, width, _ = pixels.shape
        file.write(f'{{"{name}", {height}, {width},\n')
        write_bytes(file, pixels.ravel())
        file.write("},\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")

# Where torchvision's random regions lie: of each measure so many borders, and the share of draws up to each of them.
BORDERS, DRAWS = 15, 400000


def measures(top, left, height, width, rows, columns):
    return {"area": height * width / (rows * columns), "shape": width / height,
            "top": (top + 0.5) / (rows - height + 1), "left": (left + 0.5) / (columns - width + 1)}


def regions(name, rows, columns, draw):
    torch.manual_seed(1)
    drawn = {}
    for _ in range(DRAWS):
        for measure, value in measures(*draw(), rows, columns).items():
            drawn.setdefault(measure, []).append(value)
    lines = ""
    for measure, values in drawn.items():
        values = numpy.array(values)
        borders = numpy.unique(numpy.quantile(values, numpy.arange(1, BORDERS + 1) / (BORDERS + 1), method="nearest") + 1e-9)
        below = [(values <= border).mean() for border in borders]
        lines += (f'{{"{name}", "{measure}", {len(borders)}, {{{", ".join(f"{b:.10g}" for b in borders)}}}, '
                  f'{{{", ".join(f"{b:.6g}" for b in below)}}}}},\n')
    return lines


def crop(scale, ratio):
    blank = torch.zeros(3, 300, 400)
    return lambda: RandomResizedCrop.get_params(blank, scale, ratio)


def erased(scale, ratio):
    blank = torch.zeros(3, 96, 128)
    return lambda: RandomErasing.get_params(blank, scale, ratio, [0.0])[:4]


with open(here / "picture_regions.inc", "w") as file:
    file.write("/* Made by make_picture_golden.py. */\n")
    file.write(regions("random_resized_crop", 300, 400, crop([0.08, 1.0], [3 / 4, 4 / 3])))
    file.write(regions("random_resized_crop scale=[0.2,0.5] ratio=[0.5,1]", 300, 400, crop([0.2, 0.5], [0.5, 1.0])))
    file.write(regions("random_erasing", 96, 128, erased([0.02, 0.33], [0.3, 3.3])))
