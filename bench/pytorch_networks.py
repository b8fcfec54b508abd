"""The networks of the five pairs in PyTorch, for 3x32x32 images of 100 classes: layer by layer those of Retort's families.

Made to be timed, not to load weights: parameters are as many as Retort's, but go by other names.
"""
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 100


class Head(nn.Module):
    """Global average pooling and the last layer."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))


def normed(inputs, outputs, kernel, stride=1, groups=1, bias=False, rectify=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if rectify else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = normed(inputs, outputs, 3, stride)
        self.second = normed(outputs, outputs, 3, rectify=False)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = normed(inputs, outputs, 1, stride, rectify=False)

    def forward(self, x):
        return F.relu(self.second(self.first(x)) + self.shortcut(x), inplace=True)


class PreActivationBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.enter = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.branch = nn.Sequential(normed(inputs, outputs, 3, stride), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False))
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        entered = self.enter(x)
        return self.branch(entered) + (self.shortcut(entered) if self.shortcut else x)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        inside = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.branch = nn.Sequential(normed(inputs, inside, 1), normed(inside, inside, 3, stride, groups=inside),
                                    normed(inside, outputs, 1, rectify=False))

    def forward(self, x):
        y = self.branch(x)
        return x + y if self.adds else y


def three_stages(block, depth_of_a_stage, inputs, widths):
    for stage, width in enumerate(widths):
        for i in range(depth_of_a_stage):
            yield block(inputs, width, 2 if stage > 0 and i == 0 else 1)
            inputs = width


def resnet(depth, widths=(16, 16, 32, 64)):
    stem, *stages = widths
    return nn.Sequential(normed(3, stem, 3), *three_stages(BasicBlock, (depth - 2) // 6, stem, stages), Head(stages[-1]))


def wide_resnet(depth, widen):
    stages = [widen * channels for channels in (16, 32, 64)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False),
                         *three_stages(PreActivationBlock, (depth - 4) // 6, 16, stages),
                         nn.BatchNorm2d(stages[-1]), nn.ReLU(inplace=True), Head(stages[-1]))


def vgg(convolutions_a_stage):
    layers, inputs = [], 3
    for stage, width in enumerate((64, 128, 256, 512, 512)):
        for _ in range(convolutions_a_stage):
            layers.append(normed(inputs, width, 3, bias=True))
            inputs = width
        if stage < 3:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, Head(inputs))


def mobilenet_v2(width=0.5):
    inputs = int(32 * width)
    layers = [normed(3, inputs, 3, stride=2)]
    for group, (channels, blocks, stride) in enumerate(((16, 1, 1), (24, 2, 1), (32, 3, 2), (64, 4, 2), (96, 3, 1),
                                                        (160, 3, 2), (320, 1, 1))):
        for i in range(blocks):
            outputs = int(channels * width)
            layers.append(InvertedResidual(inputs, outputs, 6 if group else 1, stride if i == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, normed(inputs, 1280, 1), Head(1280))


NETWORKS = {
    **{f"resnet{depth}": lambda depth=depth: resnet(depth) for depth in (8, 14, 20, 32, 44, 56, 110)},
    **{f"resnet{depth}x4": lambda depth=depth: resnet(depth, (32, 64, 128, 256)) for depth in (8, 32)},
    **{f"wrn_{depth}_{widen}": lambda depth=depth, widen=widen: wide_resnet(depth, widen)
       for depth in (16, 40) for widen in (1, 2)},
    "vgg8": lambda: vgg(1),
    "vgg13": lambda: vgg(2),
    "mobilenetv2": mobilenet_v2,
}


def parameters(name):
    return sum(parameter.numel() for parameter in NETWORKS[name]().parameters())


if __name__ == "__main__":
    with torch.no_grad():
        for network in NETWORKS:
            print(network, parameters(network), tuple(NETWORKS[network]().eval()(torch.zeros(1, 3, 32, 32)).shape))
