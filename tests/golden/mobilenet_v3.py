"""torchvision's MobileNetV3."""

from torchvision import models
from torchvision.models import mobilenetv3

import filling
from published import run_by


def made(name, **options):
    return getattr(models, name)(num_classes=filling.CLASSES, **options)


def narrow(name, width):
    return mobilenetv3.MobileNetV3(*mobilenetv3._mobilenet_v3_conf(name, width_mult=width), num_classes=filling.CLASSES, dropout=0)


MODELS = {"mobilenet_v3_small": made("mobilenet_v3_small")}
SIZES = {"mobilenet_v3_large": made("mobilenet_v3_large")}
TRIAL = ("mobilenet_v3_small width=0.25 dropout=0", lambda: run_by(narrow("mobilenet_v3_small", 0.25)))
SIDES = (224, 96)
RUNS = (("train", 4), ("eval", 4))
ROLLS = 4
SAMPLES = 4
POOLED = True
