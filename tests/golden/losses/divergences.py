"""Divergences between the softmax of the teacher's logits (p) and of the student's (q), from their definitions."""
import functools

import torch


def divergence(definition):
    """Makes a loss of definition(p, q, **settings), which gives a term for each sample."""

    @functools.wraps(definition)
    def loss(student, teacher, labels, temperature=1.0, temperature_squared=None, **settings):
        p, q = torch.softmax(teacher / temperature, dim=1), torch.softmax(student / temperature, dim=1)
        if temperature_squared is None:
            temperature_squared = definition.__name__ == "reverse_kl"
        return definition(p, q, **settings).mean() * (temperature**2 if temperature_squared else 1)

    return loss


def relative_entropy(p, q):
    return (p * (p.log() - q.log())).sum(1)


@divergence
def reverse_kl(p, q):
    return relative_entropy(q, p)


@divergence
def js(p, q, beta=0.5, continuous=False):
    mixture = beta * p + (1 - beta) * q
    value = beta * relative_entropy(p, mixture) + (1 - beta) * relative_entropy(q, mixture)
    return value / (beta * (1 - beta)) if continuous else value


@divergence
def skew_kl(p, q, alpha=0.1):
    return relative_entropy(p, alpha * p + (1 - alpha) * q)


@divergence
def skew_reverse_kl(p, q, alpha=0.1):
    return relative_entropy(q, (1 - alpha) * p + alpha * q)


@divergence
def jeffreys(p, q, beta=0.5, mean=False):
    value = (1 - beta) * relative_entropy(p, q) + beta * relative_entropy(q, p)
    return value if mean else 2 * value


CASES = [
    (reverse_kl, {}),
    (reverse_kl, {"temperature": 4.0}),
    (reverse_kl, {"temperature": 2.5, "temperature_squared": False}),
    (js, {}),
    (js, {"temperature": 4.0, "temperature_squared": True}),
    (js, {"beta": 0.9}),
    (js, {"beta": 0.1, "continuous": True, "temperature": 2.0}),
    (skew_kl, {}),
    (skew_kl, {"alpha": 0.5, "temperature": 3.0}),
    (skew_kl, {"alpha": 0.0, "temperature": 2.0, "temperature_squared": True}),
    (skew_reverse_kl, {}),
    (skew_reverse_kl, {"alpha": 0.5, "temperature": 3.0}),
    (skew_reverse_kl, {"alpha": 0.0, "temperature": 2.0, "temperature_squared": True}),
    (jeffreys, {}),
    (jeffreys, {"beta": 0.9, "mean": True}),
    (jeffreys, {"beta": 0.25, "temperature": 4.0, "temperature_squared": True}),
]
