#!/usr/bin/env python3
"""The peer of `retort bench --losses`: value and gradient of losses in PyTorch's eager form, timed on the CPU.

    pytorch_losses.py [LOSS ...]

The losses are those named that it has, or all: written down from their definitions in tests/golden/losses, at the settings
that are Retort's defaults. Prints a JSON array of {"loss", "samples", "classes", "microseconds", "threads"}, medians over
turns of about a millisecond each, fewer where a run takes more than ten. Needs a Python with torch; nothing else here does.
"""
import importlib
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional as F

SIZES = ((16, 10), (64, 100), (128, 100), (256, 100), (64, 1000), (256, 1000))
TURNS = 31
GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "losses"


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


def losses():
    """Four in the form of their users, without loops over samples; the others as the tests define them."""
    found = {"cross_entropy": cross_entropy, "kl": kl, "dkd": dkd, "nkd": nkd}
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(GOLDEN))
    for family in sorted(path.stem for path in GOLDEN.glob("*.py")):
        for loss, settings, *_ in importlib.import_module(family).CASES:
            if not settings and not hasattr(loss, "teachers") and not hasattr(loss, "mixed"):
                found.setdefault(loss.__name__, loss)
    return found


def run_often(loss, arrays, times):
    start = time.perf_counter()
    for _ in range(times):
        arrays[0].grad = None
        loss(*arrays).backward()
    return 1e6 * (time.perf_counter() - start) / times


def measure(loss, samples, classes):
    torch.manual_seed(0)
    student = (16 * torch.rand(samples, classes) - 8).requires_grad_()
    arrays = student, 16 * torch.rand(samples, classes) - 8, torch.arange(samples) % 10
    once = run_often(loss, arrays, 1)
    if once > 1e5:
        return run_often(loss, arrays, 1)
    once = run_often(loss, arrays, 3)
    turns = TURNS if once < 1e4 else 5
    return statistics.median(run_often(loss, arrays, 1 + int(1e3 / (once + 0.1))) for _ in range(turns))


def main():
    torch.set_flush_denormal(True)
    wanted = sys.argv[1:]
    print(json.dumps([{"loss": name, "samples": samples, "classes": classes,
                       "microseconds": round(measure(loss, samples, classes), 2), "threads": torch.get_num_threads()}
                      for name, loss in losses().items() if not wanted or name in wanted
                      for samples, classes in SIZES], indent=1))


if __name__ == "__main__":
    main()
