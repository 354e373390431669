"""What TensorRT-RTX made of the network, read from an engine. It needs no GPU.

An engine holds its plan as text, in a format that NVIDIA does not document. A later version may say less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

PLANAR, CHANNELS_LAST = "planar", "channels last"

_LAYOUTS = {"3 2 1 0": PLANAR, "3 0 2 1": CHANNELS_LAST}
"""By the order of strides of (1, channels, height, width)."""
_REGION = re.compile(r"region = \{ name=(\S+) size=(\d+) [^}]*?type=(\w+)")
_TENSOR = re.compile(r'tensor=\{[^\n]*? name="(\w+)\.1"[^\n]*? stride_order=\{ ([\d ]+) \}')
_OPERATION = re.compile(r"^\s+(\w+)=\{", re.MULTILINE)
_KINDS = {
    "corrltn": "convolutions",
    "runtime_fusion": "convolutions with what follows",
    "function": "other kernels",
    "runtime_function": "other kernels, compiled on the GPU",
}


@dataclass(frozen=True)
class Plan:
    """The plan of an engine."""

    targets: tuple[str, ...]
    """Compute capabilities, such as `sm89`."""
    capturable: bool
    """Whether steps can be captured as CUDA graphs."""
    memory: int
    """Bytes of intermediate results, of the largest size that the engine supports."""
    constants: int
    """Bytes of constants on the GPU that are not weights of convolutions."""
    kernels: Mapping[str, int]
    """Number of kernels of each kind."""
    layouts: Mapping[str, str]
    """`PLANAR` or `CHANNELS_LAST`, by inputs and outputs."""

    def __str__(self) -> str:
        kernels = ", ".join(f"{count} {kind}" for kind, count in self.kernels.items())
        layouts = ", ".join(f"{name} {layout}" for name, layout in self.layouts.items())
        return (
            f"kernels: {kernels}\nlayouts: {layouts}\n"
            f"memory: {self.memory / 1e6:.0f} MB of intermediate results, {self.constants / 1e6:.1f} MB of constants\n"
            f"CUDA graphs: {'yes' if self.capturable else 'no'}"
        )


def read_plan(engine: bytes, tensors: tuple[str, ...]) -> Plan | None:
    """Read the plan of an engine, or return None if it has none of a known format.

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
    found = {name: _LAYOUTS.get(order, order) for name, order in _TENSOR.findall(header) if name in tensors}
    counts = Counter(_KINDS[kind] for kind in _OPERATION.findall(main) if kind in _KINDS)
    return Plan(
        targets=tuple(targets[1].split()),
        capturable="stream_capturable=1" in header,
        memory=sum(size for size, kind in regions if kind == "user"),
        constants=sum(size for size, kind in regions if kind == "system"),
        kernels={kind: counts[kind] for kind in _KINDS.values() if counts[kind]},
        layouts={name: found[name] for name in tensors if name in found},
    )
