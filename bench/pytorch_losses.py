#!/usr/bin/env python3
"""The peer of `retort bench --losses`: value and gradient of losses in PyTorch's eager form, timed on the CPU.

    pytorch_losses.py

Prints a JSON array of {"loss", "samples", "classes", "microseconds", "threads"}, medians over turns of about a
millisecond each. Needs a Python with torch; nothing else here does.
"""
import json
import statistics
import time

import torch
from torch.nn import functional as F

SIZES = ((16, 10), (64, 100), (128, 100), (256, 100), (64, 1000), (256, 1000))
TEMPERATURE, TURNS = 4.0, 31


def cross_entropy(student, teacher, labels):
    return F.cross_entropy(student, labels)


def kl(student, teacher, labels):
    log_q, p = F.log_softmax(student / TEMPERATURE, 1), F.softmax(teacher / TEMPERATURE, 1)
    return TEMPERATURE * TEMPERATURE * F.kl_div(log_q, p, reduction="batchmean")


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
    times = 1 + int(1e3 / (run_often(loss, arrays, 10) + 0.1))
    return statistics.median(run_often(loss, arrays, times) for _ in range(TURNS))


def main():
    torch.set_flush_denormal(True)
    print(json.dumps([{"loss": loss.__name__, "samples": samples, "classes": classes,
                       "microseconds": round(measure(loss, samples, classes), 2), "threads": torch.get_num_threads()}
                      for loss in (cross_entropy, kl) for samples, classes in SIZES], indent=1))


if __name__ == "__main__":
    main()
