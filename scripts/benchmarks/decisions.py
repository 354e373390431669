"""What it costs for each frame to look for cuts, to look for held frames, and to run a frame in tiles."""

from __future__ import annotations

from collections.abc import Iterator

import vapoursynth as vs

from vsanimesr.network.graph import padded_size
from vsanimesr.options import Options

from .candidates import backend_candidate, filter_candidate, load_clip, load_frames
from .settings import Settings
from .table import Table, verdict
from .timing import time_interleaved

core = vs.core

STEP = "a step of the network"
MOST = 2.0
"""Target: most time of looking for cuts, in per cent of a step."""


def measure_decisions(settings: Settings) -> Iterator[Table]:
    """Compare the time per frame with that of a step, and a frame in tiles with a whole one."""
    source = load_clip(settings, vs.YUV420P8)
    overlap = Options().overlap
    # The smallest of which two fill a side; of a side that is not longer than the overlap, one does.
    tile = [padded_size((max(side, overlap + 2) + overlap) // 2) for side in (settings.width, settings.height)]
    plain = {"backend": "null", "scene_change": "none"}
    whole = {"backend": "openvino", "scene_change": "none", "segment": [0, 0]}
    results = time_interleaved(
        {
            STEP: backend_candidate(load_frames(settings), "openvino", "auto"),
            "the clip alone": filter_candidate(source),
            "core.animesr.Scenes": filter_candidate(core.animesr.Scenes(source)),
            "null, held off": filter_candidate(core.animesr.Upscale(source, **plain)),
            "null, held skip": filter_candidate(core.animesr.Upscale(source, held="skip", **plain)),
            "whole": filter_candidate(core.animesr.Upscale(source, **whole)),
            "tiled": filter_candidate(core.animesr.Upscale(source, tiles=tile, **whole)),
        },
        settings.frames,
        settings.rounds,
    )

    def row(name: str, candidate: str, less: str, most: float | None = None) -> tuple[str, ...]:
        share = 100 * results.share(candidate, less, STEP)
        milliseconds = 1000 * results.difference(candidate, less)
        return name, f"{milliseconds:.2f}", f"{share:.2f} %", verdict(share, at_most=most, unit=" %")

    yield Table(
        "Decisions",
        ("", "ms a frame", "of a step", "target"),
        [
            row("looking for cuts", "core.animesr.Scenes", "the clip alone", MOST),
            row("looking for held frames, all kept", "null, held skip", "null, held off"),
            row(f"tiles of {tile[0]}x{tile[1]}", "tiled", "whole"),
        ],
        f"Extra time at {settings.width}x{settings.height}. A step: {1000 * results.median(STEP):.0f} ms.",
    )
