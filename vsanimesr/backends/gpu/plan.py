"""What TensorRT and TensorRT-RTX made of the network, read from an engine.

An engine of TensorRT-RTX holds its plan as text, so no GPU is needed; TensorRT tells it of an engine that is loaded.
NVIDIA documents the format of neither. A later version may say less.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PLANAR, CHANNELS_LAST = "planar", "channels last"

_LAYOUTS = {"3 2 1 0": PLANAR, "3 0 2 1": CHANNELS_LAST}
"""By the order of strides of (1, channels, height, width)."""
_FORMATS = {"LINEAR": PLANAR, "HWC8": CHANNELS_LAST}
"""By the name of a `TensorFormat`."""
_REGION = re.compile(r"region = \{ name=(\S+) size=(\d+) [^}]*?type=(\w+)")
_TENSOR = re.compile(
    r'tensor=\{[^\n]*? dims=\{ ([^}]*)\}[^\n]*? name="([^"]+)"[^\n]*? stride_order=\{ ([\d ]+) \}[^\n]*? type=(\w+)'
)
_OPERATION = re.compile(r"^\s+(\w+)=\{(.*)", re.MULTILINE)
_OPERANDS = re.compile(r"(?:input|output)(?:_args)?=\{([^}]*)\}")
_KINDS = {
    "corrltn": "convolutions",
    "runtime_fusion": "convolutions with what follows",
    "function": "other kernels",
    "runtime_function": "other kernels, compiled on the GPU",
}
_BYTES = (
    (re.compile(r"bf16|bfloat16|fp16|half", re.IGNORECASE), 2),
    (re.compile(r"fp8|int8|bool", re.IGNORECASE), 1),
    (re.compile(r"fp32|float|int32", re.IGNORECASE), 4),
)
"""Bytes of a value, by a part of the name of its type. The first that fits counts."""


@dataclass(frozen=True)
class Plan:
    """The plan of an engine. What is None is not known."""

    memory: int
    """Bytes of intermediate results, of the largest size that the engine supports."""
    kernels: Mapping[str, int]
    """Number of kernels of each kind."""
    layouts: Mapping[str, str]
    """`PLANAR` or `CHANNELS_LAST`, by inputs and outputs."""
    traffic: int | None = None
    """Bytes of the tensors that kernels read and write in a step, each once for a kernel."""
    constants: int | None = None
    """Bytes of constants on the GPU that are not weights of convolutions."""
    targets: tuple[str, ...] = ()
    """Compute capabilities, such as `sm89`."""
    capturable: bool | None = None
    """Whether steps can be captured as CUDA graphs."""

    def __str__(self) -> str:
        kernels = ", ".join(f"{count} {kind}" for kind, count in self.kernels.items())
        layouts = ", ".join(f"{name} {layout}" for name, layout in self.layouts.items())
        memory = f"{self.memory / 1e6:.0f} MB of intermediate results"
        if self.constants is not None:
            memory += f", {self.constants / 1e6:.1f} MB of constants"
        lines = [f"kernels: {kernels}", f"layouts: {layouts}", f"memory: {memory}"]
        if self.traffic is not None:
            lines.append(f"read and written in a step: {self.traffic / 1e6:.0f} MB")
        if self.capturable is not None:
            lines.append(f"CUDA graphs: {'yes' if self.capturable else 'no'}")
        return "\n".join(lines)


def read_plan(engine: bytes, tensors: tuple[str, ...]) -> Plan | None:
    """Read the plan of an engine of TensorRT-RTX, or return None if it has none of a known format.

    Args:
        tensors: names of inputs and outputs.
    """
    start, end = engine.find(b"header {"), engine.find(b"\nshape_main {")
    text = engine[start:end].decode("latin-1") if 0 <= start < end else ""
    targets = re.search(r"accelerators=\{([^}]*)\}", text)
    header, _, main = text.partition("\nmain {")
    if targets is None or not main:
        return None
    regions = [(int(size), kind) for _, size, kind in _REGION.findall(header)]
    found = {name: (sides.split(), order, kind) for sides, name, order, kind in _TENSOR.findall(header)}
    orders = {name: found[f"{name}.1"][1] for name in tensors if f"{name}.1" in found}
    kernels = [(kind, operands) for kind, operands in _OPERATION.findall(main) if kind in _KINDS]
    counts = Counter(_KINDS[kind] for kind, _ in kernels)
    operands = (
        found[name]
        for _, line in kernels
        for name in sorted(set(re.findall(r'"([^"]+)"', "".join(_OPERANDS.findall(line)))) & found.keys())
    )
    return Plan(
        memory=sum(size for size, kind in regions if kind == "user"),
        kernels={kind: counts[kind] for kind in _KINDS.values() if counts[kind]},
        layouts={name: _LAYOUTS.get(order, order) for name, order in orders.items()},
        traffic=_count_bytes((sides, kind) for sides, _, kind in operands),
        constants=sum(size for size, kind in regions if kind == "system"),
        targets=tuple(targets[1].split()),
        capturable="stream_capturable=1" in header,
    )


def inspect_plan(trt: Any, engine: Any, tensors: tuple[str, ...]) -> Plan | None:
    """Return the plan of an `ICudaEngine` of TensorRT, or None if it was built without a description of its layers.

    Args:
        tensors: names of inputs and outputs.
    """
    description = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    layers = json.loads(description)["Layers"]
    if not all(isinstance(layer, dict) for layer in layers):
        return None
    formats = {name: engine.get_tensor_format(name).name for name in tensors}
    operands = (operand for layer in layers for operand in (*layer["Inputs"], *layer["Outputs"]))
    return Plan(
        memory=engine.device_memory_size_v2,
        kernels=dict(Counter(layer["LayerType"] for layer in layers).most_common()),
        layouts={name: _FORMATS.get(each, each) for name, each in formats.items()},
        traffic=_count_bytes((operand["Dimensions"], operand["Format/Datatype"]) for operand in operands),
    )


def _count_bytes(operands: Iterable[tuple[Iterable[int | str], str]]) -> int | None:
    """Return the bytes of tensors with these sides and types, or None if one of them is not known."""
    total = 0
    for sides, kind in operands:
        size = next((size for pattern, size in _BYTES if pattern.search(kind)), None)
        try:
            numbers = [int(side) for side in sides]
        except ValueError:  # an engine for any size
            return None
        if size is None or min(numbers, default=0) < 0:
            return None
        total += math.prod(numbers) * size
    return total
