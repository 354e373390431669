"""Scenes of an episode, upscaled by two models as the plugin does it, on the page of `animesr compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsanimesr import load
from vsanimesr.installation import DISTRIBUTION

from ..data.clips import Episode, Frame

if TYPE_CHECKING:
    import vapoursynth as vs

LENGTH = 6
"""Frames of a scene that are upscaled: the recurrence runs over those before the shown one."""
SHOWN = 4
"""Index of the shown frame in its scene. The one after it is part of its window."""
SOURCE = "source"
MEGABYTES = 40
"""Largest size of the pictures of a page."""


def choose_scenes(firsts: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the first frames of windows, at even distances in the list."""
    picked = [firsts[(2 * number + 1) * len(firsts) // (2 * count)] for number in range(count)]
    return list(dict.fromkeys(picked))


def render_scenes(episode: Episode, firsts: Sequence[int], models: Mapping[str, str], megabytes: float) -> str:
    """Return the page that compares models on an episode, as HTML.

    Args:
        firsts: first frames of the scenes, each of `LENGTH` frames.
        models: weights files, or names of released weights, by the label that they get.
        megabytes: largest size of the pictures.

    Raises:
        AnimeSRError: a frame cannot be read, or upscaled.
    """
    load()
    # Not at the top: they import VapourSynth.
    from vsanimesr.comparison.clips import Clip
    from vsanimesr.comparison.report import Report, render_page
    from vsanimesr.comparison.shots import list_views, page_size, take_shot

    source = open_frames([frame for first in firsts for frame in episode.read(range(first, first + LENGTH))])
    starts = list(range(0, len(source), LENGTH))
    nodes = {SOURCE: source}
    for label, model in models.items():
        nodes[label] = source.animesr.Upscale(model=model, backend="torch", scene_change=starts)
    paths = {label: Path(models.get(label, episode.name)) for label in nodes}
    clips = [Clip.of(label, paths[label], _run(node[SHOWN::LENGTH])) for label, node in nodes.items()]
    views = list_views(clips, None)
    budget = int(1e6 * megabytes) // len(firsts)
    shots = [take_shot(views, page_size(clips), number, budget) for number in range(len(firsts))]
    numbered = [replace(shot, n=first + SHOWN) for shot, first in zip(shots, firsts, strict=True)]
    chosen = (
        f"Frames: {len(firsts)} of {len(episode)}, from the windows that the operator learned from, spread over the "
        "episode. Each is the fifth frame that the recurrence runs over."
    )
    return render_page(Report(clips, views, numbered, None, chosen, version(DISTRIBUTION)))


def _run(node: vs.VideoNode) -> vs.VideoNode:
    """Return a clip whose frames are there already: the page reads each several times, and each takes many steps."""
    frames = [node.get_frame(n) for n in range(len(node))]
    blank = node.std.BlankClip(keep=True)
    return blank.std.ModifyFrame(blank, lambda n, f: frames[n])


def open_frames(frames: Sequence[Frame]) -> vs.VideoNode:
    """Return frames as an RGB24 clip without a frame rate."""
    import vapoursynth as vs

    height, width, _ = frames[0].shape
    size = {"width": width, "height": height, "length": len(frames)}
    blank = vs.core.std.BlankClip(format=vs.RGB24, **size, fpsnum=0, fpsden=1, keep=True)

    def load_frame(n: int, f: Any) -> Any:
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), frames[n][:, :, plane])
        return frame

    return blank.std.ModifyFrame(blank, load_frame)
