"""VGG with batch norm for small images: three max pools, global average pooling, one linear layer."""

import torch.nn.functional as F
from torch import nn

import filling

REPETITIONS = {"vgg8": (1, 1, 1, 1, 1), "vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3),
               "vgg19": (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    def __init__(self, name, width=1.0):
        super().__init__()
        inputs = 3
        for stage, (repetitions, channels) in enumerate(zip(REPETITIONS[name], (64, 128, 256, 512, 512))):
            layers = nn.ModuleList()
            for _ in range(repetitions):
                outputs = int(width * channels)
                layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            setattr(self, f"block{stage}", layers)
        self.classifier = nn.Linear(inputs, filling.CLASSES)

    def forward(self, x, rectify=F.relu):
        for stage in range(5):
            for layer in getattr(self, f"block{stage}"):
                x = rectify(x) if isinstance(layer, nn.ReLU) else layer(x)
            x = F.max_pool2d(x, 2) if stage < 3 else x
        return self.classifier(x.mean((2, 3)))


MODELS = {name: VGG(name) for name in ("vgg8", "vgg13")}
SIZES = {name: VGG(name) for name in ("vgg11", "vgg16", "vgg19")}
TRIAL = ("vgg11 width=0.125", lambda: VGG("vgg11", 0.125))
RUNS = (("train", 4), ("eval", 4))
STEPS = 3
SAMPLES = 4
