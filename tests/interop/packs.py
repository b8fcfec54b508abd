"""Packs as datasets/pack_file.h describes them, read here with numpy alone: their pixels are Pillow's, of the files and
resized; and the csv reader finds in a list of csv.writer's what the folder holds."""
import csv
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from common import need

numpy, image = need("numpy", "PIL.Image")
retort = os.path.abspath(sys.argv[1])
random = numpy.random.default_rng(0)


def read_pack(path):
    data = path.read_bytes()
    magic, version, channels, size, index, train, test, classes, names, _, short = \
        struct.unpack_from("<8sIIQQQQQQQI", data)
    assert (magic, version, channels, size) == (b"RETORTPK", 1, 3, len(data)), (magic, version, channels, size)
    assert not any(data[76:120])
    found = []
    for place in range(train + test):
        offset, _, height, width, label, zero = struct.unpack_from("<QQIIII", data, index + 32 * place)
        assert zero == 0
        pixels = numpy.frombuffer(data, numpy.uint8, height * width * 3, offset).reshape(height, width, 3)
        found.append((label, pixels))
    text = data[index + 32 * (train + test):]
    assert len(text) == names
    return found[:train], found[train:], text.decode().split("\0")[:-1], short, classes


def check(got, files, labels, short=0):
    assert len(got) == len(files)
    for (label, pixels), path in zip(got, files):
        expected = image.open(path).convert("RGB")
        width, height = expected.size
        if short and min(width, height) > short:
            size = (short * width // height, short) if height <= width else (short, short * height // width)
            # Across, then down, as ours; Pillow by itself turns the two round for some tall images, which moves values
            # by 1.
            expected = expected.resize((size[0], height), image.Resampling.BILINEAR)
            expected = expected.resize(size, image.Resampling.BILINEAR)
        difference = numpy.abs(numpy.asarray(expected).astype(int) - pixels.astype(int)).max()
        assert label == labels[path.parent.name], path
        assert difference == 0, f"{path}: levels differ by {difference}"


with tempfile.TemporaryDirectory() as name:
    root = pathlib.Path(name)
    labels = {"ant, red": 0, "bee": 1, "wa\"sp": 2}
    for split, count in ("train", 4), ("val", 2):
        for folder in labels:
            (root / split / folder).mkdir(parents=True)
            for i in range(count):
                height, width = random.integers(5, 70, 2)
                pixels = random.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
                image.fromarray(pixels).save(root / split / folder / f"{i}.png")
    # The reader takes folders and files in the order of their names' bytes.
    files = {split: sorted(root.glob(split + "/*/*.png"), key=lambda p: (p.parent.name.encode(), p.name))
             for split in ("train", "val")}
    for short in 0, 20:
        out = root / f"{short}.rpk"
        subprocess.run([retort, "pack", str(root), str(out)] + (["--resize", str(short)] if short else []), check=True)
        train, test, names, noted, classes = read_pack(out)
        assert names == sorted(labels) and classes == 3 and noted == short, (names, classes, noted)
        check(train, files["train"], labels, short)
        check(test, files["val"], labels, short)
    for split in files:
        with open(root / (split + ".csv"), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows((path.relative_to(root), path.parent.name) for path in files[split])
    (root / "list.yaml").write_text(
        f"retort: 1\ndata: {{reader: csv, train: {root}/train.csv, test: {root}/val.csv, size: 32}}\n"
        "student: {model: resnet8}\nloss: [cross_entropy: {}]\ntrain: {epochs: 1}\n")
    subprocess.run([retort, "pack", str(root / "list.yaml"), str(root / "list.rpk")], check=True)
    assert (root / "list.rpk").read_bytes() == (root / "0.rpk").read_bytes(), "list and folder differ"
    print(f"{sum(map(len, files.values()))} images, as they are and resized: no level differs from Pillow's")
