"""Every model as ONNX: passed by onnx.checker, and run by onnxruntime at batches of 1 and of all images, as it is and
folded with its normalisation; logits as Retort's own."""
from common import Bench, need

onnx, onnxruntime, numpy = need("onnx", "onnxruntime", "numpy")
bench = Bench()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1

for model in bench.models():
    weights = bench.weights(model)
    if not weights:
        continue
    expected = bench.logits(weights)
    for flags, images in (((), bench.normalised), (("--fold", "--normalize"), bench.pixels)):
        path = bench.path("network.onnx")
        bench.export(weights, "--onnx", path, *flags)
        onnx.checker.check_model(path, full_check=True)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        whole = session.run(["logits"], {"images": images})[0]
        single = numpy.concatenate([session.run(["logits"], {"images": image[None]})[0] for image in images])
        bench.compare(" ".join((model, "onnxruntime", *flags)), whole, expected)
        bench.compare(" ".join((model, "one by one")), single, expected)

bench.finish()
