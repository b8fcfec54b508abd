#!/usr/bin/env python3
"""Writes loss_golden.h: losses and gradients from PyTorch's float64 autograd, for tests/check/check_losses.c.

Run with Debian's python3-torch: python3 tests/golden/make_loss_golden.py
Each loss is written down here once more, from its definition. Logits and labels come from a formula that the test
repeats (pseudo() below), so only results are stored: the loss, and the gradient's size and a few of its elements.
"""

import pathlib

import torch

SAMPLES = 8  # stored elements of each gradient, spread evenly from the first to the last
SHAPES = [(1, 2), (5, 10), (3, 100)]


def log_softmax(logits):
    return torch.log_softmax(logits, dim=1)


def cross_entropy(student, teacher, labels, label_smoothing=0.0):
    classes = student.shape[1]
    target = torch.nn.functional.one_hot(labels, classes).double() * (1 - label_smoothing) + label_smoothing / classes
    return -(target * log_softmax(student)).sum(1).mean()


def kl(student, teacher, labels, temperature=4.0, temperature_squared=True):
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    loss = (log_p.exp() * (log_p - log_q)).sum(1).mean()
    return loss * temperature**2 if temperature_squared else loss


CASES = [
    (cross_entropy, {}),
    (cross_entropy, {"label_smoothing": 0.1}),
    (cross_entropy, {"label_smoothing": 0.75}),
    (kl, {}),
    (kl, {"temperature": 1.0}),
    (kl, {"temperature": 2.5, "temperature_squared": False}),
]


def pseudo(stream, index):
    """A number in [-8, 8) that float32 holds exactly."""
    word = (stream * 1000003 + index + 1) * 2654435761 & 0xFFFFFFFF
    word = (word ^ word >> 15) * 2246822519 & 0xFFFFFFFF
    return (word >> 12) / 2**16 - 8


def numbers(stream, samples, classes):
    values = [pseudo(stream, i) for i in range(samples * classes)]
    return torch.tensor(values, dtype=torch.float64).reshape(samples, classes)


def entry(loss, settings, samples, classes):
    student = numbers(1, samples, classes).requires_grad_()
    teacher = numbers(2, samples, classes)
    labels = torch.tensor([(7 * n + 1) % classes for n in range(samples)])
    value = loss(student, teacher, labels, **settings)
    value.backward()
    gradient = student.grad.flatten()
    places = [i * (len(gradient) - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    words = ", ".join(f'"{key}={str(setting).lower()}"' for key, setting in settings.items()) or "NULL"
    elements = ", ".join(f"{gradient[place].item():.17g}" for place in places)
    return (f'    {{"{loss.__name__}", {{{words}}}, {len(settings)}, {samples}, {classes}, {value.item():.17g}, '
            f"{gradient.norm().item():.17g},\n     {{{elements}}}}},\n")


def main():
    text = "/* Written by tests/golden/make_loss_golden.py; do not edit. */\n"
    text += f"enum {{ GOLDEN_SAMPLES = {SAMPLES}, GOLDEN_SETTINGS = 4 }};\n"
    text += "/* clang-format off */\n"
    text += "static const struct golden {\n    const char *loss, *settings[GOLDEN_SETTINGS];\n    size_t setting_count;\n"
    text += "    size_t samples, classes;\n    double value, gradient_norm; /* Euclidean */\n"
    text += "    double gradient[GOLDEN_SAMPLES]; /* elements i (samples * classes - 1) / (GOLDEN_SAMPLES - 1) */\n"
    text += "} golden[] = {\n"
    for loss, settings in CASES:
        for samples, classes in SHAPES:
            text += entry(loss, settings, samples, classes)
    text += "};\n/* clang-format on */\n"
    (pathlib.Path(__file__).parent / "loss_golden.h").write_text(text)


main()
