"""Losses that relate the samples of a batch to each other, and attention, from their definitions."""
import torch
from torch.nn.functional import adaptive_avg_pool2d, normalize, smooth_l1_loss

VECTORS = [((2, 3), (2, 5)), ((5, 4), (5, 7)), ((9, 70), (9, 33)), ((40, 6), (40, 300))]
MAPS = [((1, 2, 2, 3), (1, 2, 2, 1)), ((3, 5, 4, 2), (3, 2, 3, 6)), ((2, 3, 6, 5), (2, 7, 6, 9))]


def similarity(student, teacher, batch):
    def of(features):
        return normalize(features @ features.T, dim=1)

    return ((of(student) - of(teacher)) ** 2).sum() / len(student) ** 2


def pooled(student, teacher):
    """Channels first, and of the size that is the smaller in each direction."""
    student, teacher = student.permute(0, 3, 1, 2), teacher.permute(0, 3, 1, 2)
    size = [min(student.shape[d], teacher.shape[d]) for d in (2, 3)]
    return adaptive_avg_pool2d(student, size), adaptive_avg_pool2d(teacher, size)


def attention(student, teacher, batch, power=2):
    def of(features):
        return normalize(features.abs().pow(power).mean(1).flatten(1))

    student, teacher = pooled(student, teacher)
    return ((of(student) - of(teacher)) ** 2).mean()


def pkt(student, teacher, batch, epsilon=1e-7):
    def of(features):
        unit = features / (features.norm(dim=1, keepdim=True) + epsilon)
        likeness = (unit @ unit.T + 1) / 2
        return likeness / likeness.sum(1, keepdim=True)

    p, q = of(teacher), of(student)
    return (p * torch.log((p + epsilon) / (q + epsilon))).mean()


def rkd(student, teacher, batch, distance_weight=25.0, angle_weight=50.0):
    samples = len(student)
    between = ~torch.eye(samples, dtype=torch.bool)

    def distances(features):
        squares = ((features[:, None] - features[None]) ** 2).sum(2).clamp(min=1e-12)
        distances = torch.zeros(samples, samples, dtype=features.dtype)
        distances[between] = squares[between].sqrt()
        return distances / distances[between].mean()

    def angles(features):
        directions = features[None] - features[:, None]
        lengths = torch.ones(samples, samples, 1, dtype=features.dtype)
        lengths[between] = directions[between].norm(dim=1, keepdim=True)
        directions = directions / lengths
        return torch.einsum("abk,ack->abc", directions, directions)

    return (distance_weight * smooth_l1_loss(distances(student), distances(teacher))
            + angle_weight * smooth_l1_loss(angles(student), angles(teacher)))


def centered(matrix):
    return matrix - matrix.mean(0, keepdim=True) - matrix.mean(1, keepdim=True) + matrix.mean()


def cka(student, teacher, batch):
    k, l = centered(student @ student.T), centered(teacher @ teacher.T)
    return 1 - (k * l).sum() / (k.norm() * l.norm())


def apart(features):
    """Distances, with zeros on the diagonal that have no gradient."""
    between = ~torch.eye(len(features), dtype=torch.bool)
    squares = ((features[:, None] - features[None]) ** 2).sum(2)
    distances = torch.zeros_like(squares)
    distances[between] = squares[between].sqrt()
    return distances


def distance_covariance(student, teacher, batch):
    a, b = centered(apart(student)), centered(apart(teacher))

    def covariance(x, y):
        return (x * y).mean()

    return 1 - covariance(a, b) / torch.sqrt(covariance(a, a) * covariance(b, b))


def topology(student, teacher, batch, normalization="mean"):
    samples = len(student)

    def lengths(features):
        """Kruskal's algorithm: edges from short to long, of which those stay that join two pieces."""
        distances = apart(features)
        pairs = sorted(((i, j) for i in range(samples) for j in range(i)), key=lambda pair: distances[pair].item())
        piece, kept = list(range(samples)), []
        for i, j in pairs:
            if piece[i] != piece[j]:
                kept.append(distances[i, j])
                piece = [piece[i] if other == piece[j] else other for other in piece]
        measure = {"mean": distances.sum() / (samples * (samples - 1)), "maximum": distances.max(), "none": 1}
        return torch.stack(kept) / measure[normalization]

    return ((lengths(student) - lengths(teacher)) ** 2).sum() / samples


def nst(student, teacher, batch):
    student, teacher = (normalize(features.flatten(2), dim=2) for features in pooled(student, teacher))

    def kernel(a, b):
        return (torch.einsum("nkp,ndp->nkd", a, b) ** 2).mean()

    return kernel(student, student) + kernel(teacher, teacher) - 2 * kernel(student, teacher)


def vid(student, teacher, batch):
    student, teacher = pooled(student, teacher)
    channels = teacher.shape[1]
    weights = [batch.own(channels, inputs) for inputs in (student.shape[1], channels, channels)]
    variance = torch.nn.functional.softplus(batch.own(channels)) + 1e-5
    mean = student
    for weight in weights:
        mean = torch.nn.functional.conv2d(mean if weight is weights[0] else mean.relu(), weight[:, :, None, None])
    variance = variance[None, :, None, None]
    return 0.5 * ((mean - teacher) ** 2 / variance + variance.log()).mean()


CASES = [
    (similarity, {}, VECTORS),
    (attention, {}, MAPS),
    (attention, {"power": 1}, MAPS),
    (attention, {"power": 3}, MAPS),
    (pkt, {}, VECTORS),
    (pkt, {"epsilon": 0.01}, VECTORS),
    (rkd, {}, VECTORS),
    (rkd, {"angle_weight": 0.0}, VECTORS),
    (rkd, {"distance_weight": 0.0, "angle_weight": 1.0}, VECTORS),
    (cka, {}, VECTORS),
    (distance_covariance, {}, VECTORS[1:]),
    (topology, {}, VECTORS),
    (topology, {"normalization": "maximum"}, VECTORS),
    (topology, {"normalization": "none"}, VECTORS),
    (nst, {}, MAPS),
    (vid, {}, MAPS),
]
