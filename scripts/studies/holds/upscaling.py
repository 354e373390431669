"""What held="skip" changes in the result: the real network on a small clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsanimesr.backends.base import SCALE, Frame
from vsanimesr.options import Options
from vsanimesr.session import Session

from ..psnr import compute_psnr
from ..upscaling import run_scene
from . import encodings
from .comparison import Comparison
from .encodings import Encoding, Yuv
from .groups import find_kept
from .scenes import Scene

type Rgb = NDArray[np.float32]
"""In 0..1: (3, height, width)."""

COUNT = 40
PREROLL = 5


def shrink(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a picture (height, width, 3) at a quarter of its size, by averages."""
    height, width, _ = picture.shape
    return picture.reshape(height // SCALE, SCALE, width // SCALE, SCALE, 3).mean((1, 3))


def upscale(session: Session, frames: Sequence[Yuv], numbers: Sequence[int]) -> Iterator[Rgb]:
    """Yield the SR frames of these frames of a scene, as if there were no others."""
    planes = [np.ascontiguousarray(np.moveaxis(encodings.to_rgb(yuv) / 255, 2, 0), np.float32) for yuv in frames]
    scene = [Frame(n, (planes[n][0], planes[n][1], planes[n][2])) for n in numbers]
    for result in run_scene(session, scene, PREROLL):
        yield np.clip(result, 0, 1)


def compute_luma_psnr(a: Rgb, b: Rgb) -> float:
    """Compute the PSNR of luma."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return compute_psnr(np.tensordot(weights, a, 1), np.tensordot(weights, b, 1))


def measure_scene(
    scene: Scene, pictures: Sequence[NDArray[np.float32]], encoding: Encoding, comparison: Comparison, bound: int
) -> tuple[str, ...]:
    """Return a row: steps, PSNR of both, the smallest difference for a frame, flicker on holds, the step at a bound."""
    hq = [np.moveaxis(np.clip(picture, 0, 255) / np.float32(255), 2, 0) for picture in pictures[:COUNT]]
    source = [encodings.to_yuv(shrink(picture)) for picture in pictures[:COUNT]]
    lr = list(encodings.decode(encodings.encode(source, encoding)))
    kept = find_kept(COUNT, bound, lambda k, n: comparison.is_held(encodings.split(lr[k]), encodings.split(lr[n])))
    rows, width = lr[0].shape
    session = Session(Options(backend="openvino", precision="fp32"), width=width, height=rows * 2 // 3)
    off = list(upscale(session, lr, range(COUNT)))
    order = sorted(set(kept))
    results = dict(zip(order, upscale(session, lr, order), strict=True))
    session.close()
    skip = [results[n] for n in kept]

    quality = [(compute_luma_psnr(a, c), compute_luma_psnr(b, c)) for a, b, c in zip(off, skip, hq, strict=True)]
    held = [n for n in range(1, COUNT) if scene.key(n) == scene.key(n - 1)]
    steps = [compute_luma_psnr(off[n - 1], off[n]) for n in held]
    still = sum(np.array_equal(skip[n - 1], skip[n]) for n in held)
    forced = [compute_luma_psnr(results[a], results[b]) for a, b in pairwise(order) if scene.key(a) == scene.key(b)]
    return (
        scene.name,
        f"{len(order)} of {COUNT}",
        f"{np.mean([each[0] for each in quality]):.3f}",
        f"{np.mean([each[1] for each in quality]):.3f}",
        f"{min(b - a for a, b in quality):+.2f}",
        f"{np.median(steps):.1f}",
        f"{still} of {len(held)}",
        f"{min(forced):.1f}" if forced else "",
    )
