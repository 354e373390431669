"""Which drawn clips are HQ to train with, and which are an episode: known to nobody but as its LQ video.

All of them are seen from closer: old film holds less detail than its pixels could, and drawn clips hold all that theirs
can. HQ to train with is as soft as what is to be repaired, or networks learn to draw lines crisper than they were.
"""

from __future__ import annotations

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
"""How many times larger a picture shows what a drawn one shows."""
PLACES = {"left": 0.0, "middle": 0.5, "right": 1.0}
"""What a clip to train with may show, of the drawn pictures' middle height; an episode shows the middle."""


def share_out(clips: Path, out: Path) -> None:
    """Every other clip becomes HQ to train with, in `out`/hq; each title's others become an episode."""
    for clip in find_clips(clips)[::2]:
        for place in PLACES:
            folder = out / "hq" / f"{clip.name}-{place}"
            if not folder.is_dir():
                _write_clip(clip, place, folder)
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


def _write_clip(clip: Clip, place: str, folder: Path) -> None:
    work = folder.with_name(f".{folder.name}")
    work.mkdir(parents=True, exist_ok=True)
    for number in range(len(clip)):  # one at a time: they take 3 MB each
        (picture,) = clip.read([number])
        Image.fromarray(_closer(picture, PLACES[place])).save(work / f"{number:08}.png", compress_level=1)
    work.rename(folder)


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
    """The HQ behind an episode: uint8 (frames, 3, height, width)."""
    pictures = np.stack([_closer(picture, PLACES["middle"]) for picture in clip.read(frames)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _closer(picture: Picture, place: float) -> Picture:
    """Of a picture a part, enlarged to its size.

    Args:
        place: of the part, from the picture's left to its right.
    """
    height, width, _ = picture.shape
    left, top = width * (1 - 1 / CLOSER) * place, height * (1 - 1 / CLOSER) / 2
    box = (left, top, left + width / CLOSER, top + height / CLOSER)
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box))
