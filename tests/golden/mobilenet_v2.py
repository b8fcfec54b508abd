"""MobileNetV2 for small images, of half the width: ReLU throughout, and a 1x1 expansion in the first block, too."""

import torch.nn.functional as F
from torch import nn

import filling

GROUPS = ((16, 1, 1), (24, 2, 1), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))  # channels, blocks, stride


def convolution_and_norm(inputs, outputs, kernel, stride=1, groups=1):
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


def run_through(layers, x, rectify):
    for layer in layers:
        x = rectify(x) if isinstance(layer, nn.ReLU) else layer(x)
    return x


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        inside = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.conv = nn.ModuleList([*convolution_and_norm(inputs, inside, 1), nn.ReLU(),
                                   *convolution_and_norm(inside, inside, 3, stride, inside), nn.ReLU(),
                                   *convolution_and_norm(inside, outputs, 1)])

    def forward(self, x, rectify):
        y = run_through(self.conv, x, rectify)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    def __init__(self, width=0.5, expansion=6):
        super().__init__()
        inputs = int(width * 32)
        self.conv1 = nn.ModuleList([*convolution_and_norm(3, inputs, 3, 2), nn.ReLU()])
        self.blocks = nn.ModuleList()
        for group, (channels, blocks, stride) in enumerate(GROUPS):
            outputs, made = int(width * channels), nn.ModuleList()
            for block in range(blocks):
                made.append(InvertedResidual(inputs, outputs, expansion if group else 1, 1 if block else stride))
                inputs = outputs
            self.blocks.append(made)
        self.conv2 = nn.ModuleList([*convolution_and_norm(inputs, 1280, 1), nn.ReLU()])
        self.classifier = nn.ModuleList([nn.Linear(1280, filling.CLASSES)])

    def forward(self, x, rectify=F.relu):
        x = run_through(self.conv1, x, rectify)
        for group in self.blocks:
            for block in group:
                x = block(x, rectify)
        return self.classifier[0](run_through(self.conv2, x, rectify).mean((2, 3)))


MODELS = {"mobilenetv2": MobileNetV2()}
SIZES = {}
TRIAL = ("mobilenetv2 width=0.25 expansion=2", lambda: MobileNetV2(0.25, 2))
RUNS = (("train", 4), ("eval", 4))
STEPS = 3
LEARNING_RATE = 0.0001
ROLLS = 4
SAMPLES = 4
# Fifty norms, the last ones over sixteen pixels, make much of every rounding before them, and which tensor gets most of it is
# a matter of luck. Small steps keep float32 near float64.
POOLED = True
