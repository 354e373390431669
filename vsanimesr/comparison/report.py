"""The page: one file of HTML with everything in it, that asks nothing of any network."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .clips import Clip, describe
from .images import data_uri
from .metrics import Metrics
from .shots import Shot, View, compared_views, page_size, window_of
from .template import fill_page

COLOURS = (
    "Colours: every frame is converted to 8-bit R, G, B in full range by its own matrix and range (YUV without a range "
    "is taken as limited), and shown as sRGB. Values are rounded, not dithered. Transfer and primaries are not "
    "converted."
)
ENLARGED = (
    "Sizes: “nearest” shows the pixels of the source, enlarged by nearest neighbour. What else is smaller than the "
    "largest clip is enlarged to its size by bicubic, of VapourSynth's resize."
)
MEASURED = (
    "PSNR and SSIM are of the whole frame, of BT.601 luma, as in the literature. SSIM has a Gaussian window with a "
    "standard deviation of 1.5. Larger is nearer to the reference, which need not mean that it looks better."
)


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    clips: Sequence[Clip]
    """With the reference, if there is one."""
    views: Sequence[View]
    shots: Sequence[Shot]
    scenes: Sequence[int] | None
    """First frames of the scenes; None if they were not looked for."""
    chosen_by: str
    """How the frames were chosen, as a sentence."""
    version: str


def render_page(report: Report) -> str:
    """Return the page as HTML."""
    return fill_page(" · ".join(clip.label for clip in report.clips), _content(report))


def _content(report: Report) -> dict[str, Any]:
    size = page_size(report.clips)
    compared = compared_views(report.views)
    return {
        "size": size,
        "window": window_of(size),
        "version": report.version,
        "clips": [{"label": clip.label, "rows": describe(clip), "notes": clip.notes} for clip in report.clips],
        "views": [
            {"label": view.label, "clip": report.clips.index(view.clip), "reference": view.reference}
            for view in report.views
        ],
        "compared": [index for index, view in enumerate(report.views) if view in compared],
        "facts": _facts(report, size),
        "shots": [_shot(report, shot) for shot in report.shots],
    }


def _facts(report: Report, size: tuple[int, int]) -> list[str]:
    """Return what the page says about itself, as paragraphs."""
    facts = [report.chosen_by]
    cropped = [shot for shot in report.shots if (shot.crop.width, shot.crop.height) != size]
    facts.append("Images are lossless.")
    if cropped:
        facts[-1] += (
            f" {len(cropped)} of {len(report.shots)} frames: only a part around the largest difference, to keep this "
            "file small (--megabytes)."
        )
    if any(view.kind != "own" for view in report.views):
        facts.append(ENLARGED)
    facts.append(COLOURS)
    if any(view.reference for view in report.views):
        facts.append(MEASURED)
    return facts


def _shot(report: Report, shot: Shot) -> dict[str, Any]:
    rate = report.clips[0].frames.fps
    return {
        "n": shot.n,
        "time": _time(shot.n / float(rate)) if rate else None,
        "scene": bisect_right(report.scenes, shot.n) if report.scenes else None,
        "crop": shot.crop,
        "places": shot.places,
        "pictures": [{"image": data_uri(picture.image), "box": picture.box} for picture in shot.pictures],
        "metrics": [None if metrics is None else _figures(metrics) for metrics in shot.metrics],
        "props": [dict(props) for props in shot.props],
    }


def _figures(metrics: Metrics) -> Mapping[str, float | None]:
    """Return figures that JSON can hold: no infinity."""
    return {"psnr": None if math.isinf(metrics.psnr) else round(metrics.psnr, 3), "ssim": metrics.ssim}


def _time(seconds: float) -> str:
    """Return a time as h:mm:ss.mmm."""
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"
