"""Exported folders as timm loads them: its logits are Retort's own, and its settings for preprocessing ours."""
from common import CHANNELS, CLASSES, MEAN, SIDE, STD, Bench, need

torch, timm, numpy = need("torch", "timm", "numpy")
bench = Bench()
torch.set_num_threads(1)
compared = 0
EVERY = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2", "mobilenet_v3_small",
         "mobilenet_v3_large", "efficientnet_b0", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "vit_tiny",
         "vit_small", "vit_b_16", "deit_tiny")

for model in bench.models():
    if model not in EVERY:
        continue
    weights = bench.weights(model)
    folder = bench.path(model)
    bench.export(weights, "--timm-dir", folder)
    network = timm.create_model("local-dir:" + folder, pretrained=True).eval()
    assert network.num_classes == CLASSES
    settings = network.pretrained_cfg
    assert tuple(settings["input_size"]) == (CHANNELS, SIDE, SIDE), settings
    assert tuple(settings["mean"]) == (MEAN,) * CHANNELS and tuple(settings["std"]) == (STD,) * CHANNELS, settings
    with torch.no_grad():
        found = network(torch.from_numpy(bench.normalised)).numpy()
    bench.compare(model + " timm", found, bench.logits(weights))
    compared += 1

assert compared == len(EVERY)
bench.finish()
