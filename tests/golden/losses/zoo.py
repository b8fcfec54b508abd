"""Distillation losses on logits that are not divergences of the whole distributions, from their definitions."""
import torch


def others_of(logits, labels):
    """Log-probabilities over the classes other than the label, [samples, classes - 1]."""
    rows = [torch.cat([row[:label], row[label + 1:]]) for row, label in zip(logits, labels)]
    return torch.log_softmax(torch.stack(rows), dim=1)


def kl_of(log_p, log_q):
    return (log_p.exp() * (log_p - log_q)).sum(1)


def at(rows, labels):
    return rows[torch.arange(len(labels)), labels]


def dkd(student, teacher, labels, temperature=4.0, temperature_squared=True, alpha=1.0, beta=8.0):
    student, teacher = student / temperature, teacher / temperature
    pairs = []
    for logits in (student, teacher):
        sure = at(torch.log_softmax(logits, dim=1), labels)
        rest = torch.logsumexp(torch.stack([torch.cat([row[:label], row[label + 1:]]).logsumexp(0)
                                            for row, label in zip(logits, labels)])[:, None], dim=1)
        pairs.append(torch.stack([sure, rest - logits.logsumexp(1)], dim=1))
    target = kl_of(pairs[1], pairs[0])
    others = kl_of(others_of(teacher, labels), others_of(student, labels))
    return (alpha * target + beta * others).mean() * (temperature**2 if temperature_squared else 1)


def correlation(a, b):
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)


def dist(student, teacher, labels, temperature=4.0, temperature_squared=True, beta=1.0, gamma=1.0):
    q, p = (torch.softmax(x / temperature, dim=1) for x in (student, teacher))
    loss = beta * (1 - correlation(q, p)).mean() + gamma * (1 - correlation(q.T, p.T)).mean()
    return loss * (temperature**2 if temperature_squared else 1)


def nkd(student, teacher, labels, temperature=1.0, temperature_squared=False, gamma=1.5):
    target = -at(torch.softmax(teacher, dim=1), labels) * at(torch.log_softmax(student, dim=1), labels)
    log_p, log_q = (others_of(logits / temperature, labels) for logits in (teacher, student))
    others = -(log_p.exp() * log_q).sum(1) * (temperature**2 if temperature_squared else 1)
    return (target + gamma * others).mean()


def mse_logits(student, teacher, labels, centered=False):
    difference = student - teacher
    if centered:
        difference = difference - difference.mean(1, keepdim=True)
    return (difference**2).mean(1).mean()


def logit_standardization(student, teacher, labels, temperature=2.0, temperature_squared=True):
    log_p, log_q = (torch.log_softmax((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-7) / temperature, dim=1)
                    for x in (teacher, student))
    return kl_of(log_p, log_q).mean() * (temperature**2 if temperature_squared else 1)


def soft_target(student, teacher, labels, temperature=1.0, temperature_squared=False):
    loss = -(torch.softmax(teacher / temperature, dim=1) * torch.log_softmax(student / temperature, dim=1)).sum(1).mean()
    return loss * (temperature**2 if temperature_squared else 1)


def ofa(student, teacher, labels, temperature=1.0, temperature_squared=False, gamma=1.0, form="code"):
    p = torch.softmax(teacher / temperature, dim=1)
    hot = torch.nn.functional.one_hot(labels, student.shape[1]).double()
    if form == "code":
        weights = (p + hot) ** gamma - hot
    else:
        weights = torch.where(hot > 0, (1 + p) ** gamma, p)
    loss = -(weights * torch.log_softmax(student / temperature, dim=1)).sum(1).mean()
    return loss * (temperature**2 if temperature_squared else 1)


def bd_kd(student, teacher, labels, temperature=4.0, temperature_squared=False, beta=2.0):
    log_p, log_q = (torch.log_softmax(x / temperature, dim=1) for x in (teacher, student))
    surer = torch.distributions.Categorical(logits=log_q).entropy() <= torch.distributions.Categorical(logits=log_p).entropy()
    forward = torch.where(surer, beta, 1.0)
    reverse = torch.where(surer, 1.0, beta)
    loss = (forward * kl_of(log_p, log_q) + reverse * kl_of(log_q, log_p)).mean()
    return loss * (temperature**2 if temperature_squared else 1)


def ttm(student, teacher, labels, temperature=4.0, weighted=False):
    powers = torch.softmax(teacher, dim=1) ** (1 / temperature)
    p = powers / powers.sum(1, keepdim=True)
    loss = kl_of(p.log(), torch.log_softmax(student, dim=1))
    return (loss * powers.sum(1) if weighted else loss).mean()


def mlkd(student, teacher, labels, temperatures=(2.0, 3.0, 4.0, 5.0, 6.0), temperature_squared=False, alpha=1.0, beta=1.0,
         gamma=1.0):
    samples, classes = student.shape
    total = 0
    for temperature in temperatures:
        q, p = (torch.softmax(x / temperature, dim=1) for x in (student, teacher))
        divergence = kl_of(p.log(), q.log()).mean() * (temperature**2 if temperature_squared else 1)
        total = total + alpha * divergence + beta * ((q.T @ q - p.T @ p) ** 2).sum() / classes
        total = total + gamma * ((q @ q.T - p @ p.T) ** 2).sum() / samples
    return total


MORE_SAMPLES = [(2, 3), (5, 10), (3, 100)]  # one has no correlations over the batch
MORE_CLASSES = [(1, 3), (5, 10), (3, 100)]  # two standardized logits are always the same

CASES = [
    (dkd, {}),
    (dkd, {"temperature": 1.0, "beta": 0.5}),
    (dkd, {"alpha": 2.5, "beta": 2.0, "temperature_squared": False}),
    (dist, {}, MORE_SAMPLES),
    (dist, {"temperature": 1.0, "beta": 2.0}, MORE_SAMPLES),
    (dist, {"temperature": 2.0, "gamma": 0.5, "temperature_squared": False}, MORE_SAMPLES),
    (nkd, {}),
    (nkd, {"temperature": 3.0, "temperature_squared": True, "gamma": 3.5}),
    (nkd, {"temperature": 0.5}),
    (mse_logits, {}),
    (mse_logits, {"centered": True}),
    (logit_standardization, {}, MORE_CLASSES),
    (logit_standardization, {"temperature": 0.5}, MORE_CLASSES),
    (logit_standardization, {"temperature": 4.0, "temperature_squared": False}, MORE_CLASSES),
    (soft_target, {}),
    (soft_target, {"temperature": 4.0}),
    (soft_target, {"temperature": 2.0, "temperature_squared": True}),
    (ofa, {}),
    (ofa, {"gamma": 1.4, "temperature": 2.0}),
    (ofa, {"gamma": 1.2, "form": "paper"}),
    (bd_kd, {}),
    (bd_kd, {"beta": 0.5, "temperature": 1.0}),
    (bd_kd, {"beta": 3.0, "temperature": 2.0, "temperature_squared": True}),
    (ttm, {}),
    (ttm, {"temperature": 2.0, "weighted": True}),
    (ttm, {"temperature": 0.5}),
    (mlkd, {}),
    (mlkd, {"temperatures": [4.0], "temperature_squared": True, "beta": 2.0, "gamma": 3.0}),
    (mlkd, {"temperatures": [1.0, 2.0], "alpha": 0.0}),
    (mlkd, {"gamma": 3.0}, [(12, 5)]),
]
