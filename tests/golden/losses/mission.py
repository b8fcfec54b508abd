"""The alpha-divergence, batch-wise Sinkhorn distillation and Plackett-Luce distillation, from their definitions."""
import torch


def alpha(student, teacher, labels, temperature=1.0, temperature_squared=False, alpha=0.5, adaptive=False,
          alpha_minimum=-1.0, alpha_maximum=1.0, clip=5.0):
    q, p = (torch.softmax(logits / temperature, 1) for logits in (student, teacher))
    if adaptive:
        loss = adaptive_alpha(p, q, alpha_minimum, alpha_maximum, clip).mean()
    elif alpha == 0:
        loss = (q * torch.log(q / p)).sum(1).mean()
    elif alpha == 1:
        loss = (p * torch.log(p / q)).sum(1).mean()
    else:
        loss = (((p**alpha * q ** (1 - alpha)).sum(1) - 1) / (alpha * (alpha - 1))).mean()
    return loss * temperature**2 if temperature_squared else loss


def adaptive_alpha(p, q, alpha_minimum, alpha_maximum, clip):
    """The value of the chosen divergence, with the gradient of AlphaNet's surrogate -sum_k q_k rho_k log q_k."""

    def divergence(a):
        u = p / q
        if abs(a - 1) < 1e-3:
            return (p * torch.log(u)).sum(1), u
        if abs(a) < 1e-3:
            u = u.clamp(0, clip)
            return -(q * torch.log(u)).sum(1), torch.log(u) - 1
        power = (u**a).clamp(0, clip)
        return (q * (power - 1)).sum(1) / (a * (a - 1)), power / a

    (least, least_weights), (most, most_weights) = divergence(alpha_minimum), divergence(alpha_maximum)
    value = torch.where(least > most, least, most).detach()
    weights = torch.where((least > most)[:, None], least_weights, most_weights).detach()
    surrogate = -(q.detach() * weights * torch.log(q)).sum(1)
    return value + surrogate - surrogate.detach()


def sinkhorn(student, teacher, labels, temperature=2.0, temperature_squared=False, epsilon=0.1, iterations=20,
             gradient="unrolled", batch_mean=False):
    q, p = (torch.softmax(logits / temperature, 1) for logits in (student, teacher))
    costs = (q[:, None] - p[None]).abs().sum(2)
    plan = torch.exp(-costs / epsilon)
    for _ in range(iterations):
        plan = plan / plan.sum(1, keepdim=True)
        plan = plan / plan.sum(0, keepdim=True)
    if gradient == "envelope":
        plan = plan.detach()
    loss = (plan * costs).sum()
    loss = loss / len(student) if batch_mean else loss
    return loss * temperature**2 if temperature_squared else loss


def plackett_luce(student, teacher, labels, temperature=1.0, label_floor=0.0):
    total = 0
    for z, v, label in zip(student, teacher, labels.tolist()):
        others = [k for k in range(len(v)) if k != label]
        order = [label] + sorted(others, key=lambda k: (-v[k].item(), k))
        weights = torch.softmax(v / temperature, 0)[order].tolist()
        weights[0] = max(weights[0], label_floor)
        for k, weight in enumerate(weights):
            total = total + weight * (torch.logsumexp(z[order[k:]], 0) - z[order[k]])
    return total / len(student)


CASES = [
    (alpha, {}),
    (alpha, {"alpha": 0.0, "temperature": 2.0}),
    (alpha, {"alpha": 1.0, "temperature": 4.0, "temperature_squared": True}),
    (alpha, {"alpha": 2.0, "temperature": 4.0}),
    (alpha, {"alpha": -1.0, "temperature": 3.0}),
    (alpha, {"adaptive": True}),
    (alpha, {"adaptive": True, "temperature": 4.0}),
    (alpha, {"adaptive": True, "temperature": 8.0, "alpha_minimum": 0.0, "alpha_maximum": 2.0}),
    (alpha, {"adaptive": True, "temperature": 4.0, "alpha_minimum": -0.5, "clip": 1.5}),
    (sinkhorn, {}),
    (sinkhorn, {"temperature": 4.0, "epsilon": 0.03, "iterations": 50}),
    (sinkhorn, {"temperature": 4.0, "epsilon": 0.01, "iterations": 10}),
    (sinkhorn, {"temperature": 4.0, "epsilon": 1.0, "iterations": 1, "batch_mean": True}),
    (sinkhorn, {"temperature": 3.0, "gradient": "envelope", "temperature_squared": True}),
    (plackett_luce, {}),
    (plackett_luce, {"temperature": 4.0}),
    (plackett_luce, {"temperature": 0.5, "label_floor": 0.3}),
]
