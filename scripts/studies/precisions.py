"""Compare the precisions of GPUs without a GPU: python -m scripts.studies.precisions FOLDER

The first table is the work: what engines of TensorRT-RTX for 640x480 are made of (`animesr build --report`). How fast
they are, only a GPU can tell.

The second table is the error: PSNR to fp32, of the worst frame and the mean. The network runs on a CPU with ONNX
Runtime, node by node, and rounds where the graph for TensorRT rounds, on the first frames of every sixth clip, shrunk
to 96x64. FOLDER holds clips, as `python -m scripts.studies.drawing` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray

from scripts.benchmarks.table import format_rows
from trainer.data.clips import Episode, find_clips
from vsanimesr.backends.base import int8_ranges
from vsanimesr.backends.gpu import tensorrt_build
from vsanimesr.backends.gpu.plan import Plan, read_plan
from vsanimesr.backends.onnxruntime import import_onnxruntime
from vsanimesr.network.graph import GraphPrecision, build_graph
from vsanimesr.network.tensors import STATE, WINDOW, step_tensors
from vsanimesr.weights.load import WeightsFile, read_weights
from vsanimesr.weights.release import MODEL_NAMES

from .commands import make_parser
from .psnr import compute_psnr

SIZE = (96, 64)
STEPS = 12
EVERY = 6
PRECISIONS: tuple[GraphPrecision, ...] = ("fp16", "fp8", "int8")
PLANS: dict[GraphPrecision, tuple[str, ...]] = {
    "fp16": ("sm86", "sm89", "sm120"),
    "int8": ("sm86", "sm89", "sm120"),
    "fp8": ("sm89", "sm120"),
}
PLAN_SIZE = (640, 480)
ERRORS = ("model", "precision", "frames", "PSNR to fp32, dB: worst", "mean")
WORK = ("precision", "GPU", "convolutions", "other kernels", "engine, MB", "memory, MB", "read and written, MB")

type Array = NDArray[np.float32]


def make_graph(precision: GraphPrecision, weights: WeightsFile, size: tuple[int, int]) -> onnx.ModelProto:
    """Return the graph that TensorRT reads."""
    return build_graph(weights.load(), size, precision, int8_ranges(precision, weights), symmetric=True)


def run_graph(model: onnx.ModelProto, windows: Sequence[Sequence[Array]]) -> Iterator[list[Array]]:
    """Yield the outputs of each step: the frame, the state, and any others.

    Args:
        windows: prev, cur and next of each step, (1, 3, height, width).
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # fused nodes would round less
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    state = {each.name: np.zeros(each.shape, types[each.type]) for each in session.get_inputs() if each.name in STATE}
    for window in windows:
        outputs = session.run(None, dict(zip(WINDOW, window, strict=True)) | state)
        state = dict(zip(STATE, outputs[1:], strict=False))
        yield outputs


def read_windows(clip: Episode) -> list[list[Array]]:
    """Return the windows of the first steps of a clip."""
    frames = [
        (picture.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
        for _, (_, picture) in zip(range(STEPS + 1), clip.stream(*SIZE), strict=False)
    ]
    return [[frames[max(n - 1, 0)], frames[n], frames[n + 1]] for n in range(len(frames) - 1)]


def measure(folder: Path, models: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the second table for each model and precision."""
    clips = [read_windows(cast(Episode, clip)) for clip in find_clips(folder)[::EVERY]]
    for model in models:
        weights = read_weights(model)
        exact = [[outputs[0] for outputs in run_graph(make_graph("fp32", weights, SIZE), clip)] for clip in clips]
        for precision in PRECISIONS:
            psnr = [
                compute_psnr(outputs[0], frame)
                for clip, frames in zip(clips, exact, strict=True)
                for outputs, frame in zip(run_graph(make_graph(precision, weights, SIZE), clip), frames, strict=True)
            ]
            yield model, precision, str(len(psnr)), f"{min(psnr):.1f}", f"{np.mean(psnr):.1f}"


def inspect(precision: GraphPrecision, target: str) -> tuple[str, ...]:
    """Return a row of the first table."""
    request = tensorrt_build.BuildRequest(
        backend="tensorrt_rtx",
        size=PLAN_SIZE,
        precision=precision,
        colour="source",
        targets=(target,),
        options=tensorrt_build.TensorRTRTXOptions(),
    )
    engine = tensorrt_build.build(request, read_weights("v2"))
    plan = cast(Plan, read_plan(engine, tuple(step_tensors(1, 1, "fp32"))))
    convolutions = sum(count for kind, count in plan.kernels.items() if kind.startswith("convolutions"))
    others = sum(plan.kernels.values()) - convolutions
    megabytes = (len(engine), plan.memory, cast(int, plan.traffic))
    return precision, target, str(convolutions), str(others), *(f"{size / 1e6:.0f}" for size in megabytes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("precisions", __doc__ or "")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of clips")
    parser.add_argument("--models", nargs="+", default=list(MODEL_NAMES), metavar="MODEL", help="default: all")
    options = parser.parse_args(arguments)
    print(format_rows(WORK, [inspect(precision, gpu) for precision, gpus in PLANS.items() for gpu in gpus]), flush=True)
    print(format_rows(ERRORS, list(measure(options.folder, options.models))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
