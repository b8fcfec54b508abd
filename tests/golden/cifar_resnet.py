"""torchvision's residual networks with a 3x3 stem and no max pool; the trial is one of basic blocks."""

from torch import nn
from torchvision import models

import filling
from published import narrowed, run_by


def made(name):
    model = getattr(models, name)(num_classes=filling.CLASSES)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model


MODELS = {"cifar_resnet50": made("resnet50")}
SIZES = {f"cifar_{name}": made(name) for name in ("resnet18", "resnet34", "resnet101")}
TRIAL = ("cifar_resnet18 width=0.125", lambda: run_by(narrowed(made("resnet18"), 0.125)))
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
