"""Writes graphs of ncnn, and runs them step by step, as a second definition of what the networks compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.baselines.ncnn import FLOAT16_TAG, FLOAT32_TAG, MAGIC, Layer, read_graph, read_weights


def write_graph(lines: Sequence[str]) -> str:
    """Write a graph of these layers, counted."""
    blobs = {blob for line in lines for blob in _blobs(line)}
    return "\n".join([MAGIC, f"{len(lines)} {len(blobs)}", *lines, ""])


def _blobs(line: str) -> list[str]:
    words = line.split()
    return words[4 : 4 + int(words[2]) + int(words[3])]


def convolution_line(name: str, weight: Tensor, *, inputs: str, output: str, bias: bool = True, end: str = "") -> str:
    """The line of a convolution with these weights."""
    outputs, _, height, width = weight.shape
    sizes = f"0={outputs} 1={width} 11={height} 4={width // 2} 14={height // 2} 5={int(bias)} 6={weight.numel()}"
    return f"Convolution {name} 1 1 {inputs} {output} {sizes} {end}"


def convolution_bytes(weight: Tensor, bias: Tensor | None, *, half: bool) -> bytes:
    """The weights of a convolution; halves end at a multiple of 4 bytes."""
    tag = FLOAT16_TAG if half else FLOAT32_TAG
    values = weight.numpy().astype("<f2" if half else "<f4").tobytes()
    padding = b"\0" * (-len(values) % 4)
    return tag.to_bytes(4, "little") + values + padding + (b"" if bias is None else floats(bias))


def floats(values: Tensor) -> bytes:
    """The bytes of slopes or biases."""
    return values.numpy().astype("<f4").tobytes()


def chain(network: nn.Sequential) -> tuple[str, bytes]:
    """Write a chain of convolutions and PReLUs."""
    lines, data = ["Input data 0 1 v0"], b""
    with torch.no_grad():
        for number, layer in enumerate(network):
            if isinstance(layer, nn.Conv2d):
                lines.append(convolution_line(f"c{number}", layer.weight, inputs=f"v{number}", output=f"v{number + 1}"))
                data += convolution_bytes(layer.weight, layer.bias, half=False)
            else:
                slopes = cast(nn.PReLU, layer).weight
                lines.append(f"PReLU p{number} 1 1 v{number} v{number + 1} 0={len(slopes)}")
                data += floats(slopes)
    return write_graph(lines), data


def run_graph(graph: str, data: bytes, frame: Tensor) -> Tensor:
    """Run a graph from its input to its last blob.

    Args:
        frame: (1, 3, height, width).
    """
    layers = read_graph(graph)
    weights = read_weights(layers, data)
    values: dict[str, Tensor] = {}
    for layer in layers:
        results = _run(layer, weights.get(layer.name, {}), [values[name] for name in layer.inputs] or [frame])
        values.update(zip(layer.outputs, results, strict=True))
    return values[layers[-1].outputs[0]]


def _run(layer: Layer, weights: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    number = {key: value for key, value in layer.settings.items() if not isinstance(value, tuple)}
    match layer.kind:
        case "Input" | "Split":
            return [inputs[0]] * len(layer.outputs)
        case "Convolution":
            result = functional.conv2d(inputs[0], weights["weight"], weights["bias"], padding=int(number[4]))
            slopes = cast(tuple[float, ...], layer.settings.get(10, (1.0,)))
            return [functional.leaky_relu(result, slopes[0])] if number.get(9) else [result]
        case "PReLU":
            return [functional.prelu(inputs[0], weights["weight"])]
        case "PixelShuffle":
            return [functional.pixel_shuffle(inputs[0], int(number[0]))]
        case "Interp":
            assert number[0] == 1, "nearest"
            return [inputs[0].repeat_interleave(int(number[1]), 2).repeat_interleave(int(number[2]), 3)]
        case "Concat":
            return [torch.cat(list(inputs), 1)]
        case "BinaryOp":
            assert number.get(0, 0) == 0, "sum"
            return [inputs[0] + inputs[1]]
        case "Eltwise":
            assert number[0] == 1, "sum"
            factors = cast(tuple[float, ...], layer.settings[1])
            return [factors[0] * inputs[0] + factors[1] * inputs[1]]
    raise AssertionError(layer.kind)


def random_tensor(*shape: int, seed: int) -> Tensor:
    """Random values that float16 holds exactly."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-64, 64, shape).astype(np.float32) / 64)
