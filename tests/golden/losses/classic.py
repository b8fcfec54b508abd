"""Cross-entropy and the Kullback-Leibler divergence, from their definitions."""
import torch


def log_softmax(logits):
    return torch.log_softmax(logits, dim=1)


def cross_entropy(student, teacher, labels, label_smoothing=0.0):
    classes = student.shape[1]
    target = torch.nn.functional.one_hot(labels, classes).double() * (1 - label_smoothing) + label_smoothing / classes
    return -(target * log_softmax(student)).sum(1).mean()


def kl(student, teacher, labels, temperature=4.0, temperature_squared=True):
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    loss = (log_p.exp() * (log_p - log_q)).sum(1).mean()
    return loss * temperature**2 if temperature_squared else loss


CASES = [
    (cross_entropy, {}),
    (cross_entropy, {"label_smoothing": 0.1}),
    (cross_entropy, {"label_smoothing": 0.75}),
    (kl, {}),
    (kl, {"temperature": 1.0}),
    (kl, {"temperature": 2.5, "temperature_squared": False}),
]
