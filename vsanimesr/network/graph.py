"""One recurrent step as an ONNX graph. Every backend but `torch` runs it; `torch_network` has the same step.

The paper feeds the SR frame back at full size and folds it to LR size (pixel unshuffle) at the next step. Here the
state keeps it folded, `sr = body[:48] + fold(bilinear x4 of cur)`, and only the output is unfolded: the same
arithmetic, without a change to full size and back between two steps. Folded channels are ordered (dy, dx, colour),
which is ONNX's SpaceToDepth. The weights expect (colour, dy, dx) and are reordered once.

Bilinear upsampling to a folded frame is a 3x3 convolution at LR size with one kernel for each of the 16 phases. The
graph states it as such, so no runtime upsamples a picture only to fold it again.

Frames may have any size. They are clamped to [0, 1] and padded at the right and bottom, by repeating the edge, to a
multiple of 4. The state has the padded size; the SR frame is cropped to four times the size of the frame. The state is
not clamped (docs/paper-and-release.md, 1.1). A graph without a size takes frames of any size, by the same operations.

The precision is part of the graph. With bf16 and fp16 the convolutions and the state have 16 bits, and the picture
bypasses them in float32: the upsampled `cur` is added to their output. `cur` enters the convolutions as float16, or as
two bfloat16 numbers per pixel, because one would round it by up to one grey level of 8 bits. The second number gains
4 dB for 0.5 % more work.

16 bits cannot hold 0.1, the slope of the LeakyReLU, either: the nearest bfloat16 is off by a thousandth, always in the
same direction, and the recurrence accumulates that error. So the outputs of LeakyReLUs are stored in units of -1/10:
-10 times LeakyReLU(x) is LeakyReLU(-x) with slope 10, which is exact, and the factors go into the weights. This gains
7 dB.

With int8 all convolutions between the first one and those that make the picture are computed in 8-bit integers. Each is
written with pairs of QuantizeLinear and DequantizeLinear at its input, which runtimes fuse into it. Its result, its
activation and the next quantisation are float32, so that a runtime can fuse them; stored values are bfloat16. The first
and the last convolutions and the state are those of bf16: the state is not clipped, and the picture gains 1 to 2 dB for
7 % of the time. The graph of int8 for GPUs (`symmetric`) is that of fp16 with such pairs around zero.

With fp8 the same convolutions are computed in 8-bit floats (E4M3), with such pairs in the graph of fp16. Their inputs
are rounded as they are, without a step size: in units of -1/10 they fit what 8-bit floats hold. So fp8 needs no ranges.

With the colours of the source, low frequencies are added to the frame (see `colour`), in float32 with every precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import bfloat16, float8
from .colour import GAUSSIAN, PASSES, RADIUS, Colour
from .int8 import Ranges, quantization_step, quantize_weights, smoothing_factors, symmetric_step
from .shapes import COLOURS, MULTIPLE, PREFIX, SCALE, SR_CHANNELS, shape_of

if TYPE_CHECKING:
    import onnx

VERSION = 9
"""Raised with every change that can alter a result. It is part of the key of a built engine."""

SLOPE = 0.1
ONE = np.float32(1)
MIN_WEIGHT = 1e-3
"""A convolution whose weights are all smaller has the step size of this one: float16 holds it."""
COARSE_STEP = 1 / 16
"""Step size of a picture's coarse part. bfloat16 holds its multiples exactly, and 8 bits of the remaining fine part."""

BILINEAR = np.array([[3, 5, 0], [1, 7, 0], [0, 7, 1], [0, 5, 3]], np.float32) / 8
"""Weights of the previous, the own and the next LR pixel, for each of the four SR pixels of an LR pixel
(docs/paper-and-release.md, 1.3)."""

type GraphPrecision = Literal["fp32", "bf16", "fp16", "int8", "fp8"]

# Opset 19 is the first one with 8-bit floats, and with step sizes in float16; 22 with convolutions in bfloat16.
OPSETS: dict[GraphPrecision, int] = {"fp32": 18, "bf16": 22, "fp16": 18, "int8": 22, "fp8": 19}

type Array = NDArray[np.float32]
type Weights = Mapping[str, Array]


