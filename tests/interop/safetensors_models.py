"""Exported safetensors as the reference implementation reads them: every tensor, bit by bit what Retort trained."""
from common import Bench, need

safetensors, numpy = need("safetensors", "numpy")
from safetensors.numpy import load_file

bench = Bench()
for model in bench.models():
    weights = bench.weights(model)
    if not weights:
        continue
    path = bench.path("exported.safetensors")
    bench.export(weights, "--safetensors", path)
    found, expected = load_file(path), load_file(weights)
    same = found.keys() == expected.keys() and all(
        found[name].dtype == numpy.float32 and numpy.array_equal(found[name], expected[name]) for name in expected)
    with safetensors.safe_open(path, framework="numpy") as file:
        same = same and file.metadata()["retort.model"] == model and file.metadata()["format"] == "pt"
    print(f"{model:30s} {len(found):4d} tensors{'' if same else '   NOT THE SAME'}")
    bench.failures += not same

bench.finish()
