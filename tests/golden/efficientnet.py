"""torchvision's EfficientNet-B0."""

from torchvision import models
from torchvision.models import efficientnet

import filling
from published import run_by


def narrow(width):
    blocks, last = efficientnet._efficientnet_conf("efficientnet_b0", width_mult=width, depth_mult=1.0)
    return efficientnet.EfficientNet(blocks, 0.0, stochastic_depth_prob=0.0, last_channel=last, num_classes=filling.CLASSES)


MODELS = {"efficientnet_b0": models.efficientnet_b0(num_classes=filling.CLASSES)}
SIZES = {}
TRIAL = ("efficientnet_b0 width=0.5 dropout=0 drop_path=0", lambda: run_by(narrow(0.5)))
SIDES = (224, 64)
RUNS = (("train", 4), ("eval", 4))
ROLLS = 4
SAMPLES = 4
POOLED = True
KINKS = False
