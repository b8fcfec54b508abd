#!/usr/bin/env python3
"""Writes losses/*.inc: losses and gradients from PyTorch's float64 autograd, for tests/check/check_losses.c.

Run with Debian's python3-torch: python3 tests/golden/make_loss_golden.py [FAMILY ...]
Each file losses/FAMILY.py writes some losses down once more, from their definitions: functions of (student, teacher, labels,
**settings) named as in a recipe, and CASES, a list of (function, settings) or (function, settings, shapes). A function with
an attribute `teachers` gets that many in place of one; with an attribute `mixed`, labels are a tensor [N, C] of two classes'
shares, by mixed_labels(). Logits and labels come from a formula that the test repeats (pseudo() below), so only results are stored:
the loss, and the gradient's size and a few of its elements.
"""

import importlib
import pathlib
import sys

import torch

FOLDER = pathlib.Path(__file__).parent / "losses"
SAMPLES = 8  # stored elements of each gradient, spread evenly from the first to the last: GOLDEN_SAMPLES of loss_golden.h
SHAPES = [(1, 2), (5, 10), (3, 100)]


def pseudo(stream, index):
    """A number in [-8, 8) that float32 holds exactly."""
    word = (stream * 1000003 + index + 1) * 2654435761 & 0xFFFFFFFF
    word = (word ^ word >> 15) * 2246822519 & 0xFFFFFFFF
    return (word >> 12) / 2**16 - 8


def numbers(stream, samples, classes):
    values = [pseudo(stream, i) for i in range(samples * classes)]
    return torch.tensor(values, dtype=torch.float64).reshape(samples, classes)


def mixed_labels(samples, classes):
    """Of sample n the class 5 n has the share ((7 n + 3) % 32) / 64, its own label the rest."""
    target = torch.zeros(samples, classes, dtype=torch.float64)
    for n in range(samples):
        share = (7 * n + 3) % 32 / 64
        target[n, (7 * n + 1) % classes] += 1 - share
        target[n, 5 * n % classes] += share
    return target


def entry(loss, settings, samples, classes):
    student = numbers(1, samples, classes).requires_grad_()
    teacher = numbers(2, samples, classes)
    if hasattr(loss, "teachers"):
        teacher = torch.stack([teacher, numbers(4, samples, classes)][: loss.teachers])
    labels = torch.tensor([(7 * n + 1) % classes for n in range(samples)])
    if hasattr(loss, "mixed"):
        labels = mixed_labels(samples, classes)
    value = loss(student, teacher, labels, **settings)
    value.backward()
    gradient = student.grad.flatten()
    places = [i * (len(gradient) - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    words = ", ".join(f'"{key}={spell(setting)}"' for key, setting in settings.items()) or "NULL"
    elements = ", ".join(f"{gradient[place].item():.17g}" for place in places)
    return (f'    {{"{loss.__name__}", {{{words}}}, {len(settings)}, {samples}, {classes}, {value.item():.17g}, '
            f"{gradient.norm().item():.17g},\n     {{{elements}}}}},\n")


def spell(setting):
    """As `--set KEY=VALUE` has it."""
    return str(setting).lower() if isinstance(setting, bool) else str(setting)


def main():
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(FOLDER))
    for family in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.py")):
        text = "/* Written by tests/golden/make_loss_golden.py; do not edit. */\n/* clang-format off */\n"
        for loss, settings, *shapes in importlib.import_module(family).CASES:
            for samples, classes in shapes[0] if shapes else SHAPES:
                text += entry(loss, settings, samples, classes)
        (FOLDER / f"{family}.inc").write_text(text + "/* clang-format on */\n")


main()
