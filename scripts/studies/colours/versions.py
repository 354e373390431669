"""LQ of a clip, upscaled by a released network and corrected in several ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trainer.data.clips import require_clip
from trainer.data.uint8 import UINT8_MAX
from trainer.vsr.evaluation import upscale_bicubic
from vsanimesr.backends.base import SCALE, Frame
from vsanimesr.options import Options
from vsanimesr.session import Session

from ..upscaling import run_scene
from .correction import Correction
from .encoding import Clip

MODELS = ("v1", "v2")
PREROLL = 4
FIRST, STEPS, KEPT = 4, 6, 3
"""First frame of a run, its steps after the pre-roll, and how many of its last frames are measured."""
ENLARGED, NETWORK = "LQ, bicubic", "network"


@dataclass(frozen=True)
class Part:
    """A rectangle of LQ, in LR pixels."""

    left: int
    top: int
    width: int = 128
    height: int = 72

    def crop(self, clip: Clip, scale: int = 1) -> Clip:
        """Crop a clip that is `scale` times as large as LQ."""
        left, top, right, bottom = (
            scale * side for side in (self.left, self.top, self.left + self.width, self.top + self.height)
        )
        return clip[:, :, top:bottom, left:right]


MIDDLE = Part(96, 54)


@dataclass(frozen=True)
class Version:
    """The last frames of a run, with their LQ and HQ."""

    name: str
    sr: Clip
    lq: Clip
    hq: Clip


def read_hq(folder: Path) -> Clip:
    """Read a drawn clip."""
    clip = require_clip(folder, "HQ")
    return np.stack(clip.read(range(len(clip)))).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(UINT8_MAX)


def make_versions(
    lq: Clip, hq: Clip, model: str, corrections: Sequence[Correction], part: Part = MIDDLE
) -> Iterator[Version]:
    """Yield LQ enlarged, the network's frames, and these with each correction."""
    run = part.crop(lq)[FIRST : FIRST + STEPS]
    sr, lq = upscale(run, model)[-KEPT:], run[-KEPT:]
    hq = part.crop(hq, SCALE)[FIRST : FIRST + STEPS][-KEPT:]
    yield Version(ENLARGED, upscale_bicubic(torch.from_numpy(lq)).numpy(), lq, hq)
    yield Version(NETWORK, sr, lq, hq)
    for correction in corrections:
        corrected = [correction.apply(*pair) for pair in zip(sr, lq, strict=True)]
        yield Version(str(correction), np.array(corrected, np.float32), lq, hq)


def upscale(lq: Clip, model: str) -> Clip:
    """Run the network, with a pre-roll of the first frame that settles."""
    *_, height, width = lq.shape
    session = Session(
        Options(model=model, backend="openvino", precision="fp32", colour="network"), width=width, height=height
    )
    frames = [Frame(n, (frame[0], frame[1], frame[2])) for n, frame in enumerate(np.ascontiguousarray(lq))]
    out = np.stack(list(run_scene(session, frames, PREROLL)))
    session.close()
    return out
