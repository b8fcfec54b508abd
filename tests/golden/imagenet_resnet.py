"""torchvision's residual networks; the trial is one of bottlenecks."""

from torchvision import models

import filling
from published import narrowed, run_by


def made(name):
    return getattr(models, name)(num_classes=filling.CLASSES)


MODELS = {name: made(name) for name in ("resnet18", "resnet50")}
SIZES = {name: made(name) for name in ("resnet34", "resnet101", "resnet152")}
TRIAL = ("resnet50 width=0.125", lambda: run_by(narrowed(made("resnet50"), 0.125)))
SIDES = (224, 64)
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
