"""Small networks around each kind of node, forward and backward, in the notation of nodes.txt:

    KIND NAME SOURCE... key=value...

The network of a case is written into the file as it stands here, so that the test builds exactly what PyTorch ran.
`front` is a convolution without influence of its own: it makes the gradient of the node's source visible.
"""

import torch
import torch.nn.functional as F

import filling


def behind_front(height, width, channels, *lines):
    return [f"input images height={height} width={width} channels={channels}",
            f"convolution front images channels={channels} kernel=1 bias=1", *lines]


def convolution(height, width, channels, options):
    return behind_front(height, width, channels, f"convolution node front {options}")


def pool(kind, height, width, channels, options=""):
    return behind_front(height, width, channels, f"{kind} node front {options}".rstrip())


def behind_loud_front(height, width, channels, *lines):
    """Images sixteen times as large, so that a ReLU6 behind them reaches its ceiling."""
    loud = [f"add {after} {before} {before}" for before, after in
            (("images", "twice"), ("twice", "four_times"), ("four_times", "eight_times"), ("eight_times", "loud"))]
    image, front, *rest = behind_front(height, width, channels, *lines)
    return [image, *loud, front.replace(" images ", " loud "), *rest]


CASES = {
    # name: (batch, network)
    "convolution_1x1": (3, convolution(15, 15, 16, "channels=24 kernel=1")),
    "convolution_1x1_stride_2": (3, convolution(7, 5, 3, "channels=5 kernel=1 stride=2 bias=1")),
    "convolution_1x1_stride_2_even": (3, convolution(8, 6, 16, "channels=24 kernel=1 stride=2")),
    "convolution_1x1_padding_1": (1, convolution(7, 5, 5, "channels=3 kernel=1 padding=1 bias=1")),
    "convolution_3x3": (3, convolution(15, 15, 16, "channels=16 kernel=3 padding=1")),
    "convolution_3x3_bias": (1, convolution(7, 5, 3, "channels=5 kernel=3 padding=1 bias=1")),
    "convolution_3x3_wide": (3, convolution(7, 5, 24, "channels=16 kernel=3 padding=1 bias=1")),
    "convolution_3x3_no_padding": (3, convolution(7, 5, 5, "channels=16 kernel=3")),
    "convolution_3x3_padding_2": (3, convolution(7, 5, 16, "channels=3 kernel=3 padding=2")),
    "convolution_3x3_stride_2": (3, convolution(15, 15, 16, "channels=24 kernel=3 stride=2 padding=1")),
    "convolution_3x3_stride_2_small": (3, convolution(7, 5, 3, "channels=5 kernel=3 stride=2 padding=1 bias=1")),
    "convolution_3x3_stride_2_even": (1, convolution(8, 6, 16, "channels=16 kernel=3 stride=2 padding=1")),
    "convolution_3x3_stride_2_left_over": (3, convolution(8, 6, 5, "channels=24 kernel=3 stride=2")),
    "convolution_3x3_stride_3": (3, convolution(15, 15, 5, "channels=3 kernel=3 stride=3 padding=1")),
    "convolution_3x3_dilation_2": (3, convolution(15, 15, 16, "channels=16 kernel=3 padding=2 dilation=2")),
    "convolution_3x3_dilation_2_stride_2": (
        1, convolution(15, 15, 5, "channels=3 kernel=3 stride=2 padding=1 dilation=2 bias=1")),
    "convolution_5x5": (3, convolution(15, 15, 5, "channels=16 kernel=5 padding=2")),
    "convolution_5x5_stride_2": (3, convolution(7, 5, 16, "channels=24 kernel=5 stride=2 padding=2 bias=1")),
    "convolution_5x5_whole_image": (3, convolution(5, 5, 3, "channels=5 kernel=5")),
    "convolution_7x7_stride_2": (1, convolution(15, 15, 3, "channels=16 kernel=7 stride=2 padding=3")),
    "convolution_groups_2": (3, convolution(15, 15, 16, "channels=24 kernel=3 padding=1 groups=2")),
    "convolution_groups_2_narrow": (3, convolution(7, 5, 6, "channels=10 kernel=3 stride=2 padding=1 groups=2 bias=1")),
    "convolution_groups_3_1x1": (3, convolution(7, 5, 24, "channels=24 kernel=1 groups=3")),
    "depthwise": (3, convolution(15, 15, 24, "channels=24 kernel=3 padding=1 groups=24")),
    "depthwise_stride_2": (3, convolution(15, 15, 16, "channels=16 kernel=3 stride=2 padding=1 groups=16")),
    "depthwise_even_stride_2": (3, convolution(8, 6, 40, "channels=40 kernel=3 stride=2 padding=1 groups=40 bias=1")),
    "depthwise_2x2": (3, convolution(2, 2, 17, "channels=17 kernel=3 padding=1 groups=17")),
    "depthwise_pixel": (3, convolution(1, 1, 16, "channels=16 kernel=3 stride=2 padding=1 groups=16")),
    "depthwise_relu6": (3, behind_loud_front(7, 5, 40, "convolution node front channels=40 kernel=3 padding=1 groups=40",
                                             "batch_norm norm node", "relu6 rectified norm")),
    "depthwise_residual": (3, behind_front(7, 5, 16, "convolution node front channels=16 kernel=3 padding=1 groups=16",
                                           "batch_norm norm node", "add sum norm front", "relu rectified sum")),
    "depthwise_narrow": (1, convolution(7, 5, 5, "channels=5 kernel=3 padding=1 groups=5 bias=1")),
    "depthwise_5x5": (3, convolution(7, 5, 24, "channels=24 kernel=5 stride=2 padding=2 groups=24")),
    "depthwise_multiplier_2": (3, convolution(7, 5, 5, "channels=10 kernel=3 padding=1 groups=5")),
    "convolution_on_images": (3, ["input images height=15 width=15 channels=3",
                                  "convolution node images channels=16 kernel=3 padding=1 bias=1"]),
    "convolution_on_grey_images": (3, ["input images height=7 width=5 channels=1",
                                       "convolution node images channels=5 kernel=5 padding=2"]),
    "norm": (3, behind_front(7, 5, 16, "batch_norm node front")),
    "norm_batch_1": (1, behind_front(15, 15, 5, "batch_norm node front")),
    "norm_relu": (3, behind_front(15, 15, 24, "batch_norm node front", "relu rectified node")),
    "norm_relu_narrow": (3, behind_front(7, 5, 3, "batch_norm node front", "relu rectified node")),
    "norm_relu6": (3, behind_loud_front(7, 5, 16, "batch_norm node front", "relu6 rectified node")),
    "norm_on_images": (3, ["input images height=7 width=5 channels=3", "batch_norm node images"]),
    "norm_twice": (3, behind_front(7, 5, 5, "batch_norm first front", "relu rectified first", "batch_norm node rectified",
                                   "batch_norm last node")),
    "norm_of_concat": (3, behind_front(7, 5, 5, "concat both front front", "batch_norm node both",
                                       "relu rectified node")),
    "norm_read_twice": (3, behind_front(7, 5, 16, "batch_norm node front", "relu rectified node",
                                        "add sum rectified node")),
    "relu": (3, behind_front(7, 5, 16, "relu node front")),
    "relu6": (3, behind_loud_front(15, 15, 5, "relu6 node front")),
    "add": (3, behind_front(7, 5, 5, "convolution side front channels=5 kernel=3 padding=1", "add node front side")),
    "add_relu": (3, behind_front(15, 15, 16, "convolution side front channels=16 kernel=3 padding=1",
                                 "add node side front", "relu rectified node")),
    "add_to_itself": (3, behind_front(7, 5, 3, "add node front front", "relu rectified node")),
    "add_images": (3, ["input images height=7 width=5 channels=3",
                       "convolution side images channels=3 kernel=3 padding=1", "add node images side"]),
    "residual_block": (3, behind_front(
        7, 5, 16, "convolution conv1 front channels=16 kernel=3 padding=1", "batch_norm bn1 conv1", "relu relu1 bn1",
        "convolution conv2 relu1 channels=16 kernel=3 padding=1", "batch_norm bn2 conv2", "add sum bn2 front",
        "relu block sum")),
    "residual_block_projected": (3, behind_front(
        7, 5, 16, "convolution conv1 front channels=24 kernel=3 stride=2 padding=1", "batch_norm bn1 conv1",
        "relu relu1 bn1", "convolution conv2 relu1 channels=24 kernel=3 padding=1", "batch_norm bn2 conv2",
        "convolution downsample front channels=24 kernel=1 stride=2", "batch_norm bn3 downsample", "add sum bn2 bn3",
        "relu block sum")),
    "residual_block_relu6": (3, behind_loud_front(
        7, 5, 24, "convolution conv1 front channels=24 kernel=3 padding=1 groups=24", "batch_norm bn1 conv1",
        "relu6 relu1 bn1", "convolution conv2 relu1 channels=24 kernel=1", "batch_norm bn2 conv2", "add sum front bn2",
        "relu6 block sum")),
    "residual_read_later": (3, behind_front(
        7, 5, 5, "convolution conv1 front channels=5 kernel=3 padding=1", "batch_norm bn1 conv1", "add sum bn1 front",
        "convolution conv2 sum channels=5 kernel=1", "add late conv2 front")),
    "max_pool_3x3_stride_2": (3, pool("max_pool", 7, 5, 16, "kernel=3 stride=2 padding=1")),
    "max_pool_2x2": (3, pool("max_pool", 8, 6, 5, "kernel=2 stride=2")),
    "max_pool_2x2_odd": (1, pool("max_pool", 15, 15, 24, "kernel=2 stride=2")),
    "max_pool_3x3": (3, pool("max_pool", 7, 5, 3, "kernel=3 padding=1")),
    "max_pool_over": (3, pool("max_pool", 8, 6, 5, "kernel=3 stride=2 over=1")),
    "max_pool_over_all": (1, pool("max_pool", 2, 7, 3, "kernel=3 stride=2 over=1")),
    "average_pool_3x3_stride_2": (3, pool("average_pool", 7, 5, 16, "kernel=3 stride=2 padding=1")),
    "average_pool_2x2": (3, pool("average_pool", 8, 6, 5, "kernel=2 stride=2")),
    "average_pool_2x2_odd": (1, pool("average_pool", 15, 15, 24, "kernel=2 stride=2")),
    "average_pool_3x3": (3, pool("average_pool", 7, 5, 3, "kernel=3 padding=1")),
    "global_average_pool": (3, pool("global_average_pool", 7, 5, 16)),
    "global_average_pool_batch_1": (1, pool("global_average_pool", 15, 15, 5)),
    "resize_halves": (3, pool("resize", 8, 6, 16, "height=4 width=3")),
    "resize_doubles": (3, pool("resize", 7, 5, 5, "height=14 width=10")),
    "resize_unevenly": (3, pool("resize", 7, 5, 24, "height=3 width=8")),
    "resize_pixel": (1, pool("resize", 1, 1, 3, "height=4 width=2")),
    "linear": (3, behind_front(1, 1, 24, "linear node front features=5 bias=1")),
    "linear_no_bias": (1, behind_front(1, 1, 5, "linear node front features=16")),
    "linear_on_images": (3, ["input images height=1 width=1 channels=24", "linear node images features=5 bias=1"]),
    "flatten": (3, behind_front(7, 5, 3, "flatten node front")),
    "flatten_linear": (3, behind_front(7, 5, 16, "flatten flat front", "linear node flat features=24 bias=1")),
    "concat": (3, behind_front(7, 5, 3, "convolution five front channels=5 kernel=3 padding=1",
                               "convolution sixteen front channels=16 kernel=1", "concat node five front sixteen front")),
    "concat_images": (1, ["input images height=7 width=5 channels=3", "convolution side images channels=5 kernel=1",
                          "concat node images side"]),
    "channel_slice": (3, behind_front(7, 5, 16, "channel_slice node front first=3 count=5")),
    "channel_slices": (3, behind_front(7, 5, 24, "channel_slice head front first=0 count=12",
                                       "channel_slice tail front first=12 count=12",
                                       "convolution side tail channels=12 kernel=3 padding=1 groups=12",
                                       "concat both head side", "channel_shuffle node both groups=2")),
    "channel_shuffle": (3, behind_front(7, 5, 24, "channel_shuffle node front groups=3")),
    "subsample": (3, behind_front(7, 5, 5, "subsample node front stride=2 channels=9")),
    "subsample_even": (1, behind_front(8, 6, 16, "subsample node front stride=2 channels=24")),
    "sigmoid": (3, behind_front(7, 5, 16, "sigmoid node front")),
    "silu": (3, behind_front(7, 5, 5, "silu node front")),
    "gelu": (3, behind_front(7, 5, 16, "gelu node front")),
    "hard_sigmoid": (3, behind_front(7, 5, 24, "hard_sigmoid node front")),
    "hard_swish": (3, behind_front(7, 5, 5, "hard_swish node front")),
    "hard_swish_wide": (1, behind_front(7, 5, 5, "add twice front front", "add four twice twice", "hard_swish node four")),
    "scale": (3, behind_front(7, 5, 16, "global_average_pool mean front", "sigmoid factors mean", "scale node front factors")),
    "scale_pixel": (1, behind_front(1, 1, 5, "gelu factors front", "scale node front factors")),
    "layer_norm": (3, behind_front(7, 5, 24, "layer_norm node front")),
    "layer_norm_of_few": (1, behind_front(3, 1, 5, "layer_norm node front")),
    "batch_norm_of_another_epsilon": (3, behind_front(7, 5, 5, "batch_norm node front epsilon=0.25 momentum=0.5")),
    "linear_each": (3, behind_front(7, 5, 5, "linear_each node front features=24 bias=1")),
    "attention": (3, behind_front(7, 5, 8, "linear_each qkv front features=24 bias=1", "attention node qkv heads=2")),
    "attention_one_head": (1, behind_front(1, 17, 5, "linear_each qkv front features=15 bias=1", "attention node qkv heads=1")),
    "tokens": (3, behind_front(3, 2, 5, "tokens node front")),
    "transformer_block": (3, behind_front(
        3, 2, 8, "tokens tokens front", "layer_norm norm1 tokens", "linear_each qkv norm1 features=24 bias=1",
        "attention attn qkv heads=2", "linear_each proj attn features=8 bias=1", "add sum1 proj tokens",
        "layer_norm norm2 sum1", "linear_each fc1 norm2 features=32 bias=1", "gelu act fc1",
        "linear_each fc2 act features=8 bias=1", "add sum2 fc2 sum1")),
    "read_three_times_convolution": (3, behind_front(
        7, 5, 5, "convolution node front channels=16 kernel=3 padding=1", "convolution a node channels=3 kernel=1",
        "max_pool b node kernel=3 padding=1", "convolution c node channels=5 kernel=3 padding=1 bias=1",
        "concat all a b c")),
    "read_three_times_relu": (3, behind_front(
        7, 5, 5, "relu node front", "convolution a node channels=3 kernel=1", "average_pool b node kernel=3 padding=1",
        "concat all a node b")),
    "read_ten_times": (3, behind_front(
        7, 5, 3, "relu node front", "concat eight node node node node node node node node",
        "concat ten eight node node")),
    "branch_without_output": (3, behind_front(
        7, 5, 5, "convolution dead front channels=16 kernel=3 padding=1", "relu rest dead",
        "convolution node front channels=3 kernel=3 padding=1")),
}


