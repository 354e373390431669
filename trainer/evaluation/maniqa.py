"""MANIQA (Yang et al. 2022): a learned quality of a picture without a reference, the mean of 20 crops.

No package carries its weights, so they are a file that the user names. The network is that of `pyiqa`, which the user
installs: its licence allows no commercial use. The release crops at random, without a seed, so that its values differ
from run to run. Here the crops of a clip are fixed: they follow from its name and size alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsanimesr.identity import file_digest

from ..losses.pyiqa_network import load_pyiqa_network

SIDE, CROPS = 224, 20
NETWORK = "maniqa-pipal"
"""The network by `pyiqa`'s name: the one of the NTIRE 2022 challenge, as in the release."""


class Maniqa:
    """Scores frames.

    Args:
        file: a checkpoint of `pyiqa` for this network, or a file with its state dict.

    Raises:
        LossError: the file cannot be read, or holds other weights.
        MissingDependencyError: `pyiqa` is not installed.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        self._network = load_pyiqa_network(NETWORK, file, "--maniqa", test_sample=1).to(device)
        self.digest = file_digest(file)

    @torch.inference_mode()
    def __call__(self, frame: Tensor, clip: str) -> float:
        """Return the mean score of the crops; higher is better, and NaN stands for a frame smaller than a crop.

        Args:
            frame: float32 (1, 3, height, width), R, G, B in [0, 1].
            clip: name of the clip.
        """
        height, width = frame.shape[-2:]
        if min(height, width) < SIDE:
            return float("nan")
        places = choose_crops(clip, height, width)
        crops = torch.cat([frame[..., top : top + SIDE, left : left + SIDE] for top, left in places])
        # pyiqa enlarges what is not larger than a crop, and takes the top left of what is.
        return float(self._network(functional.pad(crops, (0, 1, 0, 1))).mean())


def choose_crops(clip: str, height: int, width: int) -> list[tuple[int, int]]:
    """Return top and left of the crops of all frames of a clip with this name and size."""
    generator = np.random.default_rng([height, width, *clip.encode()])
    tops, lefts = (generator.integers(0, side - SIDE, CROPS, endpoint=True).tolist() for side in (height, width))
    return list(zip(tops, lefts, strict=True))
