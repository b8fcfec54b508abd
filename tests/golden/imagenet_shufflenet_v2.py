"""torchvision's ShuffleNets, of which the narrowest is run."""

from torchvision import models

import filling
from published import run_by


def made(width):
    return getattr(models, f"shufflenet_v2_{width}")(num_classes=filling.CLASSES)


MODELS = {"shufflenet_v2_x0_5": made("x0_5")}
SIZES = {f"shufflenet_v2_{width}": made(width) for width in ("x1_0", "x1_5", "x2_0")}
TRIAL = ("shufflenet_v2_x0_5", lambda: run_by(made("x0_5")))
SIDES = (224, 64)
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
