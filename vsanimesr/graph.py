"""One recurrent step as an ONNX graph: what every engine runs but `torch`, which has the same in `torch_network`.

The paper feeds the SR frame back at full size and folds it to LR size again (pixel unshuffle) at the next step. Here it
stays folded, `sr = body[:48] + fold(bilinear x4 of cur)`, and is unfolded only on its way out: the same arithmetic with
no trip to full size and back between two steps. Folded channels are ordered (dy, dx, colour), which is ONNX's own
SpaceToDepth; the weights, which expect (colour, dy, dx), are reordered once.

Bilinear enlargement to a folded frame is a 3x3 convolution at LR size with a kernel for each of the 16 phases, which is
how it is written here: no runtime has to enlarge a picture only to fold it again.

Frames of any size come in. They are clamped to [0, 1] and padded at the right and bottom, by repeating the edge, to a
multiple of 4; the state has the padded size; the SR frame is cropped to four times the size of the frame. What is fed
back is not clamped (facts 1.1). A graph without a size takes frames of any, by the same operations.

The precision is written into the graph. With bf16 and fp16 the convolutions and the state have 16 bits, and the picture
goes around them in float32: `cur`, enlarged, is added to what they give after they gave it. It enters them as float16,
or as two bfloat16 numbers per pixel, since one would round it by up to a grey level of eight bits; that is worth 4 dB
for 0.5 % more work.

Nor have 16 bits a number for the slope of the LeakyReLU, 0.1: the nearest bfloat16 is a thousandth off, always to the
same side, and the recurrence adds that up. So what comes out of a LeakyReLU is kept in units of -1/10 there: -10 times
LeakyReLU(x) is LeakyReLU(-x) with slope 10, which is exact, and the factors go into the weights. That is worth 7 dB.

With int8 the convolutions between the first and those of the last that make the picture are computed in 8-bit
integers, written as pairs of QuantizeLinear and DequantizeLinear before each, which runtimes fold into it. A
convolution's result, its activation and the next rounding are float32, so that a runtime can do them in one go; what is
stored for later is bfloat16. The convolutions at the two ends and the state are those of bf16: nothing that is fed back
is clipped, and the picture gains 1 to 2 dB for 7 % of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import bfloat16
from .int8 import Ranges, balance, rounded, step
from .network import COLOURS, MULTIPLE, PREFIX, SCALE, SR_CHANNELS, shape_of

if TYPE_CHECKING:
    import onnx

VERSION = 6
"""Raised with every change that can alter a result: it is part of what identifies a built engine."""

SLOPE = 0.1
COARSE = 1 / 16
"""The picture's coarse part is in steps of this, which bfloat16 holds exactly; so it does 8 bits of the fine part."""

BILINEAR = np.array([[3, 5, 0], [1, 7, 0], [0, 7, 1], [0, 5, 3]], np.float32) / 8
"""What each of four SR pixels takes of the LR pixel before its own, of its own, and of the one after (facts 1.3)."""

type GraphPrecision = Literal["fp32", "bf16", "fp16", "int8"]

# 22 is the first opset with convolutions in bfloat16.
OPSETS: dict[GraphPrecision, int] = {"fp32": 18, "bf16": 22, "fp16": 18, "int8": 22}

type Weights = Mapping[str, NDArray[np.float32]]


