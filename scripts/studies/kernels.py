"""Compare the kernels that scale SR frames to a smaller size: python -m scripts.studies.kernels FOLDER

FOLDER holds clips, as `python -m scripts.studies.drawing` draws them. From one frame of each, a part is shrunk to
256x144, enlarged by the network, and scaled back to the size of the part with each kernel. The table shows PSNR to the
part, and the overshoot: how far values lie outside those of the SR pixels around them, in levels of 255, as mean over
the picture and as 99.9th percentile. Overshoot is what is seen as halos beside lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import vapoursynth as vs
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scripts.benchmarks.table import format_rows
from trainer.data.clips import find_clips
from vsanimesr.options import Kernel

from .arrays import make_clip, read_clip
from .commands import make_parser
from .psnr import compute_psnr

core = vs.core

WIDTH, HEIGHT = 256, 144
FACTORS = (1.5, 2.25, 3.0)
FRAME = 6

type Planes = NDArray[np.float64]  # (3, height, width), 0 to 1
type Figures = dict[tuple[float, str], list[tuple[float, float, float]]]


def measure(folder: Path, models: Sequence[str]) -> Figures:
    """Return PSNR and both overshoots by factor and kernel, of every picture and model."""
    found: Figures = defaultdict(list)
    for clip in find_clips(folder):
        (frame,) = clip.read([FRAME])
        picture = frame.transpose(2, 0, 1).astype(np.float64) / 255
        for factor in FACTORS:
            width, height = round(WIDTH * factor), round(HEIGHT * factor)
            top, left = (picture.shape[1] - height) // 2, (picture.shape[2] - width) // 2
            part = picture[:, top : top + height, left : left + width]
            lr = core.resize.Bicubic(to_clip(part), WIDTH, HEIGHT)
            for model in models:
                sr = core.animesr.Upscale(lr, model=model, precision="fp32")
                pixels = to_planes(sr)
                for kernel in get_args(Kernel.__value__):
                    scaled = to_planes(getattr(core.resize, kernel.capitalize())(to_clip(pixels), width, height))
                    over = overshoot(scaled, pixels)
                    psnr = compute_psnr(np.clip(scaled, 0, 1), part)
                    figures = psnr, float(over.mean()), float(np.percentile(over, 99.9))
                    found[factor, kernel].append(figures)
    return found


def overshoot(scaled: Planes, sr: Planes) -> Planes:
    """Return how far each value lies outside those of the 5x5 SR pixels around its place, in levels of 255."""
    around = sliding_window_view(np.pad(sr, ((0, 0), (2, 2), (2, 2)), "edge"), (5, 5), axis=(1, 2))
    rows, columns = (
        ((np.arange(length) + 0.5) * sr.shape[axis] / length).astype(int)
        for axis, length in ((1, scaled.shape[1]), (2, scaled.shape[2]))
    )
    near = around[:, rows][:, :, columns]
    outside: Planes = np.maximum(scaled - near.max((3, 4)), near.min((3, 4)) - scaled)
    return 255 * np.maximum(outside, 0)


def to_clip(planes: Planes) -> vs.VideoNode:
    """Return a clip of one RGBS frame."""
    return make_clip([planes], vs.RGBS)


def to_planes(clip: vs.VideoNode) -> Planes:
    """Return the first frame."""
    return np.stack(read_clip(clip[0])[0]).astype(np.float64)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("kernels", __doc__ or "")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of clips")
    parser.add_argument("--models", nargs="+", default=["v1", "v2"], metavar="MODEL", help="default: v1 v2")
    options = parser.parse_args(arguments)
    found = measure(options.folder, options.models)
    columns = ("factor", "kernel", "PSNR to the original, dB", "overshoot, mean", "overshoot, 99.9 %")
    rows = []
    for (factor, kernel), figures in found.items():
        psnr, mean, high = np.mean(figures, axis=0)
        rows.append((str(factor), kernel, f"{psnr:.2f}", f"{mean:.3f}", f"{high:.1f}"))
    print(format_rows(columns, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
