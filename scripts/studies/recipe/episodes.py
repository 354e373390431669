"""Data of the study: HQ to train with, hidden episodes as LQ, and held-out scenes whose HQ only the study reads.

All pictures are the same crop of a drawing, enlarged a little: HQ to train with is as soft as what is to be repaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.data.clips import Clip, Frame, find_clips
from trainer.data.uint8 import Frames
from trainer.errors import PairError
from trainer.origin import Origin, differences, digest_files, read_origin, write_origin

from ..drawing.__main__ import EPISODES, SCENES
from ..video import write_clip
from . import hidden_faults
from .hidden_faults import HiddenFault

TRAIN = "train"
WIDTH, HEIGHT = 768, 432
"""Size of HQ in pixels. LQ has a quarter: 192x108."""
ENLARGED = 1.2
"""Factor by which a crop of a drawing, 640x360 pixels, is enlarged."""
DOWN = 0.35
"""Vertical place of all crops, from 0 (top) to 1 (bottom): where faces are."""
MIDDLE, PLACES = 0.5, {"left": 0.0, "right": 1.0}
"""Horizontal place of the crops of hidden shows, and those of HQ to train with."""


@dataclass(frozen=True)
class Data:
    """The folders of the study's data.

    Args:
        clips: the folder of `python -m scripts.studies.drawing`, with train clips and hidden ones.
        folder: where LQ episodes and HQ to train with are written.
        frames: number of frames of a clip that are used, from its first.
        most: largest number of clips of each kind, of all shows together or of each hidden show.
    """

    clips: Path
    folder: Path
    frames: int = 24
    most: int | None = None
    size: tuple[int, int] = (WIDTH, HEIGHT)
    """Width and height of HQ in pixels."""

    @property
    def hq(self) -> Path:
        """The folder of HQ clips to train with."""
        return self.folder / "hq"

    def episode(self, fault: HiddenFault) -> Path:
        """Return the folder of an episode's LQ pictures."""
        return self.folder / "episodes" / fault.name

    def write(self, faults: Sequence[HiddenFault]) -> None:
        """Write what is missing.

        Raises:
            PairError: what is there was made of other clips, or otherwise.
        """
        origin = self._origin(faults)
        if (before := read_origin(self.folder)) and (difference := differences(before, origin)):
            raise PairError(f"{self.folder} was made otherwise: {difference}; delete it, or name another folder")
        write_origin(self.folder, origin)
        for clip in find_clips(self.clips / TRAIN)[: self.most]:
            for name, place in PLACES.items():
                write_clip(self.hq / f"{clip.name}-{name}", self._read(clip, place))
        for fault in faults:
            lq = (picture for clip in self.episode_clips(fault) for picture in self.degrade(fault, clip))
            write_clip(self.episode(fault), lq)

    def episode_clips(self, fault: HiddenFault) -> list[Clip]:
        """Return the clips of an episode, in order."""
        return self._of_show(EPISODES, fault)

    def held_out(self, fault: HiddenFault) -> list[Clip]:
        """Return the clips of an episode's show that training never sees."""
        return self._of_show(SCENES, fault)

    def read_hq(self, clip: Clip) -> Tensor:
        """Return HQ of a hidden clip: uint8 (frames, 3, height, width)."""
        return torch.from_numpy(np.stack(list(self._read(clip, MIDDLE)))).permute(0, 3, 1, 2).contiguous()

    def degrade(self, fault: HiddenFault, clip: Clip) -> Frames:
        """Return LQ of a hidden clip: uint8 (frames, height / 4, width / 4, 3)."""
        return fault.degrade(self.read_hq(clip), clip.name)

    @cached_property
    def digest(self) -> str:
        """A digest of all that training reads."""
        return digest_files(sorted(self.folder.rglob("*.png")))

    def _origin(self, faults: Sequence[HiddenFault]) -> Origin:
        train = find_clips(self.clips / TRAIN)[: self.most]
        hidden = [clip for fault in faults for clip in self.episode_clips(fault)]
        code = digest_files([Path(__file__), Path(hidden_faults.__file__)])
        settings = f"{self.frames} frames of {self.size[0]}x{self.size[1]}"
        clips = {f"clip {clip.name}": clip.digest() for clip in (*train, *hidden)}
        return {"code": code, "settings": settings, "faults": ", ".join(fault.name for fault in faults), **clips}

    def _of_show(self, part: str, fault: HiddenFault) -> list[Clip]:
        clips = [clip for clip in find_clips(self.clips / part) if clip.name.startswith(f"{fault.show}-")]
        return clips[: self.most]

    def _read(self, clip: Clip, place: float) -> Iterable[Frame]:
        for number in range(min(self.frames, len(clip))):  # one by one: a picture takes 3 MB
            (picture,) = clip.read([number])
            yield _crop(picture, place, self.size)


def _crop(picture: Frame, place: float, size: tuple[int, int]) -> Frame:
    height, width, _ = picture.shape
    across, down = (min(side / ENLARGED, limit) for side, limit in zip(size, (width, height), strict=True))
    left, top = (width - across) * place, (height - down) * DOWN
    box = (left, top, left + across, top + down)
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, box))
