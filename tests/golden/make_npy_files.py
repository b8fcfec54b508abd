#!/usr/bin/env python3
"""Writes tests/golden/npy: arrays of numpy.save() for the reader npy, and some that must be refused. Needs numpy alone.

    python3 tests/golden/make_npy_files.py

Pixel i of an array is (7 i + 3) mod 256; labels are 2 0 1, so that tests know what must come out."""
import pathlib

import numpy

folder = pathlib.Path(__file__).parent / "npy"
folder.mkdir(exist_ok=True)


def pixels(*shape):
    return ((numpy.arange(numpy.prod(shape)) * 7 + 3) % 256).astype(numpy.uint8).reshape(shape)


def save(name, array):
    numpy.save(folder / (name + ".npy"), array)


labels = numpy.array([2, 0, 1])
save("color", pixels(3, 4, 5, 3))
save("gray", pixels(3, 4, 5))
for kind in ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]:
    save("labels_" + kind, labels.astype(kind))
# Refused.
save("float", pixels(3, 4, 5, 3).astype(numpy.float32) / 255)
save("channels_first_large", pixels(3, 3, 4, 20))
save("fortran", numpy.asfortranarray(pixels(3, 4, 5, 3)))
save("flat", pixels(3, 60))
save("five", pixels(3, 1, 4, 5, 3))
save("none", pixels(0, 4, 5, 3))
save("thin", pixels(3, 0, 5, 3))
save("labels_two", labels[:2])
save("labels_float", labels.astype(numpy.float64))
save("labels_bool", labels > 0)
save("labels_big_endian", labels.astype(">i4"))
save("labels_column", labels[:, None])
save("labels_negative", numpy.array([2, -1, 1]))
save("labels_huge", numpy.array([2, 2**64 - 1, 1], numpy.uint64))
save("labels_string", numpy.array(["a", "b", "c"]))
save("labels_object", numpy.array([1, None, 2], dtype=object))
