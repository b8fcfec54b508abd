#!/usr/bin/env python3
"""The peer: one distillation step in PyTorch, timed on the CPU.

    pytorch_step.py [--teacher resnet56] [--student resnet20] [--batch 64] [--steps 15] [--threads N]

Runs the step in both memory layouts with denormals flushed and prints the faster one as a JSON object: median milliseconds
of each phase and of the whole step, images per second, peak resident memory, and from the start of the process, in channels
first: start_ms to the beginning of the very first step, first_step_ms to its end. Needs a Python with torch, and
pytorch_networks.py beside it.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import time

import torch
from torch.nn import functional as F

from pytorch_networks import NETWORKS

WARM_STEPS = 3


def process_age_ms():
    ticks = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return 1e3 * (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def time_steps(options, layout):
    torch.manual_seed(0)
    teacher, student = NETWORKS[options.teacher]().eval(), NETWORKS[options.student]().train()
    images, labels = torch.randn(options.batch, 3, 32, 32), torch.randint(0, 100, (options.batch,))
    teacher, student = teacher.to(memory_format=layout), student.to(memory_format=layout)
    images = images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(student.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    temperature, rows, first, start = 4.0, [], None, process_age_ms()
    for step in range(WARM_STEPS + options.steps):
        marks = [time.perf_counter()]
        with torch.no_grad():
            taught = teacher(images)
        marks.append(time.perf_counter())
        logits = student(images)
        marks.append(time.perf_counter())
        kl = F.kl_div(F.log_softmax(logits / temperature, 1), F.softmax(taught / temperature, 1), reduction="batchmean")
        loss = 0.1 * F.cross_entropy(logits, labels) + 0.9 * temperature ** 2 * kl
        marks.append(time.perf_counter())
        optimizer.zero_grad()
        loss.backward()
        marks.append(time.perf_counter())
        optimizer.step()
        marks.append(time.perf_counter())
        first = first or process_age_ms()
        if step >= WARM_STEPS:
            rows.append([1e3 * (b - a) for a, b in zip(marks, marks[1:])] + [1e3 * (marks[-1] - marks[0])])
    names = ("teacher_ms", "forward_ms", "loss_ms", "backward_ms", "optimizer_ms", "step_ms")
    medians = {name: round(statistics.median(column), 2) for name, column in zip(names, zip(*rows))}
    return medians | {"images_per_s": round(1e3 * options.batch / medians["step_ms"], 1), "start_ms": round(start),
                      "first_step_ms": round(first)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="resnet56", choices=NETWORKS, metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--student", default="resnet20", choices=NETWORKS, metavar="NETWORK")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    layouts = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
    results = [time_steps(options, layout) | {"layout": name} for name, layout in layouts.items()]
    best = min(results, key=lambda result: result["step_ms"]) | {
        key: results[0][key] for key in ("start_ms", "first_step_ms")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    about = {"teacher": options.teacher, "student": options.student, "batch": options.batch, "peak_rss_mb": round(peak),
             "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps(best | about))


if __name__ == "__main__":
    main()
