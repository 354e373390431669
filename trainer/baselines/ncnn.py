"""Reads networks in the text format of ncnn: a graph (`.param`) and its weights (`.bin`), as tensors by layer.

Source: the pages "param and model file structure" and "operation param weight table" of ncnn's documentation. Only
layers that the baselines have are known. Weights are float32 or float16; quantised ones are refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

type Value = int | float | tuple[float, ...]

MAGIC = "7767517"
FLOAT32_TAG, FLOAT16_TAG = 0, 0x01306B47
"""What stands before the weights of a convolution, as an unsigned number of 4 bytes: the type of what follows."""

_WITHOUT_WEIGHTS = {"Input", "Split", "Concat", "BinaryOp", "Eltwise", "Interp", "PixelShuffle"}
_ARRAY = -23300
"""The key of an array is this number less the key."""
# Keys of the parameters of a convolution, and of the number of slopes of a PReLU.
_OUTPUTS, _WIDTH, _HAS_BIAS, _SIZE, _INT8, _HEIGHT = 0, 1, 5, 6, 8, 11
_SLOPES = 0


@dataclass(frozen=True)
class Layer:
    """A layer of a graph."""

    kind: str
    """Its type, such as `Convolution`."""
    name: str
    inputs: tuple[str, ...]
    """Names of the blobs (values between layers) that it reads."""
    outputs: tuple[str, ...]
    """Names of the blobs that it makes."""
    settings: Mapping[int, Value]
    """Its parameters by key, as in ncnn's table. Those with default values are missing."""


