#!/usr/bin/env python3
"""Writes mixing_golden.h: what torchvision's MixUp and CutMix make of a small batch, and the Beta distribution's
quantiles, for tests/unit/test_mixing.c and test_beta.c. Needs torch, torchvision and mpmath (made with torchvision 0.29, mpmath 1.3).

Images and labels are the formulas of batch() here and in test_mixing.c; shares and boxes are not drawn, but given."""
import pathlib

import mpmath
import torch
from torchvision.transforms import v2

IMAGES, HEIGHT, WIDTH, CHANNELS, CLASSES = 4, 5, 7, 3, 6


def batch():
    values = [(i * 37 + i // 9 * 11) % 256 / 64 - 2 for i in range(IMAGES * HEIGHT * WIDTH * CHANNELS)]
    images = torch.tensor(values).reshape(IMAGES, HEIGHT, WIDTH, CHANNELS).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor([(5 * n + 2) % CLASSES for n in range(IMAGES)])


class Given:
    """In the place of a distribution."""

    def __init__(self, value):
        self.value = value

    def sample(self, _):
        return self.value


def mixed(transform, kept):
    transform._dist = Given(kept)
    images, labels = transform(*batch())
    return images.permute(0, 2, 3, 1).flatten().tolist(), labels.flatten().tolist()


def cut_box(kept, x, y, height, width):
    """torchvision's own box, its centre given."""
    centers = iter((x, y))
    kept_randint, torch.randint = torch.randint, lambda *_, **__: torch.tensor([next(centers)])
    cutmix = v2.CutMix(num_classes=CLASSES)
    cutmix._dist = Given(kept)
    parameters = cutmix.make_params([torch.zeros(1, 3, height, width)])
    torch.randint = kept_randint
    return *parameters["box"], parameters["lam_adjusted"]


def numbers(name, values, file):
    file.write(f"static const double {name}[] = {{\n")
    for start in range(0, len(values), 8):
        file.write("    " + ", ".join(f"{value:.9g}" for value in values[start : start + 8]) + ",\n")
    file.write("};\n")


def quantile(p, a, b):
    """By bisection in the logarithm of x, or of 1 - x where that is the smaller."""
    def cdf(x):
        return mpmath.betainc(a, b, 0, x, regularized=True)
    low, high = mpmath.mpf(0), mpmath.mpf(1)
    for _ in range(400):
        middle = (low + high) / 2 if low > 0 else high / 2
        low, high = (middle, high) if cdf(middle) < p else (low, middle)
        if high - low < mpmath.mpf("1e-18") * high:
            break
    return high


BINS = 32
SHAPES = [(0.2, 0.2), (0.4, 0.4), (1, 1), (1.7, 1.7), (8, 8), (0.5, 3), (40, 2)]

with open(pathlib.Path(__file__).parent / "mixing_golden.h", "w") as file:
    file.write("/* Written by make_mixing_golden.py; do not edit. */\n/* clang-format off */\n")
    file.write("#ifndef GOLDEN_MIXING_GOLDEN_H\n#define GOLDEN_MIXING_GOLDEN_H\n\n#include <stddef.h>\n\n")
    file.write(f"enum {{ GOLDEN_IMAGES = {IMAGES}, GOLDEN_HEIGHT = {HEIGHT}, GOLDEN_WIDTH = {WIDTH}, "
               f"GOLDEN_CHANNELS = {CHANNELS}, GOLDEN_CLASSES = {CLASSES}, GOLDEN_BINS = {BINS} }};\n\n")
    for kept in 0.3, 0.8125:
        images, labels = mixed(v2.MixUp(num_classes=CLASSES), kept)
        numbers(f"mixup_images_{int(100 * kept)}", images, file)
        numbers(f"mixup_labels_{int(100 * kept)}", labels, file)
    kept_randint, torch.randint = torch.randint, lambda bound, **_: torch.tensor([bound // 3])
    images, labels = mixed(v2.CutMix(num_classes=CLASSES), 0.4)
    torch.randint = kept_randint
    numbers("cutmix_images", images, file)
    numbers("cutmix_labels", labels, file)
    file.write("\nstatic const struct box_golden {\n    double kept;\n    size_t x, y, height, width;\n"
               "    size_t left, top, right, bottom;\n    double own_share;\n} box_goldens[] = {\n")
    for height, width in (32, 32), (224, 224), (13, 40):
        for kept, x, y in (0.0, 0, 0), (0.1, width - 1, height // 2), (0.36, width // 2, 0), (0.75, 3, height - 1), \
                (0.999, width // 2, height // 2), (1.0, 5, 5):
            *box, own = cut_box(kept, x, y, height, width)
            file.write(f"    {{{kept}, {x}, {y}, {height}, {width}, {', '.join(map(str, box))}, {own!r}}},\n")
    file.write("};\n\n/* As likely as each other are the spaces between these. */\nstatic const struct beta_golden {\n"
               "    double a, b;\n    double quantiles[GOLDEN_BINS - 1];\n} beta_goldens[] = {\n")
    for a, b in SHAPES:
        values = [quantile(mpmath.mpf(i) / BINS, a, b) for i in range(1, BINS)]
        file.write(f"    {{{a}, {b}, {{" + ", ".join(mpmath.nstr(value, 16) for value in values) + "}},\n")
    file.write("};\n\n#endif\n/* clang-format on */\n")
