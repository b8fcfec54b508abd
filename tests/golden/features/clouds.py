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


def potentials(cost, epsilons, unrolled):
    """Averaged updates of both; then a whole one. As GeomLoss has it the last alone is differentiated, and of g nothing."""
    constant = cost if unrolled else cost.detach()
    f = softmin(epsilons[0], constant, torch.zeros(cost.shape[1], dtype=cost.dtype))
    g = softmin(epsilons[0], constant.T, torch.zeros(cost.shape[0], dtype=cost.dtype))
    for epsilon in epsilons:
        f, g = ((f + softmin(epsilon, constant, g)) / 2, (g + softmin(epsilon, constant.T, f)) / 2)
    return softmin(epsilons[-1], cost, g), softmin(epsilons[-1], constant.T, f)


def sinkhorn_divergence(student, teacher, batch, power=2, blur=0.05, scaling=0.5, diameter=2.0, unit=True,
                        gradient="unrolled"):
    if unit:
        student, teacher = normalize(student), normalize(teacher)
    unrolled = gradient == "unrolled"
    start, end, step = power * math.log(diameter), power * math.log(blur), power * math.log(scaling)
    between = torch.arange(start, end, step, dtype=torch.float64).exp().tolist()
    epsilons = [diameter**power] + between + [blur**power]

    def solve(a, b):
        squares = squared(a, b if unrolled else b.detach())
        return potentials(squares / 2 if power == 2 else root(squares), epsilons, unrolled)

    (f, g), (f_student, _), (_, g_teacher) = solve(student, teacher), solve(student, student), solve(teacher, teacher)
    return (f - f_student).mean() + (g - g_teacher).mean()


def monge_gap(student, teacher, batch, epsilon=0.05, relative=True, iterations=100, gradient="unrolled", centered=False):
    cost = squared(student, teacher)
    if centered:
        cost = cost - cost.mean(0, keepdim=True) - cost.mean(1, keepdim=True) + cost.mean()
    scale = cost.std(unbiased=False) if relative else torch.ones((), dtype=cost.dtype)
    if gradient == "envelope":
        scale = scale.detach()
    f, g = potentials(cost / scale, [epsilon] * iterations, gradient == "unrolled")
    return cost.diagonal().mean() - scale * (f.mean() + g.mean())


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
    (monge_gap, {"centered": True}, PAIRS),
    (monge_gap, {"epsilon": 0.2, "gradient": "envelope", "iterations": 500}, PAIRS),
]
