"""The CIFAR ResNets as torchvision would write them."""

import torch.nn.functional as F
from torch import nn

import filling


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x, rectify):
        y = rectify(self.bn1(self.conv1(x)))
        return rectify(self.bn2(self.conv2(y)) + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, depth, widths=(16, 16, 32, 64)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for stage in (1, 2, 3):
            blocks = [BasicBlock(widths[stage - 1] if block == 0 else widths[stage], widths[stage],
                                 2 if stage > 1 and block == 0 else 1) for block in range((depth - 2) // 6)]
            setattr(self, f"layer{stage}", nn.ModuleList(blocks))
        self.fc = nn.Linear(widths[3], filling.CLASSES)

    def forward(self, x, rectify=F.relu):
        x = rectify(self.bn1(self.conv1(x)))
        for block in (*self.layer1, *self.layer2, *self.layer3):
            x = block(x, rectify)
        return self.fc(x.mean((2, 3)))


WIDE = (32, 64, 128, 256)
MODELS = {"resnet20": ResNet(20), "resnet56": ResNet(56), "resnet8x4": ResNet(8, WIDE), "resnet32x4": ResNet(32, WIDE)}
SIZES = {f"resnet{depth}": ResNet(depth) for depth in (8, 14, 32, 44, 110)}
TRIAL = ("resnet20", lambda: ResNet(20))
RUNS = (("train", 8), ("partial", 3), ("eval", 8))
STEPS = 10
