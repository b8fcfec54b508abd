"""Files of torchvision's and timm's networks as Retort reads them: its logits are PyTorch's. Each network is saved in one
of the forms that people leave behind, and resnet18 in all: a state_dict, one in a training checkpoint of timm's with its
argparse.Namespace, one of DataParallel in the older stream format, and safetensors."""
import argparse

from common import CLASSES, IMAGES, MEAN, SIDE, STD, Bench, need

torch, torchvision, timm, safetensors, numpy = need("torch", "torchvision", "timm", "safetensors", "numpy")
from safetensors.torch import save_file

bench = Bench()
torch.set_num_threads(1)
torch.manual_seed(0)

TIMM = {"vit_tiny": "vit_tiny_patch16_224", "vit_small": "vit_small_patch16_224", "vit_b_16": "vit_base_patch16_224",
        "deit_tiny": "deit_tiny_patch16_224"}
CIFAR_VGG = ("vgg11", "vgg13", "vgg16", "vgg19")  # torchvision has others of these names


def theirs(model):
    """The network with this name, or None. Norms are as after some training, so that they do something."""
    if model in TIMM:
        network = timm.create_model(TIMM[model], img_size=SIDE, num_classes=CLASSES)
    elif model not in CIFAR_VGG and model in torchvision.models.list_models(torchvision.models):
        network = torchvision.models.get_model(model, num_classes=CLASSES)
    else:
        return None
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def state_dict(network, path):
    torch.save(network.state_dict(), path)


def timm_checkpoint(network, path):
    settings = argparse.Namespace(model="theirs", lr=0.1, img_size=None, mean=[0.5] * 3, hflip=0.5, amp=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    torch.save({"epoch": 3, "arch": "theirs", "state_dict": network.state_dict(), "optimizer": optimizer.state_dict(),
                "version": 2, "args": settings, "metric": 66.5}, path)


def data_parallel_stream(network, path):
    state = {"module." + name: tensor for name, tensor in network.state_dict().items()}
    torch.save({"net": state, "acc": 66.5}, path, _use_new_zipfile_serialization=False)


def safetensors_file(network, path):
    save_file(network.state_dict(), path)


forms = [(state_dict, ".pth"), (timm_checkpoint, ".pth.tar"), (data_parallel_stream, ".th"),
         (safetensors_file, ".safetensors")]
normalisation = [f"--{name}={','.join([str(number)] * 3)}" for name, number in (("mean", MEAN), ("std", STD))]
compared = 0
for model in bench.models():
    network = theirs(model)
    if network is None:
        continue
    with torch.no_grad():
        expected = network(torch.from_numpy(bench.normalised)).numpy()
    for save, suffix in forms if model == "resnet18" else [forms[compared % len(forms)]]:
        path = bench.path("theirs" + suffix)
        save(network, path)
        logits = bench.path("logits.npy")
        bench.run(bench.retort, "predict", "--model", model, "--weights", path, *bench.data, *normalisation, "--logits",
                  logits, "--force")
        bench.compare(f"{model} {save.__name__}", numpy.load(logits), expected)
        assert expected.shape == (IMAGES, CLASSES)
    compared += 1

assert compared >= 20
bench.finish()
