#!/usr/bin/env python3
"""The peer of `retort bench --losses`: value and gradient of losses in PyTorch's eager form, timed on the CPU.

    pytorch_losses.py [LOSS ...]

The losses are those named that it has, or all: written down from their definitions in tests/golden, at the settings that are
Retort's defaults. Prints a JSON array of {"loss", "samples", "width", "microseconds", "threads"}, width being classes or, of
losses on features, channels; medians over turns of about a millisecond each, fewer where a run takes more than ten. Needs a
Python with torch; nothing else here does.
"""
import importlib
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional as F

LOGITS = ((16, 10), (64, 100), (128, 100), (256, 100), (64, 1000), (256, 1000))
FEATURES = ((16, 16), (64, 64), (64, 256), (256, 64), (256, 256))
MAPS = ("attention", "fitnet", "nst", "vid")  # of 8 x 8 pixels; other losses on features have one of each channel
TURNS = 31
GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"


def cross_entropy(student, teacher, labels):
    return F.cross_entropy(student, labels)


def kl(student, teacher, labels):
    log_q, p = F.log_softmax(student / 4, 1), F.softmax(teacher / 4, 1)
    return 16 * F.kl_div(log_q, p, reduction="batchmean")


def without(logits, labels):
    """Log-probabilities over the classes other than the label; the label's is that of a logit of -1000."""
    return F.log_softmax(logits - 1000 * F.one_hot(labels, logits.shape[1]), 1)


def dkd(student, teacher, labels):
    labels_of = labels[:, None]
    binary = []
    for logits in (student / 4, teacher / 4):
        sure = F.softmax(logits, 1).gather(1, labels_of)
        binary.append(torch.cat([sure, 1 - sure], 1))
    target = F.kl_div(binary[0].log(), binary[1], reduction="batchmean")
    others = F.kl_div(without(student / 4, labels), without(teacher / 4, labels).exp(), reduction="batchmean")
    return 16 * (target + 8 * others)


def nkd(student, teacher, labels):
    labels_of = labels[:, None]
    target = -(F.softmax(teacher, 1).gather(1, labels_of) * F.log_softmax(student, 1).gather(1, labels_of)).mean()
    others = -(without(teacher, labels).exp() * without(student, labels)).sum(1).mean()
    return target + 1.5 * others


class Batch:
    """What losses on features get beside them: indices, and arrays of their own in the order in which they ask."""

    def __init__(self, samples):
        self.training_samples = 4 * samples
        self.indices = torch.arange(samples)
        self.arrays = []
        self.next = 0

    def own(self, *shape, trained=True):
        if self.next == len(self.arrays):
            self.arrays.append((torch.rand(shape) / 16).requires_grad_(trained))
        self.next += 1
        return self.arrays[self.next - 1]


def draw(batch, negatives):
    return torch.randint(batch.training_samples, (len(batch.indices), negatives))


def definitions(folder):
    """The functions of tests/golden/FOLDER that have a case without settings, and those of the bench's own choice."""
    sys.path.insert(0, str(GOLDEN / folder))
    for family in sorted(path.stem for path in (GOLDEN / folder).glob("*.py")):
        module = importlib.import_module(family)
        if hasattr(module, "others"):
            module.others = draw  # the definition draws Retort's own numbers, one by one
        for loss, settings, *_ in module.CASES:
            if not settings or loss.__name__ == "crd":
                yield loss


def losses():
    """By name, with whether it reads features: four in the form of their users, without loops over samples; the others as the
    tests define them. topology is not among them: its definition goes from edge to edge in Python."""
    found = {loss.__name__: (loss, False) for loss in (cross_entropy, kl, dkd, nkd)}
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(GOLDEN))
    for loss in definitions("losses"):
        if not hasattr(loss, "teachers") and not hasattr(loss, "mixed"):
            found.setdefault(loss.__name__, (loss, False))
    for loss in definitions("features"):
        if loss.__name__ != "topology":
            found.setdefault(loss.__name__, (loss, True))
    return found


def logits_and_labels(samples, classes):
    student = (16 * torch.rand(samples, classes) - 8).requires_grad_()
    return student, 16 * torch.rand(samples, classes) - 8, torch.arange(samples) % 10


def features(loss, samples, channels):
    """Maps lie in memory as PyTorch's convolutions leave them."""
    student, teacher = (4 * torch.rand(samples, channels, *(8, 8) * (loss.__name__ in MAPS)) - 2 for _ in range(2))
    if loss.__name__ in MAPS:
        student, teacher = (maps.permute(0, 2, 3, 1) for maps in (student, teacher))
    return student.requires_grad_(), teacher, Batch(samples)


def run_often(loss, arrays, times):
    start = time.perf_counter()
    for _ in range(times):
        arrays[0].grad = None
        if isinstance(arrays[2], Batch):
            arrays[2].next = 0
        loss(*arrays).backward()
    return 1e6 * (time.perf_counter() - start) / times


def measure(loss, of_features, samples, width):
    torch.manual_seed(0)
    arrays = features(loss, samples, width) if of_features else logits_and_labels(samples, width)
    once = run_often(loss, arrays, 1)
    if once > 1e5:
        return run_often(loss, arrays, 1)
    once = run_often(loss, arrays, 3)
    turns = TURNS if once < 1e4 else 5
    return statistics.median(run_often(loss, arrays, 1 + int(1e3 / (once + 0.1))) for _ in range(turns))


def main():
    torch.set_flush_denormal(True)
    wanted = sys.argv[1:]
    print(json.dumps([{"loss": name, "samples": samples, "width": width,
                       "microseconds": round(measure(loss, of_features, samples, width), 2),
                       "threads": torch.get_num_threads()}
                      for name, (loss, of_features) in losses().items() if not wanted or name in wanted
                      for samples, width in (FEATURES if of_features else LOGITS)], indent=1))


if __name__ == "__main__":
    main()
