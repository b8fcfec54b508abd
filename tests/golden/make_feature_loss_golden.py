#!/usr/bin/env python3
"""Writes features/*.inc: losses on features and their gradients from PyTorch's float64 autograd, for
tests/check/check_feature_golden.c.

Run with Debian's python3-torch: python3 tests/golden/make_feature_loss_golden.py [FAMILY ...]
Each file features/FAMILY.py writes some losses down once more, from their definitions: functions of (student, teacher,
batch, **settings) named as in a recipe, and CASES, a list of (function, settings, shapes), the shapes a list of
(student's, teacher's). Everything that goes in comes from a formula that the test repeats; only results are stored.
"""

import importlib
import pathlib
import sys

import torch

FOLDER = pathlib.Path(__file__).parent / "features"
ELEMENTS = 8  # stored elements of each gradient, spread evenly from the first to the last
TRAINING_SAMPLES = 24
SEED, STEP = 7, 3


def pseudo(stream, index):
    """A number in [-8, 8) that float32 holds exactly."""
    word = (stream * 1000003 + index + 1) * 2654435761 & 0xFFFFFFFF
    word = (word ^ word >> 15) * 2246822519 & 0xFFFFFFFF
    return (word >> 12) / 2**16 - 8


def numbers(stream, shape, scale):
    count = torch.Size(shape).numel()
    values = [pseudo(stream, i) * scale for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


class Batch:
    """What a loss gets beside features, and the arrays of its own, which it asks for in their order."""

    def __init__(self, samples):
        self.labels = torch.tensor([n % 3 for n in range(samples)])
        self.indices = torch.tensor([(5 * n + 2) % TRAINING_SAMPLES for n in range(samples)])
        self.training_samples, self.seed, self.step = TRAINING_SAMPLES, SEED, STEP
        self.count, self.trained = 0, []

    def own(self, *shape, trained=True):
        values = numbers(100 + self.count, shape, 1 / 16)
        self.count += 1
        if trained:
            self.trained.append(values.requires_grad_())
        return values


def summary(gradient):
    gradient = gradient.flatten()
    places = [i * (len(gradient) - 1) // (ELEMENTS - 1) for i in range(ELEMENTS)]
    elements = ", ".join(f"{gradient[place].item():.17g}" for place in places)
    return f"{{{gradient.norm().item():.17g}, {{{elements}}}}}"


def spell(setting):
    """As `--set KEY=VALUE` has it."""
    return str(setting).lower() if isinstance(setting, bool) else str(setting)


def braces(items, empty):
    return "{" + (", ".join(items) or empty) + "}"


def entry(loss, settings, shapes):
    student, teacher = numbers(1, shapes[0], 1 / 4).requires_grad_(), numbers(2, shapes[1], 1 / 4)
    batch = Batch(shapes[0][0])
    value = loss(student, teacher, batch, **settings)
    value.backward()
    trained = [summary(own.grad if own.grad is not None else torch.zeros_like(own)) for own in batch.trained]
    words = [f'"{key}={spell(setting)}"' for key, setting in settings.items()]
    dims = [f"{{{len(shape)}, {braces(map(str, shape), '')}}}" for shape in shapes]
    return (f'    {{"{loss.__name__}", {braces(words, "NULL")}, {len(words)}, {dims[0]}, {dims[1]},\n'
            f"     {value.item():.17g}, {summary(student.grad)},\n"
            f"     {len(trained)}, {braces(trained, '{0, {0}}')}}},\n")


def main():
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(FOLDER))
    for family in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.py")):
        text = "/* Written by tests/golden/make_feature_loss_golden.py; do not edit. */\n/* clang-format off */\n"
        for loss, settings, shapes in importlib.import_module(family).CASES:
            text += "".join(entry(loss, settings, pair) for pair in shapes)
        (FOLDER / f"{family}.inc").write_text(text + "/* clang-format on */\n")


if __name__ == "__main__":
    main()
