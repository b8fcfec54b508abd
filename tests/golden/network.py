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


class Runner:
    """resnet20 with the filled parameters, in one of the ways to compute with it. Images are rolled along the batch and the
    logits rolled back: sums over the batch then run in another order, and nothing else changes."""

    def __init__(self, training, dtype, roll=0, onednn=True):
        self.dtype, self.roll, self.onednn = dtype, roll, onednn
        self.model = ResNet(20).to(dtype)
        for name, tensor in state(self.model).items():
            tensor.copy_(filling.parameter(name, tuple(tensor.shape)))
        self.model.train(training)
        self.optimizer = torch.optim.SGD(self.model.parameters(), **SGD)

    def shift(self, batch):
        return self.roll * (batch // 2)

    def logits(self, images, rectify=F.relu):
        images = images.to(self.dtype)
        shift = self.shift(len(images))
        with torch.backends.mkldnn.flags(enabled=self.onednn):
            return self.model(images.roll(shift, 0), rectify).roll(-shift, 0)

    def backward(self, name, batch):
        logits = self.logits(images(name, batch))
        loss = F.cross_entropy(logits, filling.labels(name, batch, CLASSES))
        self.optimizer.zero_grad()
        with torch.backends.mkldnn.flags(enabled=self.onednn):
            loss.backward()
        return {("output", "logits"): logits, ("output", "loss"): loss.reshape(1)}

    def gradients(self):
        return {("gradient", name): tensor.grad for name, tensor in self.model.named_parameters()}

    def running(self):
        return {("running", name): tensor for name, tensor in state(self.model).items() if "running" in name}

    def changes(self):
        return {("change", name): tensor.double() - filling.parameter(name, tuple(tensor.shape)).double()
                for name, tensor in self.model.named_parameters()}


def runners(training):
    """One in float64, and several in float32: the error of one of these is a matter of luck, that of the worst is not."""
    return Runner(training, torch.float64), *(Runner(training, torch.float32, roll, onednn)
                                              for roll in (0, 1) for onednn in (True, False))


def images(name, batch):
    return filling.images(name, batch, 32, 32, 3)


def margin(several, images):
    """How far the input nearest to a ReLU's kink is from it, in units of the float32 runners' error among that ReLU's inputs."""
    seen = []
    for runner in several:
        inputs = []

        def rectify(x):
            inputs.append(x.double().roll(-runner.shift(len(images)), 0))
            return F.relu(x)

        kept = copy.deepcopy(runner.model.state_dict())
        with torch.no_grad():
            runner.logits(images, rectify)
        runner.model.load_state_dict(kept)
        seen.append(inputs)
    exact, *singles = seen
    return min((x.abs().min() / (x - y).abs().max()).item() for single in singles for x, y in zip(exact, single))


def safe_images(purpose, batch, several):
    """Where float32 rounds an input of a ReLU to the other side of its kink, gradients differ by whole terms, and errors say
    nothing about arithmetic any more. So we take those of several images that stay farthest from every kink."""
    names = [f"{purpose}.{trial}" for trial in range(TRIALS)]
    found = {name: margin(several, images(name, batch)) for name in names}
    best = max(found, key=found.get)
    print(f"{best}: {found[best]:.2f}")
    return best


def run(mode, batch):
    """Logits, loss and all gradients of one forward and backward."""
    several = runners(mode != "eval")
    name = safe_images(f"images.{mode}", batch, several)
    yield f"run {mode} {name} batch={batch}"
    tensors = []
    for runner in several:
        tensors.append({**runner.backward(name, batch), **runner.gradients()})
        if mode == "train":
            tensors[-1].update(runner.running())
    yield from filling.tensor_lines(*tensors)


def descent():
    """The losses of ten steps of SGD, each on its own images, and how far they moved the parameters. At this learning rate
    and with safe images, float32 stays near float64; with larger steps the network itself is chaotic, and two correct
    programs part by 10 % within ten steps."""
    yield f"descent batch={DESCENT_BATCH}"
    several = runners(True)
    losses = [[] for _ in several]
    for step in range(STEPS):
        name = safe_images(f"descent.{step}", DESCENT_BATCH, several)
        yield f"step {name}"
        for runner, path in zip(several, losses):
            path.append(runner.backward(name, DESCENT_BATCH)["output", "loss"])
            runner.optimizer.step()
    yield from filling.tensor_lines(*({("output", "losses"): torch.cat(path), **runner.changes()}
                                      for runner, path in zip(several, losses)))


def lines():
    for name, model in MODELS.items():
        yield ""
        yield f"model {name} {sum(tensor.numel() for tensor in model.parameters())} {macs(model)}"
        for key, tensor in state(model).items():
            yield f"state {key} {' '.join(map(str, tensor.shape))}"
    for mode, batch in (("train", 8), ("partial", 3), ("eval", 8)):
        yield ""
        yield from run(mode, batch)
    yield ""
    yield from descent()
