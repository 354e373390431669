"""Which drawn clips are HQ to train with, and which are an episode: known to nobody but as its LQ video."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.clips import Clip, Picture, find_clips

from .hidden import HIDDEN, SCALE, Hidden

RATE = 24
CLOSER = 3
"""How many times larger an episode shows what a clip shows."""


def share_out(clips: Path, out: Path) -> None:
    """Copy every other clip into `out`/hq; each title's others become an episode."""
    for clip in find_clips(clips)[::2]:
        if not (out / "hq" / clip.name).is_dir():
            shutil.copytree(clips / clip.name, out / "hq" / clip.name)
    for hidden in HIDDEN:
        file = episode(out, hidden)
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_episode(shown_by(hidden, clips), hidden, file)


def episode(out: Path, hidden: Hidden) -> Path:
    """The video of an episode."""
    return out / "episodes" / f"{hidden.name}.mkv"


def shown_by(hidden: Hidden, clips: Path) -> list[Clip]:
    """The clips of an episode, in its order."""
    return [clip for clip in find_clips(clips)[1::2] if clip.name.startswith(hidden.title)]


def write_episode(clips: Sequence[Clip], hidden: Hidden, file: Path) -> None:
    """A lossless video of what is left of clips, one after the other."""
    work = file.with_name(f".{file.name}")
    with av.open(str(work), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height = (side // SCALE for side in clips[0].check())
        stream.pix_fmt = "bgr0"
        for clip in clips:
            for picture in hidden.lq(hq_of(clip, range(len(clip)))):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    work.rename(file)


def hq_of(clip: Clip, frames: Sequence[int]) -> Tensor:
    """The HQ behind an episode: uint8 (frames, 3, height, width).

    Old film holds less detail than its pixels could, and drawn clips hold all that theirs can: so it is their middle,
    enlarged.
    """
    pictures = np.stack([_middle(picture) for picture in clip.read(frames)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _middle(picture: Picture) -> Picture:
    height, width, _ = picture.shape
    left, top = (side * (1 - 1 / CLOSER) / 2 for side in (width, height))
    box = (left, top, width - left, height - top)
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box))
