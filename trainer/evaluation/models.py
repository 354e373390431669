"""The rows of the tables: upscalers, folders of results, and what they are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vsanimesr.network.shapes import SCALE

from ..data.clips import Clip, open_clip
from ..data.uint8 import UINT8_MAX
from ..errors import ClipError
from ..previews import enlarge_pixels
from .measures import to_8_bits
from .sets import Frames, SetClip
from .upscaler import Movable, Upscaler, upscale_frames

HQ, LR = "HQ", "LR"
PROBE = 3, 3, 32, 32
"""Frames that tell one upscaler from another: (frames, 3, height, width)."""


class Model(Protocol):
    """What makes SR frames of a clip."""

    name: str
    measured: bool
    """False for what is only shown."""
    compared: bool
    """Whether it is compared with HQ, and with other models."""

    def identity(self, clip: SetClip) -> str:
        """Return a text that tells these SR frames from others of the same clip.

        Raises:
            ClipError: there are none.
        """
        ...

    def frames(self, clip: SetClip, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        """Yield the SR frames, uint8 (1, 3, 4 * height, 4 * width), on the device.

        Raises:
            ClipError: they cannot be read.
        """
        ...


class Running:
    """An upscaler."""

    measured = compared = True

    def __init__(self, upscaler: Upscaler) -> None:
        self.name = upscaler.name
        self.upscaler = upscaler

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what it makes of fixed frames, on a CPU: of its weights, and of its code."""
        self.move(torch.device("cpu"))
        with torch.inference_mode():
            sr = self.upscaler(torch.rand(PROBE, generator=torch.Generator().manual_seed(0)))
        return hashlib.sha256(np.ascontiguousarray(sr.numpy()).tobytes()).hexdigest()[:16]

    def identity(self, clip: SetClip) -> str:
        return self.fingerprint

    def frames(self, clip: SetClip, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        self.move(device)
        for sr in upscale_frames(self.upscaler, frames.lr.to(device).float() / UINT8_MAX):
            yield to_8_bits(sr)

    def move(self, device: torch.device) -> None:
        """Move its weights to a device, if it has any."""
        if isinstance(self.upscaler, Movable):
            self.upscaler.to(device)


class Results:
    """A folder of SR clips, made by anything: each is a folder of images or a video with the name of a clip of the set.

    Args:
        folder: it names the row, too.
        known: whether they are known to be made of the LR frames of the set.
    """

    measured = compared = True

    def __init__(self, folder: Path, name: str, *, known: bool = False) -> None:
        self.name = name
        self.known = known
        self._folder = folder
        self._opened: dict[str, Clip] = {}

    def identity(self, clip: SetClip) -> str:
        return self._open(clip).digest()

    def frames(self, clip: SetClip, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        results = self._open(clip)
        for n in range(len(clip)):
            yield torch.from_numpy(np.stack(results.read([n]))).permute(0, 3, 1, 2).to(device)

    def _open(self, clip: SetClip) -> Clip:
        if clip.name not in self._opened:
            self._opened[clip.name] = self._find(clip)
        return self._opened[clip.name]

    def _find(self, clip: SetClip) -> Clip:
        found = _find(self._folder, clip.name)
        if found is None:
            raise ClipError(f"{self._folder} has no results of the clip {clip.name!r}; add them under this name")
        size, wanted = found.check(), tuple(SCALE * side for side in clip.size)
        if size != wanted or len(found) < len(clip):
            raise ClipError(
                f"{self._folder}: {clip.name!r} has {len(found)} frames of {size[0]}x{size[1]}, and {len(clip)} of "
                f"{wanted[0]}x{wanted[1]} are needed; upscale all frames by {SCALE}"
            )
        return found


class Fixed:
    """What upscalers are seen beside: HQ, which is measured without a reference, or LR with enlarged pixels."""

    compared = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.measured = name == HQ

    def identity(self, clip: SetClip) -> str:
        return self.name

    def frames(self, clip: SetClip, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        pictures = frames.hq if self.name == HQ else frames.lr
        assert pictures is not None
        for frame in torch.split(pictures, 1):
            yield frame.to(device) if self.name == HQ else enlarge_pixels(frame.to(device), SCALE)


def is_results(path: Path, clips: Sequence[SetClip]) -> bool:
    """Return whether a folder holds results of any of these clips."""
    return path.is_dir() and any(_find(path, clip.name) for clip in clips)


def _find(folder: Path, name: str) -> Clip | None:
    """Return the clip of this name in a folder of clips, of which there may be others."""
    entries = sorted(entry for entry in folder.iterdir() if name in (entry.name, entry.stem))
    return next((clip for entry in entries if (clip := open_clip(entry)) and clip.name == name), None)