def padded(size: int) -> int:
    """The next multiple of 4."""
    return -(-size // MULTIPLE) * MULTIPLE


def build_graph(
    weights: Weights,
    size: tuple[int, int] | None,
    precision: GraphPrecision = "fp32",
    ranges: Ranges | None = None,
) -> onnx.ModelProto:
    """Build the graph of one step for frames of a size.

    Inputs: `prev`, `cur`, `next`, float32 (1, 3, height, width), R, G, B in [0, 1]; `sr` (1, 48, H, W) and `hidden`
    (1, features, H, W), in the given precision (int8: in bfloat16), with H and W padded to a multiple of 4, zero before
    the first step.
    Outputs: `frame`, float32 (1, 3, 4 * height, 4 * width), not clamped; `sr_out` and `hidden_out` for the next step.

    Args:
        weights: a state dict as `load_weights` returns it.
        size: width and height of the frames; None for a graph that takes any.
        precision: of the convolutions and the state.
        ranges: with int8, and only then, those of the weights.
    """
    if (precision == "int8") != (ranges is not None):
        raise ValueError("ranges belong to int8")
    return _Builder(weights, size, precision, ranges or {}).build()


class _Builder:
    """Collects nodes and constants; each method adds one piece of the network and returns the name of its output."""

    def __init__(
        self, weights: Weights, size: tuple[int, int] | None, precision: GraphPrecision, ranges: Ranges
    ) -> None:
        import onnx

        self._onnx = onnx
        self._opset = OPSETS[precision]
        self._float32 = onnx.TensorProto.FLOAT
        self._type = {
            "fp32": onnx.TensorProto.FLOAT,
            "bf16": onnx.TensorProto.BFLOAT16,
            "fp16": onnx.TensorProto.FLOAT16,
            "int8": onnx.TensorProto.BFLOAT16,
        }[precision]
        self._weights = weights
        self._shape = shape_of({key: weight.shape for key, weight in weights.items()})
        self._ranges = ranges
        self._size = size
        # What comes out of a LeakyReLU is `unit` times as large as in the paper; `sign` times the input goes in.
        exact = precision in {"fp32", "int8"}  # with int8 a LeakyReLU is computed in float32
        self._unit, self._sign = (np.float32(1), np.float32(1)) if exact else (np.float32(-10), np.float32(-1))
        self._slope = SLOPE if exact else 1 / SLOPE
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def build(self) -> onnx.ModelProto:
        cur = self.padded("cur")
        window = [self.padded("prev"), cur, self.padded("next")]
        features = self.body(self.first(self.node("Concat", *window, axis=1)))
        out = self.activated("fusion.0", features)
        weight, bias = self.layer("fusion.2")
        weight = weight / self._unit
        order = _fold_order()
        change = self.convolve(
            "fusion.2.sr", self.narrowed(out), weight[:SR_CHANNELS][order], bias[:SR_CHANNELS][order]
        )
        sr = self.node("Add", self.cast(change, self._float32), self.enlarged(cur))
        self.node("Identity", self.cast(sr, self._type), output="sr_out")
        weight, bias = self._sign * weight[SR_CHANNELS:], self._sign * bias[SR_CHANNELS:]
        hidden = self.lrelu(self.convolve("fusion.2.hidden", out, weight, bias))
        self.node("Identity", self.narrowed(hidden), output="hidden_out")
        self.cropped(self.node("DepthToSpace", sr, blocksize=SCALE, mode="DCR"))
        return self.model()

    def first(self, window: str) -> str:
        """The first convolution, on the window and the state."""
        weight, bias = self.layer("conv_s1_first.0")
        of_window, of_sr, of_hidden = np.split(weight, np.cumsum((3 * COLOURS, SR_CHANNELS)), axis=1)
        parts = [window]
        if self._type == self._onnx.TensorProto.BFLOAT16:
            steps = self.node("Floor", self.node("Div", window, self.constant("coarse", np.float32(COARSE))))
            coarse = self.node("Mul", steps, "coarse")
            parts = [coarse, self.node("Sub", window, coarse)]
        parts = [self.cast(part, self._type) for part in parts]
        of_hidden = of_hidden / self._unit
        weight = np.concatenate([*[of_window] * len(parts), of_sr[:, _fold_order()], of_hidden], axis=1)
        cell = self.node("Concat", *parts, "sr", "hidden", axis=1)
        result = self.convolve("conv_s1_first.0", cell, self._sign * weight, self._sign * bias)
        return self.narrowed(self.lrelu(self.widened(result)))

    def body(self, features_at_full_size: str) -> str:
        """Three scales, aligned at their last block (facts 1.3): full, half and quarter size features, concatenated."""
        features = [features_at_full_size]
        for name in ("conv_s2_first.0", "conv_s4_first.0"):
            features.append(self.narrowed(self.activated(name, features[-1], stride=2)))
        blocks = self._shape.blocks
        for i in range(blocks[0]):
            updated = list(features)
            for scale, count in enumerate(blocks):
                block = i - (blocks[0] - count)
                if block < 0:
                    continue
                total = features[scale]
                for coarser in range(scale + 1, len(blocks)):
                    if i - (blocks[0] - blocks[coarser]) > 0:  # it has run a block already
                        total = self.node("Add", total, self.upsample(features[coarser], 2 ** (coarser - scale)))
                updated[scale] = self.block(f"body_s{2**scale}_first.{block}", total)
            features = updated
        full, half, quarter = features
        return self.node("Concat", full, self.upsample(half, 2), self.upsample(quarter, 4), axis=1)

    def block(self, name: str, x: str) -> str:
        weight, bias = self.layer(f"{name}.conv1")
        inner = self.node("Relu", self.convolve(f"{name}.conv1", self.widened(x), weight / self._unit, bias))
        weight, bias = self.layer(f"{name}.conv2")
        change = self.convolve(f"{name}.conv2", inner, self._unit * weight, self._unit * bias)
        return self.node("Add", x, self.narrowed(change))

    def activated(self, name: str, x: str, *, stride: int = 1) -> str:
        """A convolution of what came out of LeakyReLUs, and its own."""
        weight, bias = self.layer(name)
        weight, bias = self._sign / self._unit * weight, self._sign * bias
        return self.lrelu(self.convolve(name, self.widened(x), weight, bias, stride=stride))

    def layer(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A convolution's weights and biases."""
        return self._weights[f"{PREFIX}{name}.weight"], self._weights[f"{PREFIX}{name}.bias"]

    def convolve(
        self, name: str, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], *, stride: int = 1
    ) -> str:
        if ranges := self._ranges.get(name):
            divisors = balance(*ranges)
            x = self.integers(name, x, divisors)
            kernels = self.integer_weights(name, weight * divisors[:, None, None])
            offsets = self.constant(f"{name}.bias", bias)
        else:
            kernels, offsets = self.parameter(f"{name}.weight", weight), self.parameter(f"{name}.bias", bias)
        return self.node("Conv", x, kernels, offsets, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])

    def integers(self, name: str, x: str, divisors: NDArray[np.float32]) -> str:
        """A convolution's input, balanced and rounded."""
        lowest, highest = self._ranges[name]
        size, zero = step(lowest / divisors, highest / divisors)
        scale = (self.constant(f"{name}.step", size), self.constant(f"{name}.zero", zero))
        balanced = self.node("Mul", x, self.constant(f"{name}.balance", (1 / divisors)[:, None, None]))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", balanced, *scale), *scale)

    def integer_weights(self, name: str, weight: NDArray[np.float32]) -> str:
        integers, steps = rounded(weight)
        constants = [
            self.constant(f"{name}.weight", integers),
            self.constant(f"{name}.weight steps", steps),
            self.constant(f"{name}.weight zeros", np.zeros(len(steps), np.int8)),
        ]
        return self.node("DequantizeLinear", *constants, axis=0)

    def widened(self, x: str) -> str:
        """What was stored, as an integer convolution takes it."""
        return self.node("Cast", x, to=self._float32) if self._ranges else x

    def narrowed(self, x: str) -> str:
        """What comes of an integer convolution, to be stored."""
        return self.node("Cast", x, to=self._type) if self._ranges else x

    def lrelu(self, x: str) -> str:
        return self.node("LeakyRelu", x, alpha=self._slope)

    def upsample(self, x: str, factor: int) -> str:
        scales = self.constant(f"x{factor}", np.array([1, 1, factor, factor], np.float32))
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

    def enlarged(self, x: str) -> str:
        """A picture, four times larger (bilinear) and folded."""
        kernels = np.einsum("ij,yk,xl->yxijkl", np.eye(COLOURS, dtype=np.float32), BILINEAR, BILINEAR)
        one_more = self.constant("border", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        kernel = self.constant("bilinear", kernels.reshape(SR_CHANNELS, COLOURS, 3, 3))
        return self.node("Conv", self.node("Pad", x, one_more, mode="edge"), kernel, kernel_shape=[3, 3])

    def padded(self, name: str) -> str:
        limits = (self.constant("zero", np.array(0, np.float32)), self.constant("one", np.array(1, np.float32)))
        clamped = self.node("Clip", name, *limits)
        if self._size is None:
            return self.node("Pad", clamped, self.missing(name), mode="edge")
        right, bottom = (padded(side) - side for side in self._size)
        if not (right or bottom):
            return clamped
        pads = self.constant("pads", np.array([0, 0, 0, 0, 0, 0, bottom, right], np.int64))
        return self.node("Pad", clamped, pads, mode="edge")

    def missing(self, name: str) -> str:
        """The pads that make a frame's size, known when it comes, a multiple of 4."""
        multiple = self.constant("multiple", np.array([MULTIPLE] * 2, np.int64))
        almost = self.constant("multiple - 1", np.array([MULTIPLE - 1] * 2, np.int64))
        size = self.node("Shape", name, start=2)
        full = self.node("Mul", self.node("Div", self.node("Add", size, almost), multiple), multiple)
        none = self.constant("no pads", np.zeros(6, np.int64))
        return self.node("Concat", none, self.node("Sub", full, size), axis=0)

    def cropped(self, x: str) -> str:
        """What lies within four times the size of the frames."""
        zero, axes = self.constant("corner", np.zeros(2, np.int64)), self.constant("sides", np.array([2, 3], np.int64))
        if self._size is None:
            scale = self.constant("scale", np.array([SCALE] * 2, np.int64))
            ends = self.node("Mul", self.node("Shape", "cur", start=2), scale)
        else:
            width, height = self._size
            ends = self.constant("ends", np.array([SCALE * height, SCALE * width], np.int64))
        return self.node("Slice", x, zero, ends, axes, output="frame")

    def cast(self, x: str, type: int) -> str:
        """To or from the precision of the convolutions; nothing where that is float32."""
        return x if self._type == self._float32 else self.node("Cast", x, to=type)

    def parameter(self, name: str, value: NDArray[np.float32]) -> str:
        """A constant in the precision of the convolutions."""
        if self._type != self._onnx.TensorProto.BFLOAT16:  # numpy knows it
            return self.constant(name, value.astype(self._onnx.helper.tensor_dtype_to_np_dtype(self._type)))
        raw = bfloat16.narrowed(_shaped(value) if value.ndim == 4 else value).tobytes()
        self._constants[name] = self._onnx.helper.make_tensor(name, self._type, value.shape, raw, raw=True)
        return name

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(np.asarray(value), name)
        return name

    def node(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{op}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(op, inputs, [output], **attributes))
        return output

    def model(self) -> onnx.ModelProto:
        helper, float32 = self._onnx.helper, self._float32
        lr: tuple[int | str, ...] = ("height", "width")
        state: tuple[int | str, ...] = ("padded height", "padded width")
        sr: tuple[int | str, ...] = ("sr height", "sr width")
        if self._size is not None:
            lr = self._size[::-1]
            state = tuple(padded(side) for side in self._size[::-1])
            sr = tuple(SCALE * side for side in self._size[::-1])

        def info(name: str, type: int, channels: int, size: tuple[int | str, ...]) -> Any:
            return helper.make_tensor_value_info(name, type, [1, channels, *size])

        graph = helper.make_graph(
            self._nodes,
            "AnimeSR step",
            [
                *(info(name, float32, COLOURS, lr) for name in ("prev", "cur", "next")),
                info("sr", self._type, SR_CHANNELS, state),
                info("hidden", self._type, self._shape.features, state),
            ],
            [
                info("frame", float32, COLOURS, sr),
                info("sr_out", self._type, SR_CHANNELS, state),
                info("hidden_out", self._type, self._shape.features, state),
            ],
            initializer=list(self._constants.values()),
        )
        opset = helper.make_opsetid("", self._opset)
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        return model


def _fold_order() -> NDArray[np.intp]:
    """Where each folded channel (dy, dx, colour) lies among (colour, dy, dx)."""
    return np.arange(SR_CHANNELS).reshape(COLOURS, SCALE, SCALE).transpose(1, 2, 0).reshape(-1)


def _shaped(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kernels (outputs, inputs, 3, 3) that bfloat16 holds, with sums as near to the given ones as it can.

    A picture is smooth: what counts is what a kernel does to an even area, which is its sum. So what rounding one value
    leaves is handed on to the next, from the largest to the smallest, which has the finest steps.
    """
    values = kernels.reshape(-1, kernels.shape[2] * kernels.shape[3])
    order = np.argsort(-np.abs(values), axis=1)
    sorted_ = np.take_along_axis(values, order, 1)
    left = np.zeros(len(values), np.float32)
    for column in sorted_.T:
        wanted = column + left
        column[:] = bfloat16.widened(bfloat16.narrowed(wanted))
        left = wanted - column
    rounded = np.empty_like(values)
    np.put_along_axis(rounded, order, sorted_, 1)
    return rounded.reshape(kernels.shape)
