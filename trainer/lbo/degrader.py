"""An operator at work in the degradation of clips: as fast as a CPU does it.

By OpenVINO, which has the whole operator as one graph, where PyTorch's layers each go over the clip by themselves.

A CPU computes as many outputs of a convolution at once as a vector holds; where there are fewer, it computes nothing in
the rest. So layers are *folded*: several pixels side by side become the outputs of one place, by a wider kernel that
has the layer's weights once for each of them, shifted, and zeros elsewhere. With channels last, a folded picture has
the same bytes as the picture, so that the next layer reads it as it lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from vsanimesr.engines.openvino import DEVICE, computes_bf16, core_of_process

from .operator import COLOURS, HALVING, SLOPE, Operator

if TYPE_CHECKING:
    from openvino import InferRequest

OPSET = 13
LAYERS = (0, 2, 4)
"""Where an operator has its convolutions."""
LANES = 16
"""Outputs that a CPU with vectors of 512 bits computes at once."""
PADDING = 1


class Degrader:
    """Degrades clips by an operator, on the CPU, in as many threads as PyTorch has.

    Where the CPU computes in bfloat16, so does this: it costs a third of a grey level, as a deviation.

    Args:
        operator: stays as it is, and is taken as it is when the first clip comes.
    """

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self._requests: dict[tuple[int, ...], InferRequest] = {}

    def __call__(self, clip: Tensor) -> Tensor:
        """A clip, float32 (frames, 3, height, width), degraded; not clamped."""
        shape = tuple(clip.shape)
        if shape not in self._requests:
            self._requests[shape] = _request(self.operator, shape)
        (found,) = self._requests[shape].infer([clip.contiguous().numpy()], share_inputs=True).values()
        # Out of the graph it comes as it was computed; put there, unfolding would round to bfloat16.
        frames, folded, height, _ = found.shape
        by_place = torch.from_numpy(found).view(frames, folded // COLOURS, COLOURS, height, -1)
        return by_place.permute(0, 2, 3, 4, 1).reshape(frames, COLOURS, height, -1)

    def __getstate__(self) -> dict[str, object]:
        return {"operator": self.operator, "_requests": {}}  # another process makes its own


def _request(operator: Operator, shape: tuple[int, ...]) -> InferRequest:
    core = core_of_process()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "NO",  # processes that know nothing of each other would all take the same core
        "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        "INFERENCE_PRECISION_HINT": "bf16" if computes_bf16(core) else "f32",
    }
    return core.compile_model(core.read_model(_graph(operator, shape)), DEVICE, settings).create_infer_request()


def _graph(operator: Operator, shape: tuple[int, ...]) -> bytes:
    """The operator on clips of a shape, as ONNX; what comes out of it is folded."""
    frames, _, height, width = shape
    scale = HALVING if operator.halves else 1
    height, width = height // scale, width // scale
    nodes: list[NodeProto] = []
    constants: dict[str, NDArray[Any]] = {}
    last = "clip"

    def node(kind: str, name: str, given: Mapping[str, NDArray[Any]], **attributes: Any) -> str:
        constants.update(given)
        nodes.append(helper.make_node(kind, [last, *given], [name], **attributes))
        return name

    for layer in LAYERS:
        weight, bias = (operator.main[layer].get_parameter(name) for name in ("weight", "bias"))
        outputs, fold = len(weight), _fold(len(weight), width)
        stride = scale if layer == LAYERS[0] else 1
        kernel = _folded(weight if stride == 1 else _on_pixels(weight), stride, fold)
        given = {f"weight{layer}": kernel.numpy(), f"bias{layer}": bias.repeat(fold).numpy()}
        last = node("Conv", f"conv{layer}", given, pads=4 * [stride * PADDING], strides=[stride, stride * fold])
        if layer == LAYERS[-1]:
            break
        last = node("LeakyRelu", f"active{layer}", {}, alpha=SLOPE)
        if fold > 1:
            last = node("Transpose", f"last{layer}", {}, perm=[0, 2, 3, 1])  # no work: it lies like that already
            size = {f"size{layer}": np.array([frames, height, width, outputs])}
            last = node("Reshape", f"unfolded{layer}", size)
            last = node("Transpose", f"first{layer}", {}, perm=[0, 3, 1, 2])
    return _serialised(nodes, constants, shape, last)


def _serialised(
    nodes: Sequence[NodeProto], constants: Mapping[str, NDArray[Any]], shape: tuple[int, ...], result: str
) -> bytes:
    clip = helper.make_tensor_value_info("clip", TensorProto.FLOAT, shape)
    degraded = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "operator", [clip], [degraded], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    serialised: bytes = model.SerializeToString()
    return serialised


def _fold(outputs: int, width: int) -> int:
    """How many pixels side by side fill a vector with their outputs; their number divides the width."""
    fold = 1
    while 2 * fold * outputs <= LANES and width % (2 * fold) == 0:
        fold *= 2
    return fold


def _folded(weight: Tensor, stride: int, fold: int) -> Tensor:
    """A layer's weights for `fold` pixels side by side: (fold * outputs, inputs, ...), by pixel, then by output."""
    shifts = range(0, stride * fold, stride)
    return torch.cat([functional.pad(weight, (shift, shifts[-1] - shift)) for shift in shifts])


def _on_pixels(weight: Tensor) -> Tensor:
    """The first layer's weights on a picture as it is, (outputs, 3, 6, 6), out of those on unshuffled pixels, which
    PyTorch has by colour, then by place in a square, (outputs, 12, 3, 3)."""
    by_place = weight.view(-1, COLOURS, HALVING, HALVING, *weight.shape[2:])
    return by_place.permute(0, 1, 4, 2, 5, 3).reshape(len(weight), COLOURS, *(HALVING * k for k in weight.shape[2:]))
