"""What both sides of a golden test compute for themselves, so that the committed files hold results alone: the numbers that
fill images, weights and output gradients, and the places where a large tensor is sampled. The same as tests/check/filling.h.
"""

import numpy
import torch

CLASSES = 100
SAMPLES = 32
WHOLE = 100  # the largest tensor that is stored as it is


def fnv(text):
    start = 2166136261
    for letter in text.encode():
        start = (start ^ letter) * 16777619 & 0xFFFFFFFF
    return start


def words(name, count):
    """32 random bits for each element of the tensor called `name`: FNV-1a of the name, then murmur3's finalizer."""
    word = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B9) + numpy.uint32(fnv(name))
    word = (word ^ word >> numpy.uint32(16)) * numpy.uint32(0x85EBCA6B)
    word = (word ^ word >> numpy.uint32(13)) * numpy.uint32(0xC2B2AE35)
    return word ^ word >> numpy.uint32(16)


def uniform(name, count):
    """Multiples of 2^-23 in [-1, 1), which float32 holds exactly."""
    return ((words(name, count) >> numpy.uint32(8)).astype(numpy.float64) / 2**23 - 1).astype(numpy.float32)


def parameter(name, shape):
    """Weights about as large as PyTorch's initialisation makes them, norms near the identity; float32 on both sides."""
    count = int(numpy.prod(shape))
    values = uniform(name, count)
    if len(shape) > 1:
        variance_times_3 = 6.0 if len(shape) == 4 else 1.0  # of He's for convolutions, of torch.nn.Linear's
        values = values * numpy.float32(numpy.sqrt(variance_times_3 / (count // shape[0])))
    elif name.endswith("running_var"):
        values = numpy.float32(4) + values  # so that residual networks do not explode when they are evaluated
    elif name.endswith("weight"):
        values = numpy.float32(1) + numpy.float32(0.25) * values
    else:
        values = numpy.float32(0.25) * values
    return torch.from_numpy(values.reshape(shape))


def images(name, batch, height, width, channels):
    """Filled in memory order [batch, height, width, channels], handed out in PyTorch's order."""
    values = uniform(name, batch * height * width * channels).reshape(batch, height, width, channels)
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()


def labels(name, batch, classes):
    return torch.from_numpy((words(name, batch) % numpy.uint32(classes)).astype(numpy.int64))


def in_memory_order(tensor):
    """A flat float64 array, activations as [batch, height, width, channels]."""
    return tensor.detach().double().numpy().reshape(-1)


def activation(tensor):
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


def positions(name, count, samples=None):
    whole = count <= (samples or WHOLE)
    return numpy.arange(count) if whole else words(name, samples or SAMPLES) % numpy.uint32(count)


def float32_errors(exact, scales, singles, pooled):
    errors = {key: max(abs(values - in_memory_order(single[key])).max() for single in singles) / scales[key]
              for key, values in exact.items()}
    if pooled:
        errors = {(tag, name): max(error for (other, _), error in errors.items() if other == tag) for tag, name in errors}
    return errors


def tensor_lines(exact, *singles, samples=None, pooled=False):
    """One line a tensor, of PyTorch's float64 results and one or several float32 results by (tag, name):

        TAG NAME count scale norm projection float32-error samples...

    The error is the largest in the whole tensor, relative to its largest value, `scale`. The projection is a sum with
    pseudo-random signs: it moves when something is wrong between the samples. `samples` stores fewer of all but outputs;
    `pooled` gives all tensors of a tag the largest error among them.
    """
    exact = {key: in_memory_order(tensor) for key, tensor in exact.items()}
    largest_gradient = max(abs(values).max() for (tag, _), values in exact.items() if tag != "running")
    scales = {key: abs(values).max() for key, values in exact.items()}
    for key, scale in scales.items():
        if 0 < scale < 1e-5 * largest_gradient:  # terms that cancel: a bias before a norm, for instance
            scales[key] = largest_gradient
    errors = float32_errors(exact, {key: scale or 1.0 for key, scale in scales.items()}, singles, pooled)
    for (tag, name), values in exact.items():
        at = positions(name, values.size, None if tag == "output" else samples)
        signs = numpy.where(words("projection", values.size) >> numpy.uint32(31), -1.0, 1.0)
        stored = " ".join(f"{x:.8g}" for x in values[at])
        yield (f"{tag} {name} {values.size} {scales[tag, name]:.8g} {numpy.sqrt((values**2).sum()):.8g} "
               f"{(signs * values).sum():.8g} {errors[tag, name]:.2e} {stored}")