def read_graph(text: str) -> list[Layer]:
    """Read a graph.

    Args:
        text: content of the `.param` file.

    Returns:
        The layers in their order, in which each reads only what layers before it have made.

    Raises:
        ValueError: it is damaged, or no graph.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != [MAGIC]:
        raise ValueError(f"it does not begin with {MAGIC}, as graphs of ncnn do")
    match [_whole(word) for word in lines[1]] if len(lines) > 1 else []:
        case [int(layer_count), int(blob_count)]:
            pass
        case _:
            raise ValueError("its second line does not hold the numbers of layers and blobs")
    layers = [_read_layer(words) for words in lines[2:]]
    if len(layers) != layer_count:
        raise ValueError(f"it has {len(layers)} layers, and should have {layer_count}")
    blobs = _check_order(layers)
    if blobs != blob_count:
        raise ValueError(f"it has {blobs} blobs, and should have {blob_count}")
    return layers


def read_weights(layers: list[Layer], data: bytes) -> dict[str, dict[str, Tensor]]:
    """Read the weights of a graph.

    Args:
        data: content of the `.bin` file.

    Returns:
        For the name of each layer that has weights, float32 tensors by the names that PyTorch gives them: `weight`
        (outputs, inputs, height, width) and `bias` (outputs,) of a convolution, `weight` (channels,) of a PReLU.

    Raises:
        ValueError: the weights are damaged, of another graph, or of a kind that is not read.
    """
    reader = _Reader(data)
    weights = {}
    for layer in layers:
        match layer.kind:
            case "Convolution":
                weights[layer.name] = _read_convolution(layer, reader)
            case "PReLU":
                weights[layer.name] = {"weight": reader.read_float32(layer.name, _positive(layer, _SLOPES))}
            case kind if kind not in _WITHOUT_WEIGHTS:
                raise ValueError(f"layer {layer.name!r} is of type {kind!r}, which is not read here")
    if reader.left:
        raise ValueError(f"{reader.left} bytes are left after the weights of the last layer")
    return weights


def _read_layer(words: list[str]) -> Layer:
    line = " ".join(words)[:100]
    counts = [_whole(word) for word in words[2:4]]
    if len(counts) < 2 or any(count is None or count < 0 for count in counts):
        raise ValueError(f"the line {line!r} does not hold type, name, and numbers of inputs and outputs")
    inputs, outputs = (count or 0 for count in counts)
    blobs, settings = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs or any("=" in blob for blob in blobs):
        raise ValueError(f"the line {line!r} does not name {inputs + outputs} blobs")
    return Layer(words[0], words[1], tuple(blobs[:inputs]), tuple(blobs[inputs:]), _read_settings(settings, line))


def _read_settings(words: list[str], line: str) -> dict[int, Value]:
    settings: dict[int, Value] = {}
    for word in words:
        name, _, text = word.partition("=")
        key = _whole(name)
        try:
            if key is None:
                raise ValueError
            value: Value
            if key <= _ARRAY:
                key = _ARRAY - key
                count, *values = text.split(",")
                value = tuple(map(float, values))
                if len(values) != int(count):
                    raise ValueError
            else:
                value = float(text) if _whole(text) is None else int(text)
        except ValueError:
            raise ValueError(f"{word[:50]!r} in the line {line!r} is no parameter") from None
        if key in settings:
            raise ValueError(f"the line {line!r} holds parameter {key} twice")
        settings[key] = value
    return settings


def _check_order(layers: list[Layer]) -> int:
    """Check that each layer reads what layers before it made; return the number of blobs."""
    made: set[str] = set()
    names: set[str] = set()
    for layer in layers:
        if layer.name in names:
            raise ValueError(f"two layers are named {layer.name!r}")
        names.add(layer.name)
        if missing := [blob for blob in layer.inputs if blob not in made]:
            raise ValueError(f"layer {layer.name!r} reads {missing[0]!r}, which no layer before it makes")
        for blob in layer.outputs:
            if blob in made:
                raise ValueError(f"two layers make {blob!r}")
            made.add(blob)
    return len(made)


def _read_convolution(layer: Layer, reader: _Reader) -> dict[str, Tensor]:
    if layer.settings.get(_INT8, 0):
        raise ValueError(f"layer {layer.name!r} has 8-bit weights, which are not read here")
    outputs, width, size = (_positive(layer, key) for key in (_OUTPUTS, _WIDTH, _SIZE))
    height = _positive(layer, _HEIGHT) if _HEIGHT in layer.settings else width
    if size % (outputs * height * width):
        raise ValueError(
            f"layer {layer.name!r} has {size} weights, which are not those of {outputs} outputs of {width}x{height}"
        )
    tensors = {"weight": reader.read_tagged(layer.name, size).reshape(outputs, -1, height, width)}
    if layer.settings.get(_HAS_BIAS, 0):
        tensors["bias"] = reader.read_float32(layer.name, outputs)
    return tensors


class _Reader:
    """Reads numbers from the start of a `.bin` file to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        """Number of bytes that have not been read."""
        return len(self._data) - self._place

    def read_float32(self, layer: str, count: int) -> Tensor:
        """Read float32 numbers without a tag, as biases and slopes are stored."""
        return _to_tensor(layer, np.frombuffer(self._take(layer, 4 * count), "<f4"))

    def read_tagged(self, layer: str, count: int) -> Tensor:
        """Read a tag, and numbers of its type. They end at a multiple of 4 bytes."""
        tag = int.from_bytes(self._take(layer, 4), "little")
        if tag == FLOAT32_TAG:
            return self.read_float32(layer, count)
        if tag == FLOAT16_TAG:
            values = np.frombuffer(self._take(layer, 4 * math.ceil(count / 2)), "<f2")
            return _to_tensor(layer, values[:count])
        raise ValueError(
            f"the weights of layer {layer!r} have the tag {tag:#010x}, which stands for neither float32 nor float16: "
            "they are quantised or damaged"
        )

    def _take(self, layer: str, size: int) -> bytes:
        if size > self.left:
            raise ValueError(f"it ends within the weights of layer {layer!r}: {self.left} of {size} bytes")
        self._place += size
        return self._data[self._place - size : self._place]


def _to_tensor(layer: str, values: NDArray[np.floating]) -> Tensor:
    if not np.isfinite(values).all():
        raise ValueError(f"the weights of layer {layer!r} are not finite")
    return torch.from_numpy(values.astype(np.float32))


def _positive(layer: Layer, key: int) -> int:
    value = layer.settings.get(key, 0)
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"parameter {key} of layer {layer.name!r} is {value}, and should be a number from 1 up")
    return value


def _whole(text: str) -> int | None:
    """Return a whole number; None for other text."""
    try:
        return int(text)
    except ValueError:
        return None
