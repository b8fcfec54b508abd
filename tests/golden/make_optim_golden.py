#!/usr/bin/env python3
"""Writes optim_golden.h: ten steps of PyTorch's optimizers, for tests/unit/test_optim.c.

Run with Debian's python3-torch: python3 tests/golden/make_optim_golden.py
Start values and gradients come from a formula that the test repeats (pseudo() below), so only results are stored:
the values after steps 1 and 10 in float64, and how far PyTorch's own float32 run is from them.
"""

import pathlib

import torch

COUNT = 19
STEPS = 10

CASES = {
    "sgd_plain": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_decay": (torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.02)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.05, momentum=0.8, weight_decay=0.02, nesterov=True)),
    "adamw_default": (torch.optim.AdamW, dict()),
    "adamw_decay": (torch.optim.AdamW, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.3)),
    "adamw_no_decay": (torch.optim.AdamW, dict(lr=0.02, weight_decay=0.0)),
}


def pseudo(stream, index):
    """A number in [-1, 1) that float32 holds exactly."""
    word = (stream * 1000 + index + 1) * 2654435761 & 0xFFFFFFFF
    word = (word ^ word >> 15) * 2246822519 & 0xFFFFFFFF
    return (word >> 8) / 2**23 - 1


def run(make, options, dtype):
    values = torch.tensor([pseudo(0, i) for i in range(COUNT)], dtype=dtype, requires_grad=True)
    optimizer = make([values], **options)
    path = []
    for step in range(1, STEPS + 1):
        values.grad = torch.tensor([pseudo(step, i) for i in range(COUNT)], dtype=dtype)
        optimizer.step()
        path.append(values.detach().double().clone())
    return path


def row(numbers):
    return "{" + ", ".join(f"{x:.17g}" for x in numbers.tolist()) + "}"


def main():
    out = [
        "/* Written by tests/golden/make_optim_golden.py; do not edit. */",
        f"enum {{ GOLDEN_COUNT = {COUNT}, GOLDEN_STEPS = {STEPS} }};",
        "struct golden {",
        "    double first[GOLDEN_COUNT], last[GOLDEN_COUNT]; /* after steps 1 and GOLDEN_STEPS, float64 */",
        "    double float32_error;                           /* of PyTorch's float32 run, largest over those two */",
        "};",
        "/* clang-format off */",
    ]
    for name, (make, options) in CASES.items():
        exact = run(make, options, torch.float64)
        single = run(make, options, torch.float32)
        error = max((exact[i] - single[i]).abs().max().item() for i in (0, -1))
        out += [f"static const struct golden {name} = {{", f"    {row(exact[0])},", f"    {row(exact[-1])},",
                f"    {error:.3g},", "};"]
    out += ["/* clang-format on */", ""]
    pathlib.Path(__file__).with_name("optim_golden.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
