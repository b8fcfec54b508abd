"""torch.nn.Sequential, saved by torch.save(), as a network of one's own: names fit, and the logits are PyTorch's."""
import json

from common import CHANNELS, CLASSES, SIDE, Bench, need

torch, = need("torch")
from torch import nn

NETWORKS = {
    "plain": ([{"conv": {"channels": 8, "kernel": 3, "padding": 1}}, {"batch_norm": {}}, {"relu": {}},
               {"max_pool": {"kernel": 2}}, {"conv": {"channels": 16, "kernel": 3, "stride": 2, "groups": 4, "bias": False}},
               {"batch_norm": {"eps": 0.001}}, {"gelu": {}}, {"avg_pool": {"kernel": 3, "padding": 1}}, {"flatten": {}},
               {"dropout": {}}, {"linear": {"features": 20}}, {"silu": {}}, {"linear": {"features": CLASSES}}],
              lambda: nn.Sequential(nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                    nn.Conv2d(8, 16, 3, stride=2, groups=4, bias=False), nn.BatchNorm2d(16, eps=0.001),
                                    nn.GELU(), nn.AvgPool2d(3, padding=1), nn.Flatten(), nn.Dropout(), nn.Linear(144, 20),
                                    nn.SiLU(), nn.Linear(20, CLASSES))),
    "nested": ([{"block": {"layers": [{"conv": {"channels": 6, "kernel": 5, "stride": 2}}, {"hard_swish": {}}]}},
                {"repeat": {"times": 2, "layers": [{"conv": {"channels": 6, "kernel": 3, "dilation": 2, "padding": 1}},
                                                   {"sigmoid": {}}]}},
                {"resize": {"height": 2, "width": 2}}, {"flatten": {}}, {"linear": {"features": CLASSES, "bias": False}}],
               lambda: nn.Sequential(nn.Sequential(nn.Conv2d(CHANNELS, 6, 5, 2), nn.Hardswish()),
                                     nn.Sequential(*(nn.Sequential(nn.Conv2d(6, 6, 3, dilation=2, padding=1), nn.Sigmoid())
                                                     for _ in range(2))),
                                     nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, CLASSES, bias=False))),
    "perceptron": ([{"flatten": {}}, {"linear": {"features": 30}}, {"relu6": {}}, {"linear": {"features": CLASSES}}],
                   lambda: nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * SIDE * SIDE, 30), nn.ReLU6(),
                                         nn.Linear(30, CLASSES))),
}

bench = Bench()
images = torch.from_numpy(bench.normalised)
for name, (layers, make) in NETWORKS.items():
    torch.manual_seed(0)
    network = make()
    for _ in range(3):
        network(images)  # running statistics of their own
    torch.save(network.eval().state_dict(), bench.path("sequential.pth"))
    bench.run(bench.retort, "predict", "--model", "layers", "--set", "layers=" + json.dumps(layers, separators=(",", ":")),
              "--weights", bench.path("sequential.pth"), *bench.data, "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25",
              "--logits", bench.path("logits.npy"), "--force")
    import numpy
    with torch.no_grad():
        bench.compare(name, numpy.load(bench.path("logits.npy")), network(images).numpy())

bench.finish()
