"""torchvision's SqueezeNets."""

from torchvision import models

import filling
from published import narrowed, run_by


def made(name, **options):
    return getattr(models, name)(num_classes=filling.CLASSES, **options)


MODELS = {"squeezenet1_1": made("squeezenet1_1")}
SIZES = {"squeezenet1_0": made("squeezenet1_0")}
TRIAL = ("squeezenet1_1 width=0.25 dropout=0", lambda: run_by(narrowed(made("squeezenet1_1", dropout=0), 0.25)))
SIDES = (224, 66)
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
