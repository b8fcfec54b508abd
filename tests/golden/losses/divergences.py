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


@divergence
def renyi(p, q, alpha=0.5):
    if alpha == 1:
        return relative_entropy(p, q)
    if alpha == 0:
        return relative_entropy(q, p)
    return (p**alpha * q ** (1 - alpha)).sum(1).log() / (alpha * (alpha - 1))


@divergence
def hellinger(p, q, half=False):
    return ((p.sqrt() - q.sqrt()) ** 2).sum(1) * (0.5 if half else 1)


@divergence
def total_variation(p, q):
    return (p - q).abs().sum(1) / 2


@divergence
def chi_square(p, q, form="pearson"):
    return ((p - q) ** 2 / (q if form == "pearson" else p)).sum(1)


@divergence
def cauchy_schwarz(p, q, half=False):
    squared_cosine = (p * q).sum(1) ** 2 / ((p * p).sum(1) * (q * q).sum(1))
    return -squared_cosine.log() * (0.5 if half else 1)


@divergence
def holder(p, q, form="proper", alpha=1.5, gamma=2.0):
    beta = alpha / (alpha - 1)
    if form == "proper":
        product = p ** (gamma / alpha) * q ** (gamma / beta)
        powers = (p**gamma).sum(1) ** (1 / alpha) * (q**gamma).sum(1) ** (1 / beta)
    else:
        product, powers = p * q, (p**alpha).sum(1) ** (1 / alpha) * (q**beta).sum(1) ** (1 / beta)
    return -(product.sum(1) / powers).log()


@divergence
def log_variance(p, q, under="teacher"):
    weights = {"teacher": p, "student": q.detach(), "uniform": torch.full_like(p, 1 / p.shape[1])}[under]
    log_ratio = q.log() - p.log()
    mean = (weights * log_ratio).sum(1, keepdim=True)
    return (weights * (log_ratio - mean) ** 2).sum(1)


@divergence
def f_divergence(p, q, generator="u*log(u)"):
    def on_float64(function):
        return lambda *operands: function(*(torch.as_tensor(x, dtype=torch.float64) for x in operands))

    functions = {"log": torch.log, "exp": torch.exp, "sqrt": torch.sqrt, "abs": torch.abs, "max": torch.maximum}
    names = {name: on_float64(function) for name, function in functions.items()} | {"u": p / q}
    return (q * eval(generator.replace("^", "**"), names)).sum(1)


def generalized_cauchy_schwarz(student, teachers, labels, temperature=1.0, temperature_squared=False):
    distributions = [torch.softmax(logits / temperature, dim=1) for logits in (student, *teachers)]
    count = len(distributions)
    product, powers = 1, 1
    for distribution in distributions:
        product = product * distribution
        powers = powers * (distribution**count).sum(1) ** (1 / count)
    value = -(product.sum(1) / powers).log().mean()
    return value * temperature**2 if temperature_squared else value


generalized_cauchy_schwarz.teachers = 2

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
    (renyi, {}),
    (renyi, {"alpha": 1.0, "temperature": 2.0}),
    (renyi, {"alpha": 0.0}),
    (renyi, {"alpha": -1.5, "temperature": 4.0, "temperature_squared": True}),
    (renyi, {"alpha": 3.0}),
    (hellinger, {}),
    (hellinger, {"temperature": 4.0, "temperature_squared": True}),
    (hellinger, {"half": True, "temperature": 0.5}),
    (total_variation, {}),
    (total_variation, {"temperature": 2.0}),
    (total_variation, {"temperature": 4.0, "temperature_squared": True}),
    (chi_square, {}),
    (chi_square, {"temperature": 4.0, "temperature_squared": True}),
    (chi_square, {"form": "neyman"}),
    (chi_square, {"form": "neyman", "temperature": 4.0}),
    (cauchy_schwarz, {}),
    (cauchy_schwarz, {"temperature": 4.0, "temperature_squared": True}),
    (cauchy_schwarz, {"half": True, "temperature": 2.0}),
    (generalized_cauchy_schwarz, {}),
    (generalized_cauchy_schwarz, {"temperature": 2.0}),
    (generalized_cauchy_schwarz, {"temperature": 4.0, "temperature_squared": True}),
    (holder, {}),
    (holder, {"alpha": 3.0, "gamma": 0.5, "temperature": 2.0}),
    (holder, {"form": "pseudo"}),
    (holder, {"form": "pseudo", "alpha": 4.0, "temperature": 4.0, "temperature_squared": True}),
    (log_variance, {}),
    (log_variance, {"temperature": 4.0, "temperature_squared": True}),
    (log_variance, {"under": "student"}),
    (log_variance, {"under": "uniform", "temperature": 2.0}),
    (f_divergence, {}),
    (f_divergence, {"generator": "(u*log(u)-(u+1)*log((u+1)/2))/2", "temperature": 4.0, "temperature_squared": True}),
    (f_divergence, {"generator": "(u-1)^2", "temperature": 2.0}),
    (f_divergence, {"generator": "(1+u)*log((1+u)/u)-2*log(2)"}),
    (f_divergence, {"generator": "max(u,1)-1+(sqrt(u)-1)^2+abs(u-1)/3"}),
    (f_divergence, {"generator": "exp(-u)-exp(-1)"}),
    (f_divergence, {"generator": "u^1.5-1", "temperature": 2.0}),
]
