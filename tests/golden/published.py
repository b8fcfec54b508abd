"""What torchvision's and timm's own networks need to be run by network.py."""

import torch.nn.functional as F
from torch import nn


def narrowed(model, width, inputs=3, flattened=None):
    """The network with all channels but the images' and the classes' multiplied by `width`, each rounded. The linear layer that
    reads `flattened` features reads pixels of so many channels."""
    last = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))][-1]

    def scaled(channels):
        return int(width * channels + 0.5)

    for layer in list(model.modules()):
        for name, child in list(layer.named_children()):
            if isinstance(child, nn.Conv2d):
                outputs = child.out_channels if child is last else scaled(child.out_channels)
                made = nn.Conv2d(child.in_channels if child.in_channels == inputs else scaled(child.in_channels), outputs,
                                 child.kernel_size, child.stride, child.padding, bias=child.bias is not None)
            elif isinstance(child, nn.BatchNorm2d):
                made = nn.BatchNorm2d(scaled(child.num_features))
            elif isinstance(child, nn.Linear):
                pixels = child.in_features // flattened if flattened and child.in_features > 2 * flattened else 1
                made = nn.Linear(pixels * scaled(child.in_features // pixels),
                                 child.out_features if child is last else scaled(child.out_features))
            else:
                continue
            setattr(layer, name, made)
    return model


def run_by(model):
    """network.py asks who rectifies. ReLU6 has two kinks, and so have hard sigmoid and hard swish."""
    chosen, plain = {"rectify": F.relu}, model.forward

    def clip(x):
        if chosen["rectify"] is not F.relu:
            chosen["rectify"](x), chosen["rectify"](6 - x)
        return F.relu6(x)

    def look(x):
        if chosen["rectify"] is not F.relu:
            chosen["rectify"](x + 3), chosen["rectify"](3 - x)
        return x

    def forward(x, rectify=F.relu):
        chosen["rectify"] = rectify
        return plain(x)

    for layer in model.modules():
        if isinstance(layer, nn.ReLU6):
            layer.forward = clip
        elif isinstance(layer, nn.Hardsigmoid):
            layer.forward = lambda x: F.hardsigmoid(look(x))
        elif isinstance(layer, nn.Hardswish):
            layer.forward = lambda x: F.hardswish(look(x))
        elif isinstance(layer, nn.ReLU):
            layer.forward = lambda x: chosen["rectify"](x)
    model.forward = forward
    return model
