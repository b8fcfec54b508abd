"""Losses that compare the batch's features as clouds of points, from their definitions."""
import math

import torch
from torch.nn.functional import normalize

PAIRS = [((2, 3), (2, 3)), ((5, 4), (5, 4)), ((9, 70), (9, 70)), ((20, 6), (20, 6))]


def squared(a, b):
    return ((a[:, None] - b[None]) ** 2).sum(2)


def root(squares):
    """Distances, of which those that are 0 have no gradient."""
    positive = squares > 0
    distances = torch.zeros_like(squares)
    distances[positive] = squares[positive].sqrt()
    return distances


def mmd(student, teacher, batch, kernel="gaussian", bandwidth=1.0, scales=5, relative=True, unbiased=False):
    samples = len(student)
    distances = torch.pdist(teacher)
    width = bandwidth * (distances.median().item() if relative else 1)
    widths = [width * 2 ** (m - (scales - 1) / 2) for m in range(scales)]

    def k(a, b):
        squares = squared(a, b)
        if kernel == "gaussian":
            return sum(torch.exp(-squares / (2 * w * w)) for w in widths)
        if kernel == "laplacian":
            return sum(torch.exp(-root(squares) / w) for w in widths)
        return -root(squares)

    def within(a):
        values = k(a, a)
        return (values.sum() - values.trace()) / (samples * (samples - 1)) if unbiased else values.mean()

    return within(student) + within(teacher) - 2 * k(student, teacher).mean()


def softmin(epsilon, cost, potential):
    return -epsilon * (torch.logsumexp((potential[None] - cost) / epsilon, dim=1) - math.log(cost.shape[1]))


def transport(cost, epsilons, unrolled):
    """Averaged updates of both potentials; the last, a whole one, is differentiated, and those before on request."""
    with torch.set_grad_enabled(unrolled):
        constant = cost if unrolled else cost.detach()
        f = softmin(epsilons[0], constant, torch.zeros(cost.shape[1], dtype=cost.dtype))
        g = softmin(epsilons[0], constant.T, torch.zeros(cost.shape[0], dtype=cost.dtype))
        for epsilon in epsilons:
            f, g = ((f + softmin(epsilon, constant, g)) / 2, (g + softmin(epsilon, constant.T, f)) / 2)
    return softmin(epsilons[-1], cost, g).mean() + softmin(epsilons[-1], cost.T, f).mean()


def sinkhorn_divergence(student, teacher, batch, power=2, blur=0.05, scaling=0.5, diameter=2.0, unit=True,
                        gradient="unrolled"):
    if unit:
        student, teacher = normalize(student), normalize(teacher)
    start, end, step = power * math.log(diameter), power * math.log(blur), power * math.log(scaling)
    between = torch.arange(start, end, step, dtype=torch.float64).exp().tolist()
    epsilons = [diameter**power] + between + [blur**power]

    def solve(a, b):
        squares = squared(a, b)
        return transport(squares / 2 if power == 2 else root(squares), epsilons, gradient == "unrolled")

    return solve(student, teacher) - solve(student, student) / 2 - solve(teacher, teacher) / 2


def monge_gap(student, teacher, batch, epsilon=0.05, relative=True, iterations=100, gradient="unrolled"):
    cost = squared(student, teacher)
    scale = cost.std(unbiased=False) if relative else torch.ones((), dtype=cost.dtype)
    if gradient == "envelope":
        scale = scale.detach()
    best = scale * transport(cost / scale, [epsilon] * iterations, gradient == "unrolled")
    return cost.diagonal().mean() - best


CASES = [
    (mmd, {}, PAIRS),
    (mmd, {"scales": 1, "relative": False, "bandwidth": 2.0}, PAIRS),
    (mmd, {"kernel": "laplacian", "scales": 2, "unbiased": True}, PAIRS),
    (mmd, {"kernel": "energy"}, PAIRS),
    (sinkhorn_divergence, {}, PAIRS),
    (sinkhorn_divergence, {"gradient": "envelope"}, PAIRS),
    (sinkhorn_divergence, {"power": 1, "blur": 0.3, "scaling": 0.8, "diameter": 4.0, "unit": False}, PAIRS),
    (sinkhorn_divergence, {"unit": False, "diameter": 10.0, "blur": 1.0, "gradient": "envelope"}, PAIRS),
    (monge_gap, {}, PAIRS),
    (monge_gap, {"epsilon": 2.0, "relative": False, "iterations": 30}, PAIRS),
    (monge_gap, {"epsilon": 0.2, "gradient": "envelope", "iterations": 500}, PAIRS),
]
