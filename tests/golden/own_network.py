"""A network of one's own (`model: {layers: [...]}`): torch.nn.Sequential with the kinds of layers that a recipe can name, and the same
in Retort's words. Names are those that Sequential gives by place, or by an OrderedDict."""

import json
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

import filling

# Only what is not at PyTorch's default is said.
LAYERS = [
    {"conv": {"channels": 12, "kernel": 5, "stride": 2, "padding": 2, "name": "stem"}},
    {"batch_norm": {"eps": 0.001, "momentum": 0.2}},
    {"relu": {}},
    {"residual": {"body": [{"conv": {"channels": 12, "kernel": 3, "padding": 1, "groups": 12, "bias": False}},
                           {"batch_norm": {}}, {"silu": {}}, {"conv": {"channels": 12, "kernel": 1}}]}},
    {"repeat": {"times": 2, "name": "stage", "layers": [
        {"residual": {"body": [{"conv": {"channels": 16, "kernel": 3, "padding": 1, "groups": 4}},
                               {"batch_norm": {}}],
                      "shortcut": [{"conv": {"channels": 16, "kernel": 1, "bias": False}}]}},
        {"relu": {}}]}},
    {"squeeze_excite": {"channels": 5, "name": "se"}},
    {"max_pool": {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True}},
    {"hard_swish": {}},
    {"conv": {"channels": 8, "kernel": 3, "name": "left"}},
    {"conv": {"channels": 6, "kernel": 3, "padding": 1, "dilation": 2, "from": ["7"], "name": "right"}},
    {"concat": {"from": ["left", "right"]}},
    {"avg_pool": {"kernel": 2}},
    {"block": {"name": "end", "layers": [{"conv": {"channels": 20, "kernel": 1}}, {"gelu": {}}]}},
    {"flatten": {}},
    {"dropout": {"probability": 0.0}},
    {"linear": {"features": 48, "name": "hidden"}},
    {"sigmoid": {}},
    {"linear": {"features": filling.CLASSES}},
]


def run(layers, x, rectify):
    for layer in layers:
        x = rectify(x) if isinstance(layer, nn.ReLU) else layer(x, rectify) if isinstance(layer, (Sequential, Residual)) else layer(x)
    return x


class Sequential(nn.Sequential):
    def forward(self, x, rectify=F.relu):
        return run(self, x, rectify)


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = Sequential(*body)
        if shortcut:
            self.shortcut = Sequential(*shortcut)

    def forward(self, x, rectify=F.relu):
        return self.body(x, rectify) + (self.shortcut(x, rectify) if hasattr(self, "shortcut") else x)


class Squeeze(nn.Module):
    """torchvision's SqueezeExcitation, with a ReLU that can be watched."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x, rectify=F.relu):
        return x * torch.sigmoid(self.fc2(rectify(self.fc1(x.mean((2, 3), keepdim=True)))))


def stage(channels):
    return Sequential(Residual([nn.Conv2d(channels, 16, 3, padding=1, groups=4), nn.BatchNorm2d(16)],
                               [nn.Conv2d(channels, 16, 1, bias=False)]), nn.ReLU())


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        layers = (("stem", nn.Conv2d(3, 12, 5, 2, 2)), ("1", nn.BatchNorm2d(12, eps=0.001, momentum=0.2)), ("2", nn.ReLU()),
                  ("3", Residual([nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12), nn.SiLU(),
                                  nn.Conv2d(12, 12, 1)])),
                  ("stage", Sequential(stage(12), stage(16))), ("se", Squeeze(16, 5)),
                  ("6", nn.MaxPool2d(3, 2, 1, ceil_mode=True)), ("7", nn.Hardswish()),
                  ("left", nn.Conv2d(16, 8, 3)), ("right", nn.Conv2d(16, 6, 3, padding=1, dilation=2)), ("11", nn.AvgPool2d(2)),
                  ("end", nn.Sequential(nn.Conv2d(14, 20, 1), nn.GELU())), ("13", nn.Flatten()), ("14", nn.Dropout(0.0)),
                  ("hidden", nn.Linear(180, 48)), ("16", nn.Sigmoid()), ("17", nn.Linear(48, filling.CLASSES)))
        for name, part in layers:
            self.add_module(name, part)

    def forward(self, x, rectify=F.relu):
        layers = OrderedDict(self.named_children())
        trunk = [layers.pop(name) for name in ("stem", "1", "2", "3", "stage")]
        x = layers.pop("se")(run(trunk, x, rectify), rectify)
        x = layers.pop("7")(layers.pop("6")(x))
        x = torch.cat((layers.pop("left")(x), layers.pop("right")(x)), 1)
        return run(layers.values(), x, rectify)


MODELS = {"layers": Own()}
SIZES = {}
TRIAL = ("layers layers=" + json.dumps(LAYERS, separators=(",", ":")), Own)
RUNS = (("train", 5), ("eval", 4))
STEPS = 3
POOLED = True
