"""Input rescaling: an LQ clip is scaled down, then upscaled. The right factor removes its faults and keeps its detail.

Source: section 4.1 of the paper; docs/paper-and-release.md, 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vsanimesr.network.colour import Colour
from vsanimesr.network.shapes import MULTIPLE, SCALE
from vsanimesr.network.torch_colour import RestoringColours
from vsanimesr.network.torch_network import AnimeSR

from ..data.clips import Frame
from ..data.uint8 import to_float
from ..degradation.learned.operator import LBO_SCALE
from ..errors import PairError
from ..previews import to_image
from ..vsr.recurrence import Recurrence

FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Factors to choose from, those of the paper."""
MIN_FACTOR, MAX_FACTOR = 0.1, 1.0
MIN_SIDE = 16
"""Smallest side of a scaled-down frame, in pixels."""


def require_factor(factor: float) -> None:
    """Refuse a factor out of range.

    Raises:
        PairError: the factor is out of range.
    """
    if not MIN_FACTOR <= factor <= MAX_FACTOR:
        raise PairError(
            f"--factor {factor:g} is refused; use a factor from {MIN_FACTOR:g} to {MAX_FACTOR:g}, the paper has 0.5"
        )


def scaled_size(width: int, height: int, factor: float) -> tuple[int, int]:
    """Return width and height of scaled-down frames.

    Raises:
        PairError: they are too small.
    """
    small = round(width * factor), round(height * factor)
    if min(small) < MIN_SIDE:
        raise PairError(
            f"frames of {width}x{height} scaled down by {factor:g} have {small[0]}x{small[1]} pixels, and the smallest "
            f"side is {MIN_SIDE}; use a larger factor, or an episode with larger frames"
        )
    return small


class Rescaling:
    """Makes pseudo-HQ from LQ clips.

    Args:
        network: a network trained with basic operators only. Its weights are not changed.
    """

    def __init__(self, network: AnimeSR) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = network.to(self._device).to(memory_format=torch.channels_last).eval()
        self._network = network
        self._recurrence = Recurrence(network, layout=torch.channels_last)
        self._autocast = self._device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()

    @torch.inference_mode()
    def pseudo_hq(self, frames: Sequence[Frame], factor: float, colour: Colour = "network") -> Iterator[Image.Image]:
        """Scale a clip down by a factor, upscale it by 4, and resize it to exactly twice its size.

        Args:
            frames: consecutive frames. The recurrence starts at the first one, so the first few have lower quality.
            colour: whose colours pseudo-HQ has, as in the filter (docs/colours.md).

        Raises:
            PairError: the frames are too small for this factor.
        """
        height, width, _ = frames[0].shape
        small = scaled_size(width, height, factor)
        lr = torch.stack([_scale_down(frame, small) for frame in frames])[None].to(self._device)
        padding = (0, -small[0] % MULTIPLE, 0, -small[1] % MULTIPLE)
        lr = functional.pad(lr.flatten(0, 1), padding, mode="replicate")[None]
        size = lr.shape[-1], lr.shape[-2]
        restoring = RestoringColours(self._network, size).to(self._device) if colour == "source" else None
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            for cur, frame in zip(lr.unbind(1), self._recurrence.frames(lr), strict=True):
                with torch.autocast(self._device.type, enabled=False):
                    shown = restoring.restore(frame, cur) if restoring else frame
                sr = to_image(shown[0, :, : SCALE * small[1], : SCALE * small[0]].float().cpu())
                yield sr.resize((LBO_SCALE * width, LBO_SCALE * height), Image.Resampling.LANCZOS)


def _scale_down(frame: Frame, size: tuple[int, int]) -> Tensor:
    """Scale a frame down to float32 (3, height, width), with a filter against aliasing. The release has none."""
    small = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
    return to_float(np.array(small)[None])[0]
