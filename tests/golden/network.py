"""The CIFAR ResNets as torchvision would write them, run in float64 and float32: forward, backward, ten steps of SGD."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

import filling

CLASSES = 100
TRIALS = 40
STEPS = 10
DESCENT_BATCH = 4
SGD = dict(lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4)  # the same in check_network.c


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x, rectify):
        y = rectify(self.bn1(self.conv1(x)))
        return rectify(self.bn2(self.conv2(y)) + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, depth, widths=(16, 16, 32, 64)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for stage in (1, 2, 3):
            blocks = [BasicBlock(widths[stage - 1] if block == 0 else widths[stage], widths[stage],
                                 2 if stage > 1 and block == 0 else 1) for block in range((depth - 2) // 6)]
            setattr(self, f"layer{stage}", nn.ModuleList(blocks))
        self.fc = nn.Linear(widths[3], CLASSES)

    def forward(self, x, rectify=F.relu):
        x = rectify(self.bn1(self.conv1(x)))
        for block in (*self.layer1, *self.layer2, *self.layer3):
            x = block(x, rectify)
        return self.fc(x.mean((2, 3)))


WIDE = (32, 64, 128, 256)
MODELS = {"resnet20": ResNet(20), "resnet56": ResNet(56), "resnet8x4": ResNet(8, WIDE), "resnet32x4": ResNet(32, WIDE)}


def state(model):
    """Names and shapes; PyTorch's own counters of batches are not part of a network."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def macs(model):
    total = 0

    def count(layer, _, output):
        nonlocal total
        total += layer.weight.numel() * output[0, 0].numel()

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return total


def filled(dtype, training):
    model = ResNet(20).to(dtype)
    for name, tensor in state(model).items():
        tensor.copy_(filling.parameter(name, tuple(tensor.shape)))
    return model.train(training)


def images(name, batch, dtype):
    return filling.images(name, batch, 32, 32, 3).to(dtype)


def run(name, batch, training, dtype):
    """Logits, loss and all gradients of one forward and backward."""
    model = filled(dtype, training)
    logits = model(images(name, batch, dtype))
    loss = F.cross_entropy(logits, filling.labels(name, batch, CLASSES))
    loss.backward()
    tensors = {("output", "logits"): logits, ("output", "loss"): loss.reshape(1)}
    tensors.update({("gradient", name): tensor.grad for name, tensor in model.named_parameters()})
    if name.startswith("images.train"):
        tensors.update({("running", name): tensor for name, tensor in state(model).items() if "running" in name})
    return tensors


def margin(models, images):
    """How far the input nearest to a ReLU's kink is from it, in units of the float32 model's error among that ReLU's inputs."""
    seen = []
    for model in models:
        inputs = []

        def rectify(x):
            inputs.append(x.double())
            return F.relu(x)

        with torch.no_grad():
            copy.deepcopy(model)(images.to(model.fc.weight.dtype), rectify)
        seen.append(inputs)
    return min((exact.abs().min() / (exact - single).abs().max()).item() for exact, single in zip(*seen))


def safe_images(purpose, batch, models):
    """Where float32 rounds an input of a ReLU to the other side of its kink, gradients differ by whole terms, and errors say
    nothing about arithmetic any more. So we take those of several images that stay farthest from every kink."""
    names = [f"{purpose}.{trial}" for trial in range(TRIALS)]
    return max(names, key=lambda name: margin(models, images(name, batch, torch.float64)))


def descent():
    """The losses of ten steps of SGD, each on its own images, and how far they moved the parameters. At this learning rate
    and with safe images, float32 stays near float64; with larger steps the network itself is chaotic, and two correct
    programs part by 10 % within ten steps."""
    models = [filled(dtype, True) for dtype in (torch.float64, torch.float32)]
    optimizers = [torch.optim.SGD(model.parameters(), **SGD) for model in models]
    losses, tensors = ([], []), ({}, {})
    for step in range(STEPS):
        name = safe_images(f"descent.{step}", DESCENT_BATCH, models)
        yield f"step {name}"
        for model, optimizer, path in zip(models, optimizers, losses):
            logits = model(images(name, DESCENT_BATCH, model.fc.weight.dtype))
            loss = F.cross_entropy(logits, filling.labels(name, DESCENT_BATCH, CLASSES))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            path.append(loss.detach())
    for model, path, found in zip(models, losses, tensors):
        found["output", "losses"] = torch.stack(path)
        for name, tensor in model.named_parameters():
            start = filling.parameter(name, tuple(tensor.shape))
            found["change", name] = tensor.double() - start.double()
    yield from filling.tensor_lines(*tensors)


def lines():
    for name, model in MODELS.items():
        yield ""
        yield f"model {name} {sum(tensor.numel() for tensor in model.parameters())} {macs(model)}"
        for key, tensor in state(model).items():
            yield f"state {key} {' '.join(map(str, tensor.shape))}"
    for mode, batch in (("train", 8), ("partial", 3), ("eval", 8)):
        training = mode != "eval"
        name = safe_images(f"images.{mode}", batch, [filled(dtype, training) for dtype in (torch.float64, torch.float32)])
        yield ""
        yield f"run {mode} {name} batch={batch}"
        yield from filling.tensor_lines(*(run(name, batch, training, dtype) for dtype in (torch.float64, torch.float32)))
    yield ""
    yield f"descent batch={DESCENT_BATCH}"
    yield from descent()
