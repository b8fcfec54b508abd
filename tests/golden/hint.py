"""A ResNet that learns from labels and from a hint: its second stage, through an adapter, is to be the teacher's, which is
made up. The adapter is what Retort infers from the sizes: adaptive average pooling, a 1x1 convolution, a batch norm."""

import sys

import torch
import torch.nn.functional as F
from torch import nn

import filling
import network
import resnet

BATCH, HEIGHT, WIDTH, CHANNELS, WEIGHT = 8, 8, 8, 24, 20.0


class Adapter(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(CHANNELS, inputs, 1, 1))
        self.norm = nn.BatchNorm2d(CHANNELS)

    def forward(self, x):
        return self.norm(F.conv2d(F.adaptive_avg_pool2d(x, (HEIGHT, WIDTH)), self.weight))


class Hinted(resnet.ResNet):
    def __init__(self):
        super().__init__(8)
        self.loss = nn.ModuleDict({"1": nn.ModuleDict({"adapter": Adapter(32)})})

    def both(self, x, rectify=F.relu):
        x = rectify(self.bn1(self.conv1(x)))
        for block in (*self.layer1, *self.layer2):
            x = block(x, rectify)
        features = x
        for block in self.layer3:
            x = block(x, rectify)
        return self.fc(x.mean((2, 3))), self.loss["1"]["adapter"](features)

    def forward(self, x, rectify=F.relu):
        return self.both(x, rectify)[0]


class Runner(network.Runner):
    def backward(self, name, batch):
        shift = self.shift(batch)
        teacher = filling.images("teacher", batch, HEIGHT, WIDTH, CHANNELS).to(self.dtype).roll(shift, 0)
        labels = filling.labels(name, batch, filling.CLASSES).roll(shift, 0)
        with torch.backends.mkldnn.flags(enabled=self.onednn):
            logits, features = self.model.both(network.images(name, batch).to(self.dtype).roll(shift, 0))
            hint = ((features - teacher)**2).mean()
            self.optimizer.zero_grad()
            (F.cross_entropy(logits, labels) + WEIGHT * hint).backward()
        return {("output", "logits"): logits.roll(-shift, 0), ("output", "hint"): hint.reshape(1)}


TRIAL = ("resnet8", Hinted)


def lines():
    family = sys.modules[__name__]
    several = (Runner(family, True, torch.float64), *(Runner(family, True, torch.float32, roll, onednn)
                                                      for roll in range(2) for onednn in (True, False)))
    name = network.safe_images("images.hint", BATCH, several)
    yield f"run {name} batch={BATCH} height={HEIGHT} width={WIDTH} channels={CHANNELS} weight={WEIGHT}"
    yield from filling.tensor_lines(*({**runner.backward(name, BATCH), **runner.gradients()} for runner in several))
