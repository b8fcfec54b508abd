#!/usr/bin/env python3
"""Writes nodes.txt, hint.txt and network_FAMILY.txt: what PyTorch computes in float64 for tests/check, and how far its float32 is from it.

Run with Debian's python3-torch: python3 tests/golden/make_golden.py [nodes|hint|resnet|wide_resnet|vgg|mobilenet_v2 ...]
The networks of PUBLISHED are taken from torchvision and timm themselves, in any Python that has them, and only made when they are named.
The values of losses and optimizers have scripts of their own: make_loss_golden.py and make_optim_golden.py.
"""

import importlib
import pathlib
import sys

import torch

import hint
import network
import nodes

FAMILIES = ("resnet", "wide_resnet", "vgg", "mobilenet_v2", "shufflenet", "own_network")
PUBLISHED = ("imagenet_resnet", "cifar_resnet", "imagenet_vgg", "imagenet_mobilenet_v2", "squeezenet",
             "imagenet_shufflenet_v2", "mobilenet_v3", "efficientnet", "vit")

HEAD = """# Written by tests/golden/make_golden.py with PyTorch {version}; do not edit. A tensor is
#   TAG NAME count scale norm projection float32-error samples...
# where errors are relative to scale and samples are the whole tensor where it is small; filling.py says where otherwise.
# TAG: output; into = gradient of a node's output; gradient, running, change = of a parameter or buffer.
"""


def write(name, lines):
    text = HEAD.format(version=torch.__version__) + "\n".join(lines) + "\n"
    pathlib.Path(__file__).with_name(name).write_text(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for wanted in sys.argv[1:] or ("nodes", "hint", *FAMILIES):
        if wanted == "nodes":
            write("nodes.txt", nodes.lines())
        elif wanted == "hint":
            write("hint.txt", hint.lines())
        else:
            write(f"network_{wanted}.txt", network.lines(importlib.import_module(wanted)))
