"""Every model as ONNX: passed by onnx.checker, and run by onnxruntime at batches of 1 and of all images, as it is and
folded with its normalisation; logits as Retort's own. Quantised to int8, they are as far from those as `retort export`
says."""
from common import IMAGES, Bench, need

onnx, onnxruntime, numpy = need("onnx", "onnxruntime", "numpy")
bench = Bench()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
plain = onnxruntime.SessionOptions()
plain.intra_op_num_threads = 1
plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

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

    # Without rewriting: onnxruntime's own integer kernels round sums as well.
    told, = bench.export(weights, "--onnx", path, "--int8", "--images", str(IMAGES))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, plain, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"images": bench.normalised})[0]
    largest, difference = numpy.abs(expected).max(), numpy.abs(found - expected).max()
    good = abs(difference - told["largest_difference"]) <= 0.01 * largest
    print(f"{model + ' int8':44s} difference from fp32 {difference:9.3g}, by Retort "
          f"{told['largest_difference']:9.3g}{'' if good else '   NOT THE SAME'}")
    bench.failures += not good

bench.finish()
