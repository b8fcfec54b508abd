"""torchvision's MobileNetV2."""

from torchvision import models

import filling
from published import run_by


def made(**options):
    return models.mobilenet_v2(num_classes=filling.CLASSES, **options)


MODELS = {"mobilenet_v2": made()}
SIZES = {}
TRIAL = ("mobilenet_v2 width=0.25 dropout=0", lambda: run_by(made(width_mult=0.25, dropout=0)))
SIDES = (224, 64)
RUNS = (("train", 4), ("eval", 4))
ROLLS = 4
SAMPLES = 4
POOLED = True