def padded_size(size: int) -> int:
    """Return the smallest multiple of 4 that is not below a size."""
    return -(-size // MULTIPLE) * MULTIPLE


def build_graph(
    weights: Weights,
    size: tuple[int, int] | None,
    precision: GraphPrecision = "fp32",
    ranges: Ranges | None = None,
    colour: Colour = "network",
    *,
    symmetric: bool = False,
) -> onnx.ModelProto:
    """Build the graph of one step.

    Inputs: `prev`, `cur`, `next`, float32 (1, 3, height, width), R, G, B in [0, 1]; `sr` (1, 48, H, W) and `hidden`
    (1, features, H, W), in the given precision (int8: bfloat16, or float16 if `symmetric`; fp8: float16), where H and W
    are height and width padded to a multiple of 4. Both are zero before the first step.
    Outputs: `frame`, float32 (1, 3, 4 * height, 4 * width), not clamped; `sr_out` and `hidden_out` for the next step.

    Args:
        weights: a state dict from `load_weights`.
        size: width and height of the frames; None for a graph that takes any size.
        precision: precision of the convolutions and the state.
        ranges: ranges of the inputs with these weights; required for int8, None for everything else.
        colour: whose colours the frame has. The state is the same with both.
        symmetric: with int8, make the graph for GPUs: inputs are quantised around zero, as TensorRT needs it.

    Raises:
        ValueError: ranges without int8, or int8 without ranges.
    """
    if (precision == "int8") != (ranges is not None):
        raise ValueError("ranges belong to int8")
    return _Builder(weights, size, precision, ranges or {}, symmetric).build(colour)


class _Builder:
    """Collects nodes and constants. Each method adds one part of the network and returns the name of its output."""

    def __init__(
        self, weights: Weights, size: tuple[int, int] | None, precision: GraphPrecision, ranges: Ranges, symmetric: bool
    ) -> None:
        import onnx

        self._onnx = onnx
        self._opset = OPSETS[precision]
        self._float32 = onnx.TensorProto.FLOAT
        self._precision = precision
        self._type = {
            "fp32": onnx.TensorProto.FLOAT,
            "bf16": onnx.TensorProto.BFLOAT16,
            "fp16": onnx.TensorProto.FLOAT16,
            "int8": onnx.TensorProto.FLOAT16 if symmetric else onnx.TensorProto.BFLOAT16,
            "fp8": onnx.TensorProto.FLOAT16,
        }[precision]
        self._widened = precision == "int8" and not symmetric
        """Whether values between two stored ones are float32."""
        self._weights = weights
        self._shape = shape_of({key: weight.shape for key, weight in weights.items()})
        self._ranges = ranges
        self._step = symmetric_step if symmetric else quantization_step
        self._size = size
        # The output of a LeakyReLU is `unit` times that of the paper; its input is `sign` times that of the paper.
        exact = precision == "fp32" or self._widened  # LeakyReLUs are computed in float32
        self._unit, self._sign = (np.float32(1), np.float32(1)) if exact else (np.float32(-10), np.float32(-1))
        self._slope = SLOPE if exact else 1 / SLOPE
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def build(self, colour: Colour) -> onnx.ModelProto:
        cur = self.pad("cur")
        window = [self.pad("prev"), cur, self.pad("next")]
        features = self.body(self.first_conv(self.node("Concat", *window, axis=1)))
        out = self.lrelu_conv("fusion.0", features)
        weight, bias = self.layer("fusion.2")
        weight = weight / self._unit
        order = _fold_order()
        change = self.convolve(
            "fusion.2.sr", self.to_precision(out), weight[:SR_CHANNELS][order], bias[:SR_CHANNELS][order]
        )
        sr = self.node("Add", self.cast(change, self._float32), self.upsample_bilinear(cur))
        self.node("Identity", self.cast(sr, self._type), output="sr_out")
        weight, bias = self._sign * weight[SR_CHANNELS:], self._sign * bias[SR_CHANNELS:]
        hidden = self.lrelu(self.inner_convolve("fusion.2.hidden", out, weight, bias, unit=self._unit))
        self.node("Identity", self.to_precision(hidden), output="hidden_out")
        frame = sr
        if colour == "source":
            for _ in range(PASSES):
                frame = self.restore_colours(frame, cur)
        self.node("DepthToSpace", self.crop(frame), blocksize=SCALE, mode="DCR", output="frame")
        return self.model()

    def first_conv(self, window: str) -> str:
        """Add the first convolution, on the window and the state."""
        weight, bias = self.layer("conv_s1_first.0")
        window_weight, sr_weight, hidden_weight = np.split(weight, np.cumsum((3 * COLOURS, SR_CHANNELS)), axis=1)
        parts = [window]
        if self._type == self._onnx.TensorProto.BFLOAT16:
            steps = self.node("Floor", self.node("Div", window, self.constant("coarse", np.float32(COARSE_STEP))))
            coarse = self.node("Mul", steps, "coarse")
            parts = [coarse, self.node("Sub", window, coarse)]
        parts = [self.cast(part, self._type) for part in parts]
        hidden_weight = hidden_weight / self._unit
        weight = np.concatenate([*[window_weight] * len(parts), sr_weight[:, _fold_order()], hidden_weight], axis=1)
        cell = self.node("Concat", *parts, "sr", "hidden", axis=1)
        result = self.convolve("conv_s1_first.0", cell, self._sign * weight, self._sign * bias)
        return self.to_precision(self.lrelu(self.to_float32(result)))

    def body(self, full_size_features: str) -> str:
        """Add the three scales and return their concatenated features. All scales end with the same block
        (docs/paper-and-release.md, 1.3)."""
        features = [full_size_features]
        for name in ("conv_s2_first.0", "conv_s4_first.0"):
            features.append(self.to_precision(self.lrelu_conv(name, features[-1], stride=2)))
        blocks = self._shape.blocks
        for i in range(blocks[0]):
            updated = list(features)
            for scale, count in enumerate(blocks):
                block = i - (blocks[0] - count)
                if block < 0:
                    continue
                total = features[scale]
                for coarser in range(scale + 1, len(blocks)):
                    if i - (blocks[0] - blocks[coarser]) > 0:  # the coarser scale has run a block already
                        total = self.node("Add", total, self.upsample(features[coarser], 2 ** (coarser - scale)))
                updated[scale] = self.block(f"body_s{2**scale}_first.{block}", total)
            features = updated
        full, half, quarter = features
        return self.node("Concat", full, self.upsample(half, 2), self.upsample(quarter, 4), axis=1)

    def block(self, name: str, x: str) -> str:
        """Add a residual block."""
        weight, bias = self.layer(f"{name}.conv1")
        x32 = self.to_float32(x)
        inner = self.node("Relu", self.inner_convolve(f"{name}.conv1", x32, weight / self._unit, bias, unit=self._unit))
        weight, bias = self.layer(f"{name}.conv2")
        change = self.inner_convolve(f"{name}.conv2", inner, self._unit * weight, self._unit * bias)
        return self.node("Add", x, self.to_precision(change))

    def lrelu_conv(self, name: str, x: str, *, stride: int = 1) -> str:
        """Add a convolution with a LeakyReLU behind it; `x` is the output of a LeakyReLU too."""
        weight, bias = self.layer(name)
        weight, bias = self._sign / self._unit * weight, self._sign * bias
        x = self.to_float32(x)
        return self.lrelu(self.inner_convolve(name, x, weight, bias, unit=self._unit, stride=stride))

    def layer(self, name: str) -> tuple[Array, Array]:
        """Return a convolution's weights and biases."""
        return self._weights[f"{PREFIX}{name}.weight"], self._weights[f"{PREFIX}{name}.bias"]

    def convolve(self, name: str, x: str, weight: Array, bias: Array) -> str:
        """Add one of the convolutions that are never computed in 8 bits."""
        return self.conv(x, self.parameter(f"{name}.weight", weight), self.parameter(f"{name}.bias", bias))

    def inner_convolve(
        self, name: str, x: str, weight: Array, bias: Array, *, unit: np.float32 = ONE, stride: int = 1
    ) -> str:
        """Add a convolution between the first one and those that make the picture: with int8 and fp8, in 8 bits.

        Args:
            unit: ratio of the input's values to those of the paper.
        """
        if self._precision == "int8":
            factors = smoothing_factors(*self._ranges[name])
            x = self.quantize_input(name, x, factors, unit)
            kernels = self.quantize_kernels(name, weight * factors[:, None, None])
        elif self._precision == "fp8":
            x, kernels = self.round_input(x), self.round_kernels(name, weight)
        else:
            kernels = self.parameter(f"{name}.weight", weight)
        return self.conv(x, kernels, self.middle_constant(f"{name}.bias", bias), stride)

    def conv(self, x: str, kernels: str, offsets: str, stride: int = 1) -> str:
        return self.node("Conv", x, kernels, offsets, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])

    def quantize_input(self, name: str, x: str, factors: Array, unit: np.float32) -> str:
        """Divide a convolution's input by its smoothing factors and quantise it."""
        lowest, highest = self._ranges[name]
        size, zero = self._step(lowest / factors, highest / factors)
        scale = (self.middle_constant(f"{name}.step", np.abs(unit) * size), self.constant(f"{name}.zero", zero))
        balance = self.middle_constant(f"{name}.balance", np.reciprocal(factors)[:, None, None])
        return self.quantize(self.node("Mul", x, balance), *scale)

    def quantize(self, x: str, step: str, zero: str) -> str:
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, step, zero), step, zero)

    def quantize_kernels(self, name: str, weight: Array) -> str:
        """Add a convolution's weights as integers."""
        integers, steps = quantize_weights(weight)
        constants = [
            self.constant(f"{name}.weight", integers),
            self.middle_constant(f"{name}.weight steps", steps),
            self.constant(f"{name}.weight zeros", np.zeros(len(steps), np.int8)),
        ]
        return self.node("DequantizeLinear", *constants, axis=0)

    def round_input(self, x: str) -> str:
        """Round a convolution's input to 8-bit floats."""
        return self.quantize(x, self.parameter("whole step", ONE), self.float8("float8 zero", np.zeros((), np.uint8)))

    def round_kernels(self, name: str, weight: Array) -> str:
        """Add a convolution's weights as 8-bit floats, with one step size, so that runtimes fuse what follows."""
        step = np.exp2(np.ceil(np.log2(max(float(np.abs(weight).max()), MIN_WEIGHT) / float8.LARGEST)))
        bits = float8.from_float32(_round_kernels(weight / step, float8.round_float32))
        steps = self.parameter(f"{name}.weight step", np.float32(step))
        return self.node("DequantizeLinear", self.float8(f"{name}.weight", bits), steps, "float8 zero")

    def float8(self, name: str, bits: NDArray[np.uint8]) -> str:
        """Add a constant of 8-bit floats."""
        kind = self._onnx.TensorProto.FLOAT8E4M3FN
        self._constants[name] = self._onnx.helper.make_tensor(name, kind, bits.shape, bits.tobytes(), raw=True)
        return name

    def middle_constant(self, name: str, value: Array | np.float32) -> str:
        """Add a constant in the precision of values between two stored ones."""
        return self.constant(name, value) if self._widened else self.parameter(name, value)

    def to_float32(self, x: str) -> str:
        """Cast a stored value to float32 where values between two stored ones are."""
        return self.node("Cast", x, to=self._float32) if self._widened else x

    def to_precision(self, x: str) -> str:
        """Cast a value to the type in which it is stored."""
        return self.node("Cast", x, to=self._type) if self._widened else x

    def lrelu(self, x: str) -> str:
        return self.node("LeakyRelu", x, alpha=self._slope)

    def upsample(self, x: str, factor: int) -> str:
        """Upsample features (bilinear)."""
        scales = self.constant(f"x{factor}", np.array([1, 1, factor, factor], np.float32))
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

    def upsample_bilinear(self, x: str) -> str:
        """Upsample a picture by 4 and fold it, in one convolution."""
        kernels = np.einsum("ij,yk,xl->yxijkl", np.eye(COLOURS, dtype=np.float32), BILINEAR, BILINEAR)
        border = self.constant("border", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        kernel = self.constant("bilinear", kernels.reshape(SR_CHANNELS, COLOURS, 3, 3))
        return self.node("Conv", self.node("Pad", x, border, mode="edge"), kernel, kernel_shape=[3, 3])

    def restore_colours(self, sr: str, cur: str) -> str:
        """Add the low frequencies that `cur` has and the folded SR frame has not, once (see `colour`)."""
        mean = self.constant("mean", np.tile(np.eye(COLOURS, dtype=np.float32), SCALE**2)[..., None, None] / SCALE**2)
        shift = self.node("Sub", cur, self.node("Conv", self.clamp(sr), mean, kernel_shape=[1, 1]))
        for axis in (2, 3):
            shift = self.smooth(shift, axis)
        return self.node("Add", sr, self.upsample_bilinear(shift))

    def smooth(self, x: str, axis: int) -> str:
        """Take the Gaussian mean of a picture along one axis. Pixels beyond the edge have no weight."""
        kernel = GAUSSIAN[:, None] if axis == 2 else GAUSSIAN[None]
        pads = [RADIUS, 0] * 2 if axis == 2 else [0, RADIUS] * 2

        def weigh(x: str, channels: int) -> str:
            kernels = self.constant(f"lowpass {axis} {channels}", np.stack([kernel[None]] * channels))
            return self.node("Conv", x, kernels, kernel_shape=kernel.shape, pads=pads, group=channels)

        return self.node("Div", weigh(x, COLOURS), weigh(self.ones(axis), 1))

    def ones(self, axis: int) -> str:
        """Return a line of ones along an axis of the padded LR frame."""
        if self._size is not None:
            sides = [padded_size(self._size[3 - axis]) if i == axis else 1 for i in range(4)]
            return self.constant(f"ones {axis}", np.ones(sides, np.float32))
        side, other = self.node("Shape", "sr", start=axis, end=axis + 1), self.constant("side", np.ones(1, np.int64))
        shape = self.node("Concat", *(side if i == axis else other for i in range(4)), axis=0)
        return self.node("Expand", self.constant("one", np.array(1, np.float32)), shape)

    def clamp(self, x: str) -> str:
        """Clamp to [0, 1]."""
        limits = (self.constant("zero", np.array(0, np.float32)), self.constant("one", np.array(1, np.float32)))
        return self.node("Clip", x, *limits)

    def pad(self, name: str) -> str:
        """Clamp a frame to [0, 1] and pad it to a multiple of 4."""
        clamped = self.clamp(name)
        if self._size is None:
            return self.node("Pad", clamped, self.compute_pads(name), mode="edge")
        right, bottom = (padded_size(side) - side for side in self._size)
        if not (right or bottom):
            return clamped
        pads = self.constant("pads", np.array([0, 0, 0, 0, 0, 0, bottom, right], np.int64))
        return self.node("Pad", clamped, pads, mode="edge")

    def compute_pads(self, name: str) -> str:
        """Compute the pads of a frame whose size is known only when the graph runs."""
        multiple = self.constant("multiple", np.array([MULTIPLE] * 2, np.int64))
        almost = self.constant("multiple - 1", np.array([MULTIPLE - 1] * 2, np.int64))
        size = self.node("Shape", name, start=2)
        full = self.node("Mul", self.node("Div", self.node("Add", size, almost), multiple), multiple)
        none = self.constant("no pads", np.zeros(6, np.int64))
        return self.node("Concat", none, self.node("Sub", full, size), axis=0)

    def crop(self, x: str) -> str:
        """Crop a folded SR frame to the size of the LR frame."""
        zero, axes = self.constant("corner", np.zeros(2, np.int64)), self.constant("sides", np.array([2, 3], np.int64))
        if self._size is None:
            ends = self.node("Shape", "cur", start=2)
        else:
            ends = self.constant("ends", np.array(self._size[::-1], np.int64))
        return self.node("Slice", x, zero, ends, axes)

    def cast(self, x: str, type: int) -> str:
        """Cast to or from the precision of the convolutions; do nothing if that is float32."""
        return x if self._type == self._float32 else self.node("Cast", x, to=type)

    def parameter(self, name: str, value: Array | np.float32) -> str:
        """Add a constant in the precision of the state."""
        if self._type != self._onnx.TensorProto.BFLOAT16:  # numpy has the type
            return self.constant(name, value.astype(self._onnx.helper.tensor_dtype_to_np_dtype(self._type)))
        value = np.asarray(value)
        rounded = _round_kernels(value, bfloat16.round_float32) if value.ndim == 4 else value
        raw = bfloat16.from_float32(rounded).tobytes()
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
            state = tuple(padded_size(side) for side in self._size[::-1])
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
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=[opset], ir_version=9)
        return model


def _fold_order() -> NDArray[np.intp]:
    """Return the index among (colour, dy, dx) of each folded channel (dy, dx, colour)."""
    return np.arange(SR_CHANNELS).reshape(COLOURS, SCALE, SCALE).transpose(1, 2, 0).reshape(-1)


def _round_kernels(kernels: Array, round: Callable[[Array], Array]) -> Array:
    """Round kernels (outputs, inputs, 3, 3) to values whose sums stay as close to the given ones as possible.

    Pictures are smooth. What matters most is the effect of a kernel on an even area, which is its sum. So the rounding
    error of each value is added to the next one, from the largest to the smallest, which has the finest steps.
    """
    values = kernels.reshape(-1, kernels.shape[2] * kernels.shape[3])
    order = np.argsort(-np.abs(values), axis=1)
    descending = np.take_along_axis(values, order, 1)
    error = np.zeros(len(values), np.float32)
    for column in descending.T:
        exact = column + error
        column[:] = round(exact)
        error = exact - column
    result = np.empty_like(values)
    np.put_along_axis(result, order, descending, 1)
    return result.reshape(kernels.shape)
