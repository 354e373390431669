"""Measure how near 8 bits and bf16 are to fp32 on the CPU: python -m scripts.studies.int8

Each network runs three scenes with `openvino` in each precision, with its own recurrent state: 100 frames of Big Buck
Bunny; these as black and white; and hard black lines on white, drawn with seeds that no range was measured with.
The table has the PSNR of SR frames to fp32, of the worst frame and the mean. It needs a processor that computes bf16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from scripts import fetch_data
from scripts.benchmarks.table import format_rows
from scripts.calibrate import LINE_SEEDS, draw_lines
from vsanimesr.backends.base import Frame
from vsanimesr.options import Options, Precision
from vsanimesr.session import Session
from vsanimesr.weights.release import MODEL_NAMES

from .arrays import read_clip
from .commands import make_parser
from .psnr import compute_psnr
from .upscaling import run_scene

WIDTH, HEIGHT = 128, 72
FRAMES = 100
SEEDS = (0, 5, 7, 9)
PRECISIONS: tuple[Precision, ...] = ("bf16", "int8")
HEAD = ("model", "scene", "precision", "frames", "PSNR to fp32, dB: worst", "mean")

type Array = NDArray[np.float32]


def load_scenes() -> dict[str, list[Array]]:
    """Return runs of frames by the name of their scene: (frames, 3, height, width), R, G, B in [0, 1]."""
    clip = vs.core.bs.VideoSource(str(fetch_data.fetch()), cachemode=0, showprogress=False)[:FRAMES]
    clip = clip.resize.Bicubic(WIDTH, HEIGHT, format=vs.RGBS, matrix_in=1)
    film: Array = np.array(read_clip(clip))
    assert not set(SEEDS) & set(LINE_SEEDS)
    lines = [draw_lines(seed, WIDTH, HEIGHT) for seed in SEEDS]
    return {"film": [film], "film as black and white": [(film > 0.5).astype(np.float32)], "lines": lines}


def upscale(frames: Array, model: str, precision: Precision) -> Iterator[Array]:
    """Yield the SR frames of a run: (3, 4 * height, 4 * width)."""
    options = Options(model=model, precision=precision, backend="openvino", colour="network")
    with closing(Session(options, width=WIDTH, height=HEIGHT)) as session:
        scene = [Frame(n, (frame[0], frame[1], frame[2])) for n, frame in enumerate(frames)]
        yield from run_scene(session, scene, 0)


def measure(models: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each model, scene and precision."""
    for model in models:
        for scene, runs in load_scenes().items():
            exact = [list(upscale(frames, model, "fp32")) for frames in runs]
            for precision in PRECISIONS:
                psnr = [
                    compute_psnr(sr, expected)
                    for frames, whole in zip(runs, exact, strict=True)
                    for sr, expected in zip(upscale(frames, model, precision), whole, strict=True)
                ]
                yield model, scene, precision, str(len(psnr)), f"{min(psnr):.1f}", f"{np.mean(psnr):.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("int8", __doc__ or "")
    parser.add_argument("models", nargs="*", default=list(MODEL_NAMES), metavar="MODEL", help="default: all")
    print(format_rows(HEAD, list(measure(parser.parse_args(arguments).models))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
