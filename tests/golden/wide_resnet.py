"""Wide ResNets for small images, from the definition: every convolution but the first reads a norm and a ReLU."""

import torch.nn.functional as F
from torch import nn

import filling


class PreActivationBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x, rectify):
        activated = rectify(self.bn1(x))
        branch = self.conv2(rectify(self.bn2(self.conv1(activated))))
        return branch + (self.convShortcut(activated) if self.convShortcut else x)


class Stage(nn.Module):
    def __init__(self, blocks, inputs, outputs, stride):
        super().__init__()
        self.layer = nn.ModuleList([PreActivationBlock(outputs if block else inputs, outputs, 1 if block else stride)
                                    for block in range(blocks)])

    def forward(self, x, rectify):
        for block in self.layer:
            x = block(x, rectify)
        return x


class WideResNet(nn.Module):
    def __init__(self, depth, widen):
        super().__init__()
        widths = [16, *(int(widen * width) for width in (16, 32, 64))]
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        for stage in (1, 2, 3):
            setattr(self, f"block{stage}", Stage((depth - 4) // 6, widths[stage - 1], widths[stage], min(stage, 2)))
        self.bn1 = nn.BatchNorm2d(widths[3])
        self.fc = nn.Linear(widths[3], filling.CLASSES)

    def forward(self, x, rectify=F.relu):
        x = self.conv1(x)
        for stage in (self.block1, self.block2, self.block3):
            x = stage(x, rectify)
        return self.fc(rectify(self.bn1(x)).mean((2, 3)))


MODELS = {"wrn_16_2": WideResNet(16, 2), "wrn_40_1": WideResNet(40, 1)}
SIZES = {f"wrn_{depth}_{widen}": WideResNet(depth, widen) for depth, widen in (
    (10, 1), (10, 2), (16, 1), (16, 4), (28, 2), (28, 10), (40, 2), (40, 4))}
TRIAL = ("wrn_16_1", lambda: WideResNet(16, 1))  # its first sum reads the stem, as does the first norm
RUNS = (("train", 4), ("eval", 4))
STEPS = 3
SAMPLES = 4
