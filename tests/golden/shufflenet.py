"""ShuffleNets for small images. The trial is of the first version, whose groups and shuffles the second has, too, in
torchvision's form (imagenet_shufflenet_v2.py)."""

import torch
import torch.nn.functional as F
from torch import nn

import filling

STEM = 24


def shuffled(x, groups):
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class Numbered(nn.Module):
    """Convolutions conv1, conv2, ... and their norms."""

    def __init__(self, *convolutions):
        super().__init__()
        for number, (inputs, outputs, kernel, stride, groups) in enumerate(convolutions, 1):
            setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))

    def layer(self, number, x):
        return getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))


class Grouped(Numbered):
    def __init__(self, inputs, outputs, stride, groups=3):
        added = outputs - inputs if stride == 2 else outputs
        first, inside = 1 if inputs == STEM else groups, added // 4
        super().__init__((inputs, inside, 1, 1, first), (inside, inside, 3, stride, inside), (inside, added, 1, 1, groups))
        self.stride, self.groups = stride, first

    def forward(self, x, rectify):
        y = shuffled(rectify(self.layer(1, x)), self.groups)
        y = self.layer(3, rectify(self.layer(2, y)))
        return rectify(torch.cat((y, F.avg_pool2d(x, 3, 2, 1)), 1) if self.stride == 2 else y + x)


class Down(Numbered):
    def __init__(self, inputs, outputs):
        half = outputs // 2
        super().__init__((inputs, inputs, 3, 2, inputs), (inputs, half, 1, 1, 1), (inputs, half, 1, 1, 1),
                         (half, half, 3, 2, half), (half, half, 1, 1, 1))

    def forward(self, x, rectify):
        left = rectify(self.layer(2, self.layer(1, x)))
        right = rectify(self.layer(5, self.layer(4, rectify(self.layer(3, x)))))
        return shuffled(torch.cat((left, right), 1), 2)


class Split(Numbered):
    def __init__(self, channels):
        half = channels // 2
        super().__init__((half, half, 1, 1, 1), (half, half, 3, 1, half), (half, half, 1, 1, 1))

    def forward(self, x, rectify):
        passed, y = x.chunk(2, 1)
        y = rectify(self.layer(3, self.layer(2, rectify(self.layer(1, y)))))
        return shuffled(torch.cat((passed, y), 1), 2)


class ShuffleNet(nn.Module):
    def __init__(self, version, width=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 1, bias=False), nn.BatchNorm2d(STEM)
        inputs = STEM
        for stage, (channels, blocks) in enumerate(zip(((240, 480, 960), (116, 232, 464))[version - 1], (4, 8, 4)), 1):
            outputs = int(channels * width)
            made = [Grouped(inputs, outputs, 2) if version == 1 else Down(inputs, outputs)]
            made += [Grouped(outputs, outputs, 1) if version == 1 else Split(outputs) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage}", nn.ModuleList(made))
            inputs = outputs
        if version == 2:
            self.conv2, self.bn2 = nn.Conv2d(inputs, 1024, 1, bias=False), nn.BatchNorm2d(1024)
            inputs = 1024
        self.fc = nn.Linear(inputs, filling.CLASSES)

    def forward(self, x, rectify=F.relu):
        x = rectify(self.bn1(self.conv1(x)))
        for block in (*self.layer1, *self.layer2, *self.layer3):
            x = block(x, rectify)
        if hasattr(self, "conv2"):
            x = rectify(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


MODELS = {"shufflenetv1": ShuffleNet(1), "shufflenetv2": ShuffleNet(2)}
SIZES = {}
TRIAL = ("shufflenetv1 width=0.25", lambda: ShuffleNet(1, 0.25))
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
