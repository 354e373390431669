"""HQ clips to train with, and episodes that training sees as LQ videos only.

All clips are enlarged crops: old film holds less detail than its pixels could, and drawn clips hold all that theirs
can. HQ to train with is as soft as the material to repair. Otherwise networks learn to draw lines crisper than they
were.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.data.clips import Clip, Frame, find_clips

from ..video import write_clip
from .synthetic_faults import FAULTS, SCALE, SyntheticFault

RATE = 24
ZOOM = 3
"""Factor by which the crop of a drawn picture is enlarged."""
PLACES = {"left": 0.0, "middle": 0.5, "right": 1.0}
"""Horizontal places of the crops to train with; an episode has the middle one. All are at half the height."""


def write_data(clips: Path, out: Path) -> None:
    """Write every other clip as HQ to train with, into `out`/hq, and the others of each show as an episode."""
    for clip in find_clips(clips)[::2]:
        for place in PLACES:
            # One by one: a picture takes 3 MB.
            pictures = (_zoom(clip.read([n])[0], PLACES[place]) for n in range(len(clip)))
            write_clip(out / "hq" / f"{clip.name}-{place}", pictures)
    for fault in FAULTS:
        file = episode_file(out, fault)
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_episode(episode_clips(fault, clips), fault, file)


def episode_file(out: Path, fault: SyntheticFault) -> Path:
    """Return the path of an episode's video."""
    return out / "episodes" / f"{fault.name}.mkv"


def episode_clips(fault: SyntheticFault, clips: Path) -> list[Clip]:
    """Return the HQ clips of an episode, in order."""
    return [clip for clip in find_clips(clips)[1::2] if clip.name.startswith(fault.show)]


def read_hq(clip: Clip, frames: Sequence[int]) -> Tensor:
    """Return HQ frames of an episode's clip: uint8 (frames, 3, height, width)."""
    pictures = np.stack([_zoom(picture, PLACES["middle"]) for picture in clip.read(frames)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _write_episode(clips: Sequence[Clip], fault: SyntheticFault, file: Path) -> None:
    """Write a lossless video of the degraded clips, one after the other."""
    work = file.with_name(f".{file.name}")
    with av.open(str(work), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height = (side // SCALE for side in clips[0].check())
        stream.pix_fmt = "bgr0"
        for clip in clips:
            for picture in fault.degrade(read_hq(clip, range(len(clip)))):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    work.rename(file)


def _zoom(picture: Frame, place: float) -> Frame:
    """Enlarge a crop of a picture to the picture's size.

    Args:
        place: horizontal place of the crop, from 0 (left) to 1 (right).
    """
    height, width, _ = picture.shape
    left, top = width * (1 - 1 / ZOOM) * place, height * (1 - 1 / ZOOM) / 2
    box = (left, top, left + width / ZOOM, top + height / ZOOM)
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box))
