"""What the scripts in this folder share: skipping, running retort, images that both sides have, and the tally.

A script is called with the paths of retort and of tests/cli's fixture. It exits 77, as meson wants it, where a package
that it needs is absent.
"""
import importlib
import json
import os
import subprocess
import sys
import tempfile

SIDE, CHANNELS, CLASSES, IMAGES = 32, 3, 10, 7
MEAN, STD = 0.5, 0.25  # the fixture's


def need(*packages):
    modules = []
    for package in packages:
        try:
            modules.append(importlib.import_module(package))
        except ImportError as error:
            print(f"skipped: {error}; scripts/interop.sh installs what is needed")
            sys.exit(77)
    return modules


class Bench:
    """A temporary folder with CIFAR-10's files in it, and the two programs."""

    def __init__(self):
        import numpy
        self.retort, self.fixture = (os.path.abspath(path) for path in sys.argv[1:3])
        self.folder = tempfile.TemporaryDirectory()
        self.failures = 0
        random = numpy.random.default_rng(0)
        self.bytes = random.integers(0, 256, (IMAGES, CHANNELS, SIDE, SIDE), dtype=numpy.uint8)
        self.pixels = self.bytes.astype(numpy.float32) / 255
        self.normalised = (self.pixels - numpy.float32(MEAN)) / numpy.float32(STD)
        records = numpy.zeros((IMAGES, 1 + CHANNELS * SIDE * SIDE), numpy.uint8)
        records[:, 0] = numpy.arange(IMAGES) % CLASSES
        records[:, 1:] = self.bytes.reshape(IMAGES, -1)
        records.tofile(self.path("test_batch.bin"))
        for number in range(1, 6):
            records.tofile(self.path(f"data_batch_{number}.bin"))
        self.data = ["--data", "cifar:" + self.folder.name, "--split", "test"]

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run(self, *command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def models(self):
        return [line.split()[0] for line in self.run(self.retort, "list", "models").splitlines()[2:] if line]

    def weights(self, model):
        """A file with a network that lets something through every layer; None where 32 x 32 is too small for it."""
        path = self.path(model + ".safetensors")
        made = subprocess.run([self.fixture, "weights", path, "lively", model, str(SIDE), str(SIDE), str(CHANNELS),
                               str(CLASSES)], capture_output=True, text=True)
        if made.returncode != 0:
            print(f"{model}: not at {SIDE} x {SIDE}: {made.stderr.strip()}")
            return None
        return path

    def export(self, weights, *options):
        return self.measure("export", "--weights", weights, *self.data, "--force", *options)

    def measure(self, *command):
        """What a command of retort's prints as JSON."""
        return json.loads(self.run(self.retort, *command))

    def logits(self, weights):
        import numpy
        path = self.path("logits.npy")
        self.run(self.retort, "predict", "--weights", weights, *self.data, "--logits", path, "--force")
        return numpy.load(path)

    def compare(self, what, found, expected, bound=1e-4):
        """`bound` is relative to the largest logit; two float32 runtimes that add up in different orders are far below."""
        import numpy
        largest = float(numpy.abs(expected).max())
        difference = float(numpy.abs(found - expected).max())
        good = found.shape == expected.shape and largest > 0 and difference <= bound * largest
        print(f"{what:44s} largest logit {largest:9.3g}, difference {difference:9.3g}{'' if good else '   TOO LARGE'}")
        self.failures += not good

    def finish(self):
        print(f"{self.failures} failures")
        sys.exit(self.failures > 0)
