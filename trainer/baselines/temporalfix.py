"""vs_temporalfix after a baseline: a filter for VapourSynth that averages away what differs from frame to frame.

Networks that see each frame alone make details flicker, and this is how people repair it. The package is not among our
dependencies, and it is used as it is, code and weights; of what it depends on itself, nothing is needed here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsanimesr.errors import MissingDependencyError
from vsanimesr.network.shapes import COLOURS

from ..errors import BaselineError
from .network import Baseline

SUFFIX = "+temporalfix"
VERSION = "2.4.1"
"""The version whose results are shown under this name."""
STRENGTH = 2.0
"""The default of the package."""
LEAST_FRAMES = 4
"""The filter takes no shorter clips. Those go on with their last frame."""
_KEPT = 8
"""Frames that are kept for it, and for requests that arrive out of order: it sees three before and three after."""


class TemporalFix:
    """A baseline, and then vs_temporalfix's model, on a CPU or on an NVIDIA GPU.

    Raises:
        MissingDependencyError: vs_temporalfix is not installed.
        BaselineError: another version of it is.
    """

    parameters = None
    macs_per_pixel = None

    def __init__(self, baseline: Baseline) -> None:
        _require_package()
        self.name = baseline.name + SUFFIX
        self._baseline = baseline

    def to(self, device: torch.device) -> None:
        """Move the weights of the baseline to a device."""
        self._baseline.to(device)

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscale the frames of one clip, as `Baseline` does."""
        return torch.cat(list(self.frames(lr)))

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the frames that a call returns, each (1, 3, 4 * height, 4 * width), in [0, 1]."""
        import vapoursynth as vs
        import vs_temporalfix

        source = _Source(self._baseline.frames(lr))
        height, width = source.read(0).shape[1:]
        length = max(len(lr), LEAST_FRAMES)
        blank = vs.core.std.BlankClip(width=width, height=height, format=vs.RGBS, length=length, keep=True)
        sr = vs.core.std.ModifyFrame(blank, blank, source.fill)
        backend = "cuda" if lr.is_cuda else "cpu"
        fixed = vs_temporalfix.model(sr, strength=STRENGTH, backend=backend, gpu_id=lr.device.index or 0)
        for n in range(len(lr)):
            with fixed.get_frame(n) as frame:
                planes = np.stack([np.asarray(frame[plane]) for plane in range(COLOURS)])
            yield torch.from_numpy(planes)[None].to(lr.device)


class _Source:
    """Serves SR frames to VapourSynth, whose threads ask in any order within a window that moves on."""

    def __init__(self, frames: Iterator[Tensor]) -> None:
        self._frames = frames
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._next = 0
        self._lock = threading.Lock()

    def read(self, n: int) -> NDArray[np.float32]:
        """Return a frame, (3, height, width). Those of more than `_KEPT` frames before the last one are forgotten."""
        with self._lock:
            while n >= self._next:
                frame = next(self._frames, None)
                self._kept[self._next] = self._kept[self._next - 1] if frame is None else frame[0].cpu().numpy()
                self._next += 1
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[n]

    def fill(self, n: int, f: Any) -> Any:
        """Put a frame into a frame of VapourSynth."""
        frame = f.copy()
        for plane, values in enumerate(self.read(n)):
            np.copyto(np.asarray(frame[plane]), values)
        return frame


def _require_package() -> None:
    remedy = f"run: pip install --no-deps vs_temporalfix=={VERSION}"
    try:
        found = version("vs_temporalfix")
    except PackageNotFoundError as error:
        raise MissingDependencyError(
            f"{SUFFIX} needs the package vs_temporalfix, which is not installed; {remedy}"
        ) from error
    if found != VERSION:
        raise BaselineError(f"{SUFFIX} needs vs_temporalfix {VERSION}, and {found} is installed; {remedy}")
