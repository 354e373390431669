"""Degradation of clips by an operator, as fast as a CPU allows.

OpenVINO runs the whole operator as one graph. PyTorch's layers pass over the clip one by one.

A CPU computes as many outputs of a convolution at once as its vectors have lanes. With fewer outputs, lanes stay idle.
So layers are *folded*: several neighbouring pixels become the outputs of one place, with a wider kernel that holds the
layer's weights once per pixel, shifted, and zeros elsewhere. In channels-last layout a folded frame has the same bytes
as the frame, so the next layer reads it without a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from vsanimesr.backends.openvino import DEVICE, computes_bf16, get_core

from .operator import COLOURS, LBO_SCALE, LEAKY_SLOPE, Operator

if TYPE_CHECKING:
    from openvino import InferRequest

OPSET = 13
CONV_LAYERS = (0, 2, 4)
"""Indices of an operator's convolutions."""
VECTOR_LANES = 16
"""Float32 lanes of a 512-bit vector."""
PADDING = 1


class PoolOperator(Protocol):
    """An operator of a pool."""

    @property
    def operator(self) -> nn.Module:
        """The network, for other devices than the CPU. A run is made of its weights."""
        ...

    def __call__(self, clip: Tensor) -> Tensor:
        """Degrade a clip on the CPU, float32 (frames, 3, height, width). Values are not clamped."""
        ...


class Degrader:
    """Degrades clips by an operator on the CPU, in as many threads as PyTorch uses.

    It computes in bfloat16 if the CPU does. The standard deviation of the error is then a third of a grey level.

    Args:
        operator: not changed. Its weights are read at the first clip of each shape.
    """

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self._requests: dict[tuple[int, ...], InferRequest] = {}

    def __call__(self, clip: Tensor) -> Tensor:
        """Degrade a clip, float32 (frames, 3, height, width). Values are not clamped."""
        shape = tuple(clip.shape)
        if shape not in self._requests:
            self._requests[shape] = _create_request(self.operator, shape)
        (output,) = self._requests[shape].infer([clip.contiguous().numpy()], share_inputs=True).values()
        # Unfolding here and not in the graph, where it would round the output to bfloat16.
        frames, folded, height, _ = output.shape
        by_pixel = torch.from_numpy(output).view(frames, folded // COLOURS, COLOURS, height, -1)
        return by_pixel.permute(0, 2, 3, 4, 1).reshape(frames, COLOURS, height, -1)

    def __getstate__(self) -> dict[str, object]:
        return {"operator": self.operator, "_requests": {}}  # another process creates its own requests


def _create_request(operator: Operator, shape: tuple[int, ...]) -> InferRequest:
    core = get_core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "NO",  # independent processes would all be pinned to the same core
        "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        "INFERENCE_PRECISION_HINT": "bf16" if computes_bf16(core) else "f32",
    }
    return core.compile_model(core.read_model(_build_graph(operator, shape)), DEVICE, settings).create_infer_request()


def _build_graph(operator: Operator, shape: tuple[int, ...]) -> bytes:
    """Return an ONNX model of the operator for clips of one shape. Its output is folded."""
    frames, _, height, width = shape
    scale = LBO_SCALE if operator.halves else 1
    height, width = height // scale, width // scale
    nodes: list[NodeProto] = []
    constants: dict[str, NDArray[Any]] = {}
    last = "clip"

    def add_node(kind: str, name: str, inputs: Mapping[str, NDArray[Any]], **attributes: Any) -> str:
        constants.update(inputs)
        nodes.append(helper.make_node(kind, [last, *inputs], [name], **attributes))
        return name

    for layer in CONV_LAYERS:
        weight, bias = (operator.main[layer].get_parameter(name) for name in ("weight", "bias"))
        outputs = len(weight)
        # With a single channel, OpenVINO 2026.4 gives other values on processors with AVX-512.
        fold = 1 if 1 in weight.shape[:2] else _pixels_per_fold(outputs, width)
        stride = scale if layer == CONV_LAYERS[0] else 1
        kernel = _fold_weights(weight if stride == 1 else _merge_unshuffle(weight), stride, fold)
        tensors = {f"weight{layer}": kernel.numpy(), f"bias{layer}": bias.repeat(fold).numpy()}
        last = add_node("Conv", f"conv{layer}", tensors, pads=4 * [stride * PADDING], strides=[stride, stride * fold])
        if layer == CONV_LAYERS[-1]:
            break
        last = add_node("LeakyRelu", f"active{layer}", {}, alpha=LEAKY_SLOPE)
        if fold > 1:
            # The transpositions cost nothing: memory has this layout already.
            last = add_node("Transpose", f"last{layer}", {}, perm=[0, 2, 3, 1])
            size = {f"size{layer}": np.array([frames, height, width, outputs])}
            last = add_node("Reshape", f"unfolded{layer}", size)
            last = add_node("Transpose", f"first{layer}", {}, perm=[0, 3, 1, 2])
    return _serialise(nodes, constants, shape, last)


def _serialise(
    nodes: Sequence[NodeProto], constants: Mapping[str, NDArray[Any]], shape: tuple[int, ...], result: str
) -> bytes:
    clip = helper.make_tensor_value_info("clip", TensorProto.FLOAT, shape)
    output = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "operator", [clip], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    serialised: bytes = model.SerializeToString()
    return serialised


def _pixels_per_fold(outputs: int, width: int) -> int:
    """Return the number of neighbouring pixels whose outputs fill a vector. It divides the width.

    At least two places are left: with one, OpenVINO 2026.4 gives other values, which change with what memory holds.
    """
    fold = 1
    while 2 * fold * outputs <= VECTOR_LANES and width % (2 * fold) == 0 and 2 * fold < width:
        fold *= 2
    return fold


def _fold_weights(weight: Tensor, stride: int, fold: int) -> Tensor:
    """Return a layer's weights for `fold` neighbouring pixels, (fold * outputs, inputs, ...): by pixel, then output."""
    shifts = range(0, stride * fold, stride)
    return torch.cat([functional.pad(weight, (shift, shifts[-1] - shift)) for shift in shifts])


def _merge_unshuffle(weight: Tensor) -> Tensor:
    """Merge the pixel unshuffle into the weights of the first layer: (outputs, 12, 3, 3) to (outputs, 3, 6, 6).

    PyTorch orders unshuffled channels by colour, then by pixel in a 2x2 block.
    """
    by_pixel = weight.view(-1, COLOURS, LBO_SCALE, LBO_SCALE, *weight.shape[2:])
    return by_pixel.permute(0, 1, 4, 2, 5, 3).reshape(len(weight), COLOURS, *(LBO_SCALE * k for k in weight.shape[2:]))
