#!/usr/bin/env python3
"""The peer: one distillation step of the CIFAR residual networks in PyTorch, timed on the CPU.

    pytorch_step.py [--teacher resnet56] [--student resnet20] [--batch 64] [--steps 15]

Runs the step in both memory layouts with denormals flushed and prints the faster one as a JSON object: median milliseconds
of each phase and of the whole step, images per second, peak resident memory. Needs a Python with torch; nothing else here
does.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = {"": (16, 16, 32, 64), "x4": (32, 64, 128, 256)}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut, inplace=True)


class ResNet(nn.Module):
    def __init__(self, name, classes=100):
        super().__init__()
        depth, _, wide = name.removeprefix("resnet").partition("x")
        stem, *stages = WIDTHS["x" + wide if wide else ""]
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        blocks, inputs = [], stem
        for stage, width in enumerate(stages):
            for block in range((int(depth) - 2) // 6):
                blocks.append(Block(inputs, width, 2 if stage > 0 and block == 0 else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.fc(x.mean((2, 3)))


def time_steps(options, layout):
    torch.manual_seed(0)
    teacher, student = ResNet(options.teacher).eval(), ResNet(options.student).train()
    images, labels = torch.randn(options.batch, 3, 32, 32), torch.randint(0, 100, (options.batch,))
    teacher, student = teacher.to(memory_format=layout), student.to(memory_format=layout)
    images = images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(student.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    temperature, rows = 4.0, []
    for step in range(3 + options.steps):
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
        if step >= 3:
            rows.append([1e3 * (b - a) for a, b in zip(marks, marks[1:])] + [1e3 * (marks[-1] - marks[0])])
    names = ("teacher_ms", "forward_ms", "loss_ms", "backward_ms", "optimizer_ms", "step_ms")
    medians = {name: round(statistics.median(column), 2) for name, column in zip(names, zip(*rows))}
    return medians | {"images_per_s": round(1e3 * options.batch / medians["step_ms"], 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="resnet56")
    parser.add_argument("--student", default="resnet20")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    layouts = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
    results = [time_steps(options, layout) | {"layout": name} for name, layout in layouts.items()]
    best = min(results, key=lambda result: result["step_ms"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(best | {"peak_rss_mb": round(peak), "threads": torch.get_num_threads(), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
