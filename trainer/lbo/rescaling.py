"""Input rescaling: an LQ clip is shrunk, then upscaled; at the right factor its faults go and its detail stays.

Source: the paper's section 4.1, facts 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vsanimesr.torch_network import AnimeSR

from ..clips import Picture
from ..degradation.levels import clip_of
from ..errors import PairError
from ..pictures import image_of
from ..recurrence import Recurrence
from .operator import HALVING

FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Those that the paper looks at."""
LEAST, MOST = 0.1, 1.0
SMALLEST = 16
"""Of a shrunk side, in pixels."""
MULTIPLE = 4
"""Of sides that the network takes."""


def require_factor(factor: float) -> None:
    """Refuse a factor out of range.

    Raises:
        PairError: it is.
    """
    if not LEAST <= factor <= MOST:
        raise PairError(
            f"--factor {factor:g} is refused; give one from {LEAST:g} to {MOST:g}: 0.5 is what the paper has"
        )


class Rescaling:
    """Makes pseudo-HQ of LQ clips.

    Args:
        network: trained with basic operators only; it stays as it is.
    """

    def __init__(self, network: AnimeSR) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        placed = network.to(self._device).to(memory_format=torch.channels_last).eval()
        self._recurrence = Recurrence(placed, layout=torch.channels_last)
        self._autocast = self._device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()

    @torch.inference_mode()
    def pseudo_hq(self, pictures: Sequence[Picture], factor: float) -> Iterator[Image.Image]:
        """A clip shrunk by a factor, upscaled by 4, and brought to exactly twice the size that it had.

        Args:
            pictures: of one clip; the recurrence begins with the first, so that the first few come out less well.

        Raises:
            PairError: they are too small for this factor.
        """
        height, width, _ = pictures[0].shape
        small = round(width * factor), round(height * factor)
        if min(small) < SMALLEST:
            raise PairError(
                f"pictures of {width}x{height} shrunk by {factor:g} have {small[0]}x{small[1]} pixels, and {SMALLEST} "
                "are the least for a side; take a larger factor, or an episode of larger pictures"
            )
        lr = torch.stack([_shrunk(picture, small) for picture in pictures])[None].to(self._device)
        padding = (0, -small[0] % MULTIPLE, 0, -small[1] % MULTIPLE)
        lr = functional.pad(lr.flatten(0, 1), padding, mode="replicate")[None]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            for picture in self._recurrence.pictures(lr):
                sr = image_of(picture[0, :, : 4 * small[1], : 4 * small[0]].float().cpu())
                yield sr.resize((HALVING * width, HALVING * height), Image.Resampling.LANCZOS)


def _shrunk(picture: Picture, size: tuple[int, int]) -> Tensor:
    """float32 (3, height, width). What it cannot hold is filtered out; in the release it folds back."""
    shrunk = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    return clip_of(np.array(shrunk)[None])[0]
