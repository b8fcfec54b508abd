#!/usr/bin/env python3
"""Writes assessment_golden.h: what numpy makes of made-up logits, straight from the definitions. Needs numpy alone."""
import os

import numpy

SAMPLES, CLASSES, BINS = 500, 7, 15


def words(name, count):
    """As in filling.py, which needs torch."""
    start = 2166136261
    for letter in name.encode():
        start = (start ^ letter) * 16777619 & 0xFFFFFFFF
    word = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B9) + numpy.uint32(start)
    word = (word ^ word >> numpy.uint32(16)) * numpy.uint32(0x85EBCA6B)
    word = (word ^ word >> numpy.uint32(13)) * numpy.uint32(0xC2B2AE35)
    return word ^ word >> numpy.uint32(16)


logits = 4 * ((words("logits", SAMPLES * CLASSES) >> numpy.uint32(8)).astype(numpy.float64) / 2**23 - 1)
logits = logits.astype(numpy.float32).astype(numpy.float64).reshape(SAMPLES, CLASSES)
labels = words("labels", SAMPLES) % CLASSES
labels[::2] = logits[::2].argmax(1)  # half of the samples are right for sure

probabilities = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
predictions, confidence = logits.argmax(1), probabilities.max(1)
right = predictions == labels
brier = ((probabilities - numpy.eye(CLASSES)[labels]) ** 2).sum(1).mean()
error = 0.0
for low, high in zip(numpy.arange(BINS) / BINS, (numpy.arange(BINS) + 1) / BINS):
    inside = (confidence > low) & (confidence <= high)
    if inside.any():
        error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
confusion = numpy.zeros((CLASSES, CLASSES), int)
numpy.add.at(confusion, (labels, predictions), 1)
nll = -numpy.log(probabilities[numpy.arange(SAMPLES), labels]).mean()

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "assessment_golden.h"), "w") as file:
    file.write("/* Written by make_assessment_golden.py; do not edit. */\n")
    file.write(f"enum {{ GOLDEN_SAMPLES = {SAMPLES}, GOLDEN_CLASSES = {CLASSES} }};\n")
    file.write(f"static const double golden_brier = {float(brier)!r}, golden_calibration_error = {float(error)!r};\n")
    file.write(f"static const double golden_cross_entropy = {float(nll)!r};\n")
    file.write("static const size_t golden_confusion[GOLDEN_CLASSES][GOLDEN_CLASSES] = {\n")
    for row in confusion:
        file.write("    {" + ", ".join(map(str, row)) + "},\n")
    file.write("};\n")
