"""Losses with trained embeddings and memories, from their definitions."""
import torch
from torch.nn.functional import normalize

from philox import below

PAIRS = [((1, 4), (1, 3)), ((2, 3), (2, 5)), ((5, 4), (5, 7)), ((9, 30), (9, 12))]


def embedding(size, dimension, batch):
    return batch.own(dimension, size), batch.own(dimension)


def others(batch, negatives):
    """For each sample the places of its negatives, none of them its own."""
    def draw(n, k):
        for attempt in range(32):
            place = below(batch.seed, 7, attempt, batch.step, n * negatives + k, batch.training_samples)
            if place != batch.indices[n]:
                return place
        return place

    return torch.tensor([[draw(n, k) for k in range(negatives)] for n in range(len(batch.indices))])


def correlation(student, teacher, batch, dimension=128, unit=False):
    weight_s, bias_s = embedding(student.shape[1], dimension, batch)
    weight_t, bias_t = embedding(teacher.shape[1], dimension, batch)
    embedded_s, embedded_t = student @ weight_s.T + bias_s, teacher @ weight_t.T + bias_t
    if unit:
        embedded_s, embedded_t = normalize(embedded_s), normalize(embedded_t)
    delta = (embedded_s - embedded_t).abs()
    if len(student) == 1:
        return delta.sum() * 0
    return (delta[:-1] * delta[1:]).sum(1).mean()


def crd(student, teacher, batch, dimension=128, negatives=1024, temperature=0.07):
    weight_s, bias_s = embedding(student.shape[1], dimension, batch)
    weight_t, bias_t = embedding(teacher.shape[1], dimension, batch)
    memory_s = batch.own(batch.training_samples, dimension, trained=False)
    memory_t = batch.own(batch.training_samples, dimension, trained=False)
    batch.own(batch.training_samples, trained=False)  # labels that have been seen: here none is a whole number
    log_normalizer = batch.own(1, trained=False)
    if log_normalizer <= 0:
        mean = torch.exp(memory_s @ memory_t.T / temperature).mean()
        log_normalizer = torch.log(batch.training_samples * mean).float().double()
    s, t = normalize(student @ weight_s.T + bias_s), normalize(teacher @ weight_t.T + bias_t)
    places = torch.cat([batch.indices[:, None], others(batch, negatives)], dim=1)
    share = negatives / batch.training_samples
    noise = share + 1e-7

    def direction(memory, anchor):
        out = torch.exp(torch.einsum("nkd,nd->nk", memory[places], anchor) / temperature - log_normalizer)
        positive = torch.log(out[:, 0] / (out[:, 0] + noise))
        negative = torch.log(share / (out[:, 1:] + noise)).sum(1)
        return -(positive + negative).mean()

    return direction(memory_t, s) + direction(memory_s, t)


def proximal_plan(cost, beta, iterations):
    rows, columns = cost.shape
    kernel, plan = torch.exp(-cost / beta), torch.ones_like(cost)
    sigma = torch.ones(columns, dtype=cost.dtype) / columns
    for _ in range(iterations):
        q = kernel * plan
        delta = 1 / (rows * (q @ sigma))
        sigma = 1 / (columns * (q.T @ delta))
        plan = delta[:, None] * q * sigma[None]
    return plan


def wasserstein_contrastive(student, teacher, batch, dimension=128, global_weight=0.8, local_weight=0.05,
                            normalization="l2", negatives_from="batch", negatives=1024, negative_weight=1.0, beta=0.5,
                            iterations=50, gradient="unrolled"):
    samples = len(student)
    weight_s = batch.own(dimension, student.shape[1])
    weight_t = batch.own(dimension, teacher.shape[1])
    if normalization == "l2":
        s = normalize(student @ weight_s.T + batch.own(dimension))
        t = normalize(teacher @ weight_t.T + batch.own(dimension))
    else:
        def spectral(weight, features):
            direction = normalize(batch.own(features.shape[1], trained=False), dim=0)
            left = normalize(weight @ direction, dim=0).detach()
            return normalize(features) @ weight.T / (left @ weight @ direction)

        s, t = spectral(weight_s, student), spectral(weight_t, teacher)
    dots = s @ t.T
    loss = -dots.diagonal().mean()
    if negatives_from == "memory":
        memory_s = batch.own(batch.training_samples, dimension, trained=False)
        memory_t = batch.own(batch.training_samples, dimension, trained=False)
        places = others(batch, negatives)
        for memory, anchor in ((memory_t, s), (memory_s, t)):
            loss = loss + negative_weight / 2 * torch.einsum("nkd,nd->nk", memory[places], anchor).mean()
    elif samples > 1:
        loss = loss + negative_weight * (dots.sum() - dots.trace()) / (samples * (samples - 1))
    cost = 1 - normalize(s) @ normalize(t).T
    plan = proximal_plan(cost, beta, iterations)
    local = ((plan if gradient == "unrolled" else plan.detach()) * cost).sum()
    return global_weight * loss + local_weight * local


CASES = [
    (correlation, {"dimension": 6}, PAIRS),
    (correlation, {"dimension": 1}, PAIRS),
    (correlation, {}, PAIRS),
    (correlation, {"dimension": 6, "unit": True}, PAIRS),
    (crd, {"dimension": 6, "negatives": 8}, PAIRS),
    (crd, {"dimension": 5, "negatives": 30, "temperature": 0.5}, PAIRS),
    (crd, {"dimension": 16, "negatives": 3, "temperature": 0.2}, PAIRS),
    (wasserstein_contrastive, {}, PAIRS[:2]),
    (wasserstein_contrastive, {"dimension": 6, "local_weight": 1.0}, PAIRS),
    (wasserstein_contrastive, {"dimension": 6, "local_weight": 1.0, "gradient": "envelope", "iterations": 7}, PAIRS),
    (wasserstein_contrastive, {"dimension": 5, "global_weight": 0.0, "local_weight": 1.0, "beta": 0.1,
                               "iterations": 200}, PAIRS),
    (wasserstein_contrastive, {"dimension": 7, "local_weight": 0.5, "normalization": "spectral"}, PAIRS),
    (wasserstein_contrastive, {"dimension": 6, "negatives_from": "memory", "negatives": 9, "negative_weight": 2.0},
     PAIRS),
    (wasserstein_contrastive, {"dimension": 6, "normalization": "spectral", "negatives_from": "memory", "negatives": 5,
                               "local_weight": 0.0}, PAIRS),
]
