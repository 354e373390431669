"""Throughput of the whole network, compared with its largest convolution alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import openvino
from openvino import opset15 as ops

from vsanimesr.backends.openvino import DEVICE, SETTINGS
from vsanimesr.network.shapes import PREFIX, RELEASED_SHAPE

from .candidates import backend_candidate, load_frames
from .machine import has_bf16
from .settings import Settings
from .table import Table, verdict
from .timing import Candidate, time_interleaved

TARGET = 85.0
"""Least throughput of the network, in per cent of the convolution's."""
WHOLE, PART = "backend alone, auto", "its largest convolution"


def measure_throughput(settings: Settings) -> Iterator[Table]:
    """Measure operations per second of both, in the precision of `auto`. A multiply-add counts as two operations."""
    work = count_operations(settings.width, settings.height)
    largest = max(work, key=lambda name: work[name])
    candidates: dict[str, Candidate] = {
        WHOLE: backend_candidate(load_frames(settings), "openvino", "auto"),
        PART: _convolution_candidate(RELEASED_SHAPE.tensors()[largest], settings),
    }
    operations = {WHOLE: sum(work.values()), PART: work[largest]}
    results = time_interleaved(candidates, settings.frames, settings.rounds)
    share = 100 * results.ratio(PART, WHOLE) * operations[WHOLE] / operations[PART]

    def row(name: str) -> tuple[str, ...]:
        cells = ("", "") if name == PART else (f"{share:.0f} %", verdict(share, at_least=TARGET, unit=" %"))
        count, seconds = operations[name] / 1e9, results.median(name)
        return name, f"{count:.0f}", f"{1000 * seconds:.1f}", f"{count / seconds:.0f}", *cells

    columns = ("", "GFLOP", "ms", "GFLOP per s", "of the convolution's", "target")
    note = "The operations are those of the paper's convolutions; the backend may compute them in another way."
    yield Table(f"Throughput at {settings.size}", columns, [*map(row, candidates)], note)


def count_operations(width: int, height: int) -> Mapping[str, int]:
    """Return the operations of each convolution on a frame, by the name of its weight."""
    macs = RELEASED_SHAPE.layer_macs.items()
    return {f"{PREFIX}{name}.weight": round(2 * count * width * height) for name, count in macs}


def _convolution_candidate(shape: tuple[int, ...], settings: Settings) -> Candidate:
    """Run one convolution with a weight of this shape. Input and output are channels last, as within the backend."""
    dtype = openvino.Type.bf16 if has_bf16() else openvino.Type.f32
    size = [1, settings.height, settings.width, shape[1]]
    picture = ops.parameter(size, dtype)
    channels_first = ops.transpose(picture, [0, 3, 1, 2])
    values = np.random.default_rng(0).normal(0, 0.02, shape).astype(np.float32)
    weight = ops.convert(ops.constant(values), dtype)
    convolution = ops.convolution(channels_first, weight, [1, 1], [1, 1], [1, 1], [1, 1])
    model = openvino.Model([ops.transpose(convolution, [0, 2, 3, 1])], [picture])
    request = openvino.Core().compile_model(model, DEVICE, SETTINGS).create_infer_request()
    request.get_input_tensor().data[:] = 0

    def run(count: int) -> None:
        for _ in range(count):
            request.infer()

    return run