def attend(qkv, heads):
    """Channels are [3, head, channel of the head]."""
    q, k, v = qkv.flatten(2).unflatten(1, (3, heads, -1)).unbind(1)
    scores = q.transpose(-1, -2) @ k / q.shape[2]**0.5
    return (v @ scores.softmax(-1).transpose(-1, -2)).flatten(1, 2).unflatten(2, qkv.shape[2:])


def apply(kind, sources, option, real, parameter, training):
    x = sources[0]
    window = dict(stride=option("stride", 1), padding=option("padding", 0))
    if kind == "convolution":
        return F.conv2d(x, parameter("weight", option("channels"), x.shape[1] // option("groups", 1), option("kernel"),
                                     option("kernel")),
                        parameter("bias", option("channels")) if option("bias", 0) else None,
                        dilation=option("dilation", 1), groups=option("groups", 1), **window)
    if kind == "batch_norm":
        weight, bias, mean, var = (parameter(part, x.shape[1])
                                   for part in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean, var, weight, bias, training, real("momentum", 0.1), real("epsilon", 1e-5))
    if kind == "layer_norm":
        weight, bias = parameter("weight", x.shape[1]), parameter("bias", x.shape[1])
        return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), weight, bias, real("epsilon", 1e-6)).permute(0, 3, 1, 2)
    if kind == "linear_each":
        weight = parameter("weight", option("features"), x.shape[1])
        return F.conv2d(x, weight[:, :, None, None], parameter("bias", option("features")) if option("bias", 0) else None)
    if kind == "tokens":
        token, places = parameter("token", 1, 1, x.shape[1]), parameter("places", 1, 1 + x[0, 0].numel(), x.shape[1])
        y = torch.cat((token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)), 1) + places
        return y.transpose(1, 2)[:, :, None]
    if kind == "linear":
        x = x.flatten(1)
        y = F.linear(x, parameter("weight", option("features"), x.shape[1]),
                     parameter("bias", option("features")) if option("bias", 0) else None)
        return y[:, :, None, None]
    if kind == "channel_shuffle":
        groups = option("groups")
        return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
    if kind == "subsample":
        missing = option("channels") - x.shape[1]
        return F.pad(x[:, :, ::option("stride"), ::option("stride")], (0, 0, 0, 0, missing // 2, missing // 2))
    return {
        "relu": lambda: F.relu(x),
        "relu6": lambda: F.relu6(x),
        "add": lambda: x + sources[1],
        "max_pool": lambda: F.max_pool2d(x, option("kernel"), ceil_mode=bool(option("over", 0)), **window),
        "average_pool": lambda: F.avg_pool2d(x, option("kernel"), **window),
        "global_average_pool": lambda: x.mean((2, 3), keepdim=True),
        "resize": lambda: F.adaptive_avg_pool2d(x, (option("height"), option("width"))),
        "sigmoid": lambda: torch.sigmoid(x),
        "silu": lambda: F.silu(x),
        "gelu": lambda: F.gelu(x),
        "hard_sigmoid": lambda: F.hardsigmoid(x),
        "hard_swish": lambda: F.hardswish(x),
        "scale": lambda: x * sources[1],
        "attention": lambda: attend(x, option("heads")),
        "flatten": lambda: x.flatten(1)[:, :, None, None],
        "concat": lambda: torch.cat(sources, 1),
        "channel_slice": lambda: x[:, option("first"):option("first") + option("count")],
    }[kind]()


def run(batch, network, dtype, training):
    """All tensors of a case by (tag, name), in the order in which they are written."""
    values, parameters = {}, {}
    for line in network:
        kind, name, *rest = line.split()
        options = dict(word.split("=") for word in rest if "=" in word)

        def option(key, *default):
            return int(options.get(key, *default)) if default else int(options[key])

        def real(key, default):
            return float(options.get(key, default))

        def parameter(part, *shape):
            tensor = filling.parameter(f"{name}.{part}", shape).to(dtype)
            parameters[f"{name}.{part}"] = tensor.requires_grad_("running" not in part)
            return tensor

        if kind == "input":
            values[name] = filling.images(name, batch, option("height"), option("width"), option("channels")).to(dtype)
        else:
            sources = [values[word] for word in rest if "=" not in word]
            values[name] = apply(kind, sources, option, real, parameter, training)
            if values[name].requires_grad:
                values[name].retain_grad()
    _, output = values.popitem()
    gradient = filling.images("output gradient", batch, output.shape[2], output.shape[3], output.shape[1]).to(dtype)
    output.backward(gradient)
    tensors = {("output", "output"): filling.activation(output)}
    if "front" in values:
        tensors["into", "front"] = filling.activation(values["front"].grad)
    for name, tensor in parameters.items():
        if tensor.requires_grad:
            tensors["gradient", name] = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        elif training:
            tensors["running", name] = tensor
    return tensors


def lines():
    for name, (batch, network) in CASES.items():
        yield ""
        yield f"case {name} batch={batch}"
        yield from network
        has_norm = any(line.startswith("batch_norm") for line in network)
        for mode in ("train", "eval") if has_norm else ("any",):
            exact, single = (run(batch, network, dtype, mode == "train") for dtype in (torch.float64, torch.float32))
            yield f"mode {mode}"
            yield from filling.tensor_lines(exact, single)
