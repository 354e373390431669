"""An operator at work in the degradation of clips: as fast as a CPU does it.

By OpenVINO, which has the whole operator as one graph: in three quarters of the time of PyTorch, whose layers each go
over the clip by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from vsanimesr.engines.openvino import DEVICE, computes_bf16, core_of_process

from .operator import COLOURS, HALVING, SLOPE, Operator

if TYPE_CHECKING:
    from openvino import InferRequest

OPSET = 13
LAYERS = (0, 2, 4)
"""Where an operator has its convolutions."""


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
        return torch.from_numpy(found)

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
    """The operator on clips of a shape, as ONNX."""
    state: dict[str, Tensor] = dict(operator.main.state_dict())
    nodes, last = [], "clip"
    if operator.halves:
        state["0.weight"] = _by_place(state["0.weight"])
        nodes.append(helper.make_node("SpaceToDepth", [last], ["unshuffled"], blocksize=HALVING))
        last = "unshuffled"
    for layer in LAYERS:
        given = [last, f"{layer}.weight", f"{layer}.bias"]
        nodes.append(helper.make_node("Conv", given, [f"conv{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("LeakyRelu", [f"conv{layer}"], [f"active{layer}"], alpha=SLOPE))
        last = f"active{layer}"
    nodes.pop()  # the last layer has no activation
    clip = helper.make_tensor_value_info("clip", TensorProto.FLOAT, shape)
    degraded = helper.make_tensor_value_info(f"conv{LAYERS[-1]}", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items()]
    graph = helper.make_graph(nodes, "operator", [clip], [degraded], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    serialised: bytes = model.SerializeToString()
    return serialised


def _by_place(weight: Tensor) -> Tensor:
    """The first layer's weights for ONNX's order of channels: by place in a square, then by colour; PyTorch has it by
    colour, then by place."""
    by_colour = weight.view(len(weight), COLOURS, HALVING**2, *weight.shape[2:])
    return by_colour.transpose(1, 2).reshape(weight.shape)
