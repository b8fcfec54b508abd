"""torchvision's VGG networks with batch norm. The trial's images are so small that their maps are blown up to 7 x 7."""

from torchvision import models

import filling
from published import narrowed, run_by


def made(name, **options):
    return getattr(models, name)(num_classes=filling.CLASSES, **options)


MODELS = {"vgg11_bn": made("vgg11_bn")}
SIZES = {name: made(name) for name in ("vgg13_bn", "vgg16_bn", "vgg19_bn")}
TRIAL = ("vgg11_bn width=0.0625 dropout=0", lambda: run_by(narrowed(made("vgg11_bn", dropout=0), 0.0625, flattened=512)))
SIDES = (224, 64)
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
