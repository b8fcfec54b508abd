"""Networks run in float64 and float32: forward, backward, steps of SGD. A family is a module of its own (resnet.py) with

    MODELS  by name, whose parameters are listed
    SIZES   by name, of which only parameters and MACs are
    TRIAL   the variant that is run, with its options, as Retort would be told; and what makes it
    RUNS    its modes and batches: train, a second batch size "partial", eval
    STEPS   of SGD, where there are any
    LEARNING_RATE of these steps, where it is another than here
    ROLLS   how many float32 runs there are of each kind, where not two: the error of the worst is the measure
    SAMPLES how many elements of a parameter are stored, where not as many as filling.py says
    POOLED  whether all tensors of a kind are held to the error of the worst of them
    KINKS   False where there are none: then any images will do
    MORE_MACS of a network, that its convolutions and linear layers do not have
    SIDES   of the images that MACs are counted for and of those of the trial, where not 32
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

import filling

TRIALS = 40
DESCENT_BATCH = 4
LEARNING_RATE = 0.02
SGD = dict(momentum=0.9, nesterov=True, weight_decay=5e-4)  # the same in check_network.c


def state(model):
    """Names and shapes; PyTorch's own counters of batches are not part of a network."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def sides(family):
    return getattr(family, "SIDES", (32, 32))


def fingerprint(model):
    """FNV-1a of all names and shapes in their order."""
    text = "".join(f"{name} {' '.join(map(str, tensor.shape))}\n" for name, tensor in state(model).items())
    return filling.fnv(text)


def macs(family, model):
    side, total = sides(family)[0], getattr(family, "MORE_MACS", lambda _: 0)(model)

    def count(layer, _, output):
        nonlocal total
        pixels = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else output[0].numel() // layer.out_features
        total += layer.weight.numel() * pixels

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return total


def learning_rate(family):
    return getattr(family, "LEARNING_RATE", LEARNING_RATE)


def rolls(family):
    return getattr(family, "ROLLS", 2)


class Runner:
    """The trial's network with the filled parameters, in one of the ways to compute with it. Images are rolled along the batch and the
    logits rolled back: sums over the batch then run in another order, and nothing else changes."""

    def __init__(self, family, training, dtype, roll=0, onednn=True):
        self.family = family
        self.dtype, self.roll, self.rolls, self.onednn = dtype, roll, rolls(family), onednn
        self.model = family.TRIAL[1]().to(dtype)
        for name, tensor in state(self.model).items():
            tensor.copy_(filling.parameter(name, tuple(tensor.shape)))
        self.model.train(training)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=learning_rate(family), **SGD)

    def shift(self, batch):
        return self.roll * (batch // self.rolls)

    def logits(self, images, rectify=F.relu):
        images = images.to(self.dtype)
        shift = self.shift(len(images))
        with torch.backends.mkldnn.flags(enabled=self.onednn):
            return self.model(images.roll(shift, 0), rectify).roll(-shift, 0)

    def backward(self, name, batch):
        logits = self.logits(images(self.family, name, batch))
        loss = F.cross_entropy(logits, filling.labels(name, batch, filling.CLASSES))
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


def runners(family, training):
    """One in float64, and several in float32: the error of one of these is a matter of luck, that of the worst is not."""
    return Runner(family, training, torch.float64), *(Runner(family, training, torch.float32, roll, onednn)
                                                      for roll in range(rolls(family)) for onednn in (True, False))


def images(family, name, batch):
    return filling.images(name, batch, sides(family)[1], sides(family)[1], 3)


def margin(several, images):
    """How far the input nearest to a ReLU's kink is from it, in units of the float32 runners' error among that ReLU's inputs.
    What is exactly 0 is so in float32, too: a mean of what another ReLU has cut, for instance."""
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
    return min((x[x != 0].abs().min() / (x - y).abs().max()).item() for single in singles for x, y in zip(exact, single))


def safe_images(purpose, batch, several):
    """Where float32 rounds an input of a ReLU to the other side of its kink, gradients differ by whole terms, and errors say
    nothing about arithmetic any more. So we take those of several images that stay farthest from every kink."""
    names = [f"{purpose}.{trial}" for trial in range(TRIALS)]
    if not getattr(several[0].family, "KINKS", True):
        return names[0]
    found = {name: margin(several, images(several[0].family, name, batch)) for name in names}
    best = max(found, key=found.get)
    print(f"{best}: {found[best]:.2f}")
    return best


def tensor_lines(family, *several):
    yield from filling.tensor_lines(*several, samples=getattr(family, "SAMPLES", None),
                                    pooled=getattr(family, "POOLED", False))


def run(family, mode, batch):
    """Logits, loss and all gradients of one forward and backward. Of a family whose parameters are sampled thinly, evaluation
    gives logits and loss alone: what is special about its backward is resnet20's business."""
    several = runners(family, mode != "eval")
    name = safe_images(f"images.{mode}", batch, several)
    yield f"run {mode} {name} batch={batch}"
    tensors = []
    for runner in several:
        tensors.append(runner.backward(name, batch))
        if mode != "eval" or not hasattr(family, "SAMPLES"):
            tensors[-1].update(runner.gradients())
        if mode == "train":
            tensors[-1].update(runner.running())
    yield from tensor_lines(family, *tensors)


def descent(family):
    """The losses of some steps of SGD, each on its own images, and how far they moved the parameters. At this learning rate
    and with safe images, float32 stays near float64; with larger steps the network itself is chaotic, and two correct
    programs part by 10 % within ten steps."""
    yield f"descent batch={DESCENT_BATCH} learning_rate={learning_rate(family)}"
    several = runners(family, True)
    losses = [[] for _ in several]
    for step in range(family.STEPS):
        name = safe_images(f"descent.{step}", DESCENT_BATCH, several)
        yield f"step {name}"
        for runner, path in zip(several, losses):
            path.append(runner.backward(name, DESCENT_BATCH)["output", "loss"])
            runner.optimizer.step()
    yield from tensor_lines(family, *({("output", "losses"): torch.cat(path), **runner.changes()}
                                      for runner, path in zip(several, losses)))


def sizes(family):
    for name, model in family.MODELS.items():
        yield ""
        yield f"model {name} {sum(tensor.numel() for tensor in model.parameters())} {macs(family, model)}"
        for key, tensor in state(model).items():
            yield f"state {key} {' '.join(map(str, tensor.shape))}"
    yield ""
    for name, model in family.SIZES.items():
        yield (f"size {name} {sum(tensor.numel() for tensor in model.parameters())} {macs(family, model)} "
               f"{fingerprint(model)}")


def lines(family):
    yield "sides {} {}".format(*sides(family))
    yield from sizes(family)
    yield ""
    yield f"network {family.TRIAL[0]}"
    for mode, batch in family.RUNS:
        yield ""
        yield from run(family, mode, batch)
    if hasattr(family, "STEPS"):
        yield ""
        yield from descent(family)
