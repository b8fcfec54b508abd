"""Writes tests/golden/torch: files of torch.save() in all its forms, and some that must be refused.

    /usr/bin/python3 tests/golden/make_torch_files.py

Every number in them is an index plus a constant, so that tests know what must come out.
"""

import argparse
import collections
import os
import pathlib
import pickle
import zipfile

import torch

folder = pathlib.Path(__file__).parent / "torch"


def state_dict():
    base = torch.arange(8.0)
    state = collections.OrderedDict()
    state["module.fc.weight"] = torch.arange(6.0).view(2, 3)
    state["module.fc.bias"] = torch.nn.Parameter(torch.arange(2.0))
    state["transposed"] = torch.arange(6.0).view(2, 3).t()
    state["channels_last"] = torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)
    state["part"] = base[2:5]
    state["every_other"] = base[1::2]
    state["double"] = torch.arange(3.0).double()
    state["half"] = torch.arange(3.0).half()
    state["bfloat16"] = torch.arange(3.0).bfloat16()
    state["steps"] = torch.tensor(7)
    state["bytes"] = torch.arange(3).byte()
    state["flags"] = torch.tensor([True, False])
    state["empty"] = torch.zeros(0, 3)
    state["version"] = 2
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def checkpoint():
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
    return {"epoch": 3, "best_acc1": 66.5, "arch": "resnet8", "args": None, "classes": ["ant", "bee"],
            "size": torch.Size([3, 32]), "large": 1 << 70, "negative": -5, "debug": False, "state_dict": state_dict(),
            "optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict()}


def save(name, what, stream=False, protocol=2):
    torch.save(what, folder / name, pickle_protocol=protocol, _use_new_zipfile_serialization=not stream)


def rewrite(name, entries):
    """model.pth with other entries, or more of them."""
    original = zipfile.ZipFile(folder / "model.pth")
    entries = {**{entry: original.read(entry) for entry in original.namelist()}, **entries}
    with zipfile.ZipFile(folder / name, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(entry), content)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/retort-was-here",)


def main():
    folder.mkdir(exist_ok=True)
    save("zip.pth", checkpoint())
    torch.serialization.location_tag = lambda storage: "cuda:0"  # as saved from a GPU
    save("stream.th", checkpoint(), stream=True)
    save("zip_cuda.pt", state_dict())
    save("stream_protocol4.th", state_dict(), stream=True, protocol=4)
    save("model.pth", {"epoch": 1, "model": {"fc.weight": torch.arange(6.0).view(2, 3)}})
    save("only_one.pth", {"student_at_last": {"fc.weight": torch.arange(6.0).view(2, 3)}, "epoch": 1})
    save("two.pth", {"student": {"a": torch.ones(1)}, "teacher": {"a": torch.ones(1)}})
    save("tensor.pth", torch.ones(1))
    save("no_tensors.pth", {"epoch": 1, "lr": 0.1})
    save("whole_network.pth", torch.nn.Linear(1, 1))
    settings = argparse.Namespace(lr=0.1, img_size=None, mean=[0.5], hflip=True)
    save("namespace.th", {"args": argparse.Namespace(lr=0.1), "model": {"a": torch.ones(1)}}, stream=True)
    save("timm.pth.tar", {"epoch": 3, "arch": "resnet8", "state_dict": state_dict(), "optimizer": {"state": {}},
                          "version": 2, "args": settings, "metric": 66.5})
    save("namespace_with_code.pth", {"args": argparse.Namespace(hook=Hostile()), "model": {"a": torch.ones(1)}})
    save("namespace_with_class.pth", {"args": argparse.Namespace(folder=pathlib.PurePosixPath("a")),
                                      "model": {"a": torch.ones(1)}})
    save("hostile.pth", {"model": {"a": torch.ones(1)}, "hook": Hostile()})
    save("hostile.th", {"model": {"a": torch.ones(1)}, "hook": Hostile()}, stream=True)
    save("expanded.pth", {"a": torch.ones(1).expand(100000)})
    (folder / "bare.pkl").write_bytes(pickle.dumps({"a": 1}, 2))
    rewrite("big_endian.pth", {"model/byteorder": b"big"})
    pickled = zipfile.ZipFile(folder / "model.pth").read("model/data.pkl")
    rewrite("short_storage.pth", {"model/data.pkl": pickled.replace(b"K\x06t", b"K\x07t")})  # 7 elements, not 6
    with zipfile.ZipFile(folder / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("model/data.pkl"), b"x" * 100, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("readme.txt"), b"no weights")


main()
