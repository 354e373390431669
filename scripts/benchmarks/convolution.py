"""How near the whole network comes to the speed of its largest convolution alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np
import openvino
from openvino import opset15 as ops

from vsanimesr.engines.openvino import DEVICE, SETTINGS
from vsanimesr.network import RELEASED

from .contestants import Run, engine, pictures
from .machine import has_bf16
from .rounds import per_frame, taken
from .settings import Settings
from .table import Table, verdict

TARGET = 85.0
"""Per cent of the convolution's throughput."""
WHOLE, PART = "engine alone, auto", "its largest convolution"


def throughput(settings: Settings) -> Iterator[Table]:
    """Operations per second of both, in the precision that `auto` comes to. A multiply-add counts as two."""
    work = operations(settings.width, settings.height)
    largest = max(work, key=lambda name: work[name])
    runs: dict[str, Run] = {
        WHOLE: engine(pictures(settings), "openvino", "auto"),
        PART: _convolution(RELEASED.tensors()[largest], settings),
    }
    done = {WHOLE: sum(work.values()), PART: work[largest]}
    samples = taken({name: per_frame(run, settings.frames) for name, run in runs.items()}, settings.rounds)
    share = 100 * samples.ratio(PART, WHOLE) * done[WHOLE] / done[PART]

    def row(name: str) -> tuple[str, ...]:
        cells = ("", "") if name == PART else (f"{share:.0f} %", verdict(share, at_least=TARGET, unit=" %"))
        seconds = samples.median(name)
        return name, f"{done[name] / 1e9:.0f}", f"{1000 * seconds:.1f}", f"{done[name] / seconds / 1e9:.0f}", *cells

    columns = ("", "GFLOP", "ms", "GFLOP per s", "of the convolution's", "target")
    note = "Operations are those of the paper's convolutions, whatever the engine makes of them."
    yield Table(f"Throughput at {settings.size}", columns, [*map(row, runs)], note)


def operations(width: int, height: int) -> Mapping[str, int]:
    """Of each convolution's weight, for a frame of this size."""
    found = {}
    for name, shape in RELEASED.tensors().items():
        if name.endswith(".weight"):
            scale = 2 if "_s2_" in name else 4 if "_s4_" in name else 1
            found[name] = 2 * prod(shape) * (width // scale) * (height // scale)
    return found


def _convolution(shape: tuple[int, ...], settings: Settings) -> Run:
    """A convolution of this weight and nothing else, from and to channels last, as the engine has its own."""
    kind = openvino.Type.bf16 if has_bf16() else openvino.Type.f32
    size = [1, settings.height, settings.width, shape[1]]
    picture = ops.parameter(size, kind)
    first = ops.transpose(picture, [0, 3, 1, 2])
    values = np.random.default_rng(0).normal(0, 0.02, shape).astype(np.float32)
    weight = ops.convert(ops.constant(values), kind)
    convolved = ops.convolution(first, weight, [1, 1], [1, 1], [1, 1], [1, 1])
    model = openvino.Model([ops.transpose(convolved, [0, 2, 3, 1])], [picture])
    request = openvino.Core().compile_model(model, DEVICE, SETTINGS).create_infer_request()
    request.get_input_tensor().data[:] = 0

    def run(count: int) -> None:
        for _ in range(count):
            request.infer()

    return run
