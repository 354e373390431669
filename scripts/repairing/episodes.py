"""Which drawn clips are HQ to train with, and which are an episode: known to nobody but as its LQ video."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from trainer.clips import Clip, find_clips

from .hidden import HIDDEN, SCALE, Hidden

RATE = 24
TITLES = dict(zip(("green", "evening", "school"), HIDDEN, strict=True))
"""What each title's episode suffers from."""


def share_out(clips: Path, out: Path) -> None:
    """Copy every other clip into `out`/hq, and make an episode, `out`/episodes/NAME.mkv, of each title's others."""
    found = find_clips(clips)
    for clip in found[::2]:
        if not (out / "hq" / clip.name).is_dir():
            shutil.copytree(clips / clip.name, out / "hq" / clip.name)
    for title, hidden in TITLES.items():
        file = out / "episodes" / f"{hidden.name}.mkv"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_episode([clip for clip in found[1::2] if clip.name.startswith(title)], hidden, file)


def write_episode(clips: Sequence[Clip], hidden: Hidden, file: Path) -> None:
    """A lossless video of what is left of clips, one after the other."""
    work = file.with_name(f".{file.name}")
    with av.open(str(work), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height = (side // SCALE for side in clips[0].check())
        stream.pix_fmt = "bgr0"
        for clip in clips:
            for picture in hidden.lq(whole(clip)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    work.rename(file)


def whole(clip: Clip) -> Tensor:
    """uint8 (frames, 3, height, width)."""
    pictures = np.stack(clip.read(range(len(clip))))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
