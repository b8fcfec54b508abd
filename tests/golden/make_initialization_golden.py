#!/usr/bin/env python3
"""Writes initialization.inc: what weights of PyTorch's networks begin with, for tests/unit/test_models.c: of each parameter
but those of norms the number of elements, their standard deviation, and the largest. Needs torch, torchvision and timm (made
with torchvision 0.29, timm 1.0).

torchvision's and timm's networks begin as they are made. The benchmark's networks for small images are those of this
folder, which know no rule; its rules are written down here once more, by torch.nn.init."""
import math
import pathlib
import sys

import torch
from torch import nn
from torchvision import models

sys.dont_write_bytecode = True
import timm

import mobilenet_v2
import resnet
import shufflenet
import vgg
import wide_resnet

torch.manual_seed(0)


def begun(model, linear=None, zero_biases=True):
    """Convolutions as kaiming_normal_ by fan-out, and what is said of linear layers."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif not isinstance(layer, nn.Linear):
            continue
        elif linear:
            nn.init.normal_(layer.weight, 0, linear)
        if layer.bias is not None and zero_biases:
            nn.init.zeros_(layer.bias)
    return model


def cifar_resnet18():
    model = models.resnet18(num_classes=100)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    return begun(model, zero_biases=False)


NETWORKS = {
    "resnet18": models.resnet18,
    "vgg11_bn": models.vgg11_bn,
    "mobilenet_v2": models.mobilenet_v2,
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "squeezenet1_1": models.squeezenet1_1,
    "shufflenet_v2_x0_5": models.shufflenet_v2_x0_5,
    "efficientnet_b0": models.efficientnet_b0,
    "vit_tiny": lambda: timm.create_model("vit_tiny_patch16_224"),
    "resnet20": lambda: begun(resnet.ResNet(20), zero_biases=False),
    "cifar_resnet18": cifar_resnet18,
    "wrn_16_1": lambda: begun(wide_resnet.WideResNet(16, 1)),
    "vgg8": lambda: begun(vgg.VGG("vgg8"), linear=0.01),
    "mobilenetv2": lambda: begun(mobilenet_v2.MobileNetV2(), linear=0.01),
    "shufflenetv1": lambda: shufflenet.ShuffleNet(1),
    "shufflenetv2": lambda: shufflenet.ShuffleNet(2),
}

with open(pathlib.Path(__file__).parent / "initialization.inc", "w") as file:
    file.write("/* Written by make_initialization_golden.py; do not edit. */\n/* clang-format off */\n")
    for name, make in NETWORKS.items():
        model = make()
        norms = {f"{prefix}.{part}" for prefix, layer in model.named_modules()
                 if isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm)) for part in ("weight", "bias")}
        for key, values in model.named_parameters():
            values = values.detach().double()
            if key in norms:
                assert (values == (1 if key.endswith("weight") else 0)).all(), key
                continue
            count = values.numel()
            if name == "vit_tiny":
                # trunc_normal_ inverts a distribution function: some of its elements, one in ten million or so, come out
                # infinite and are cut to -2 or 2.
                values = values[values.abs() < 1.9]
                assert count - values.numel() <= 3
            deviation = math.sqrt((values**2).mean().item())
            assert abs(values.mean()) <= 5 * deviation / math.sqrt(values.numel()), key
            file.write(f'{{"{name}", "{key}", {count}, {deviation:.6g}, {values.abs().max():.6g}}},\n')
    file.write("/* clang-format on */\n")
