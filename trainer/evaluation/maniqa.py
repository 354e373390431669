"""MANIQA (Yang et al. 2022): a learned quality of a picture without a reference, the mean of 20 crops.

No package carries its weights, so they are a file that the user names. The network is that of `pyiqa`, which the user
installs: its licence allows no commercial use. The release crops at random, without a seed, so that its values differ
from run to run. Here the crops of a clip are fixed: they follow from its name and size alone.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsanimesr.errors import MissingDependencyError
from vsanimesr.identity import file_digest

from ..errors import LossError

SIDE, CROPS = 224, 20
NETWORK = "maniqa-pipal"
"""The network by `pyiqa`'s name: the one of the NTIRE 2022 challenge, as in the release."""
KEY = "params"
"""Under which `pyiqa`'s checkpoints keep the tensors."""


class Maniqa:
    """Scores frames.

    Args:
        file: a checkpoint of `pyiqa` for this network, or a file with its state dict.

    Raises:
        LossError: the file cannot be read, or holds other weights.
        MissingDependencyError: `pyiqa` is not installed.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        state = _read(file)
        self.digest = file_digest(file)
        self._network = _build().to(device)
        try:
            self._network.load_state_dict(state)
        except RuntimeError as error:
            raise LossError(f"--maniqa {file} holds no weights of {NETWORK}: {str(error)[:300]}") from error

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


def _read(file: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)  # runs no code of the file
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise LossError(
            f"--maniqa {file} cannot be read as a state dict ({str(error).splitlines()[0]}); give a checkpoint of "
            "pyiqa. The ensemble of NTIRE 2022 is a pickled program, which is not run: save its state dict by itself"
        ) from error
    state = state.get(KEY, state) if isinstance(state, dict) else {}
    return {key.removeprefix("module."): value for key, value in state.items()}


def _build() -> Any:
    """Return the network with random weights. `timm` would fetch those of its first part, which the file holds too."""
    try:
        module, timm = (importlib.import_module(name) for name in ("pyiqa", "timm"))
    except ImportError as error:
        raise MissingDependencyError(
            f"--maniqa needs the network of pyiqa ({error}); run: pip install pyiqa. Its licence, PolyForm "
            "Noncommercial, is its own"
        ) from error
    with redirect_stdout(sys.stderr), patch.object(timm, "create_model", partial(_create, timm.create_model)):
        metric = module.create_metric(NETWORK, device=torch.device("cpu"), pretrained=False, test_sample=1)
    return metric.net.eval()


def _create(create: Any, *args: Any, **options: Any) -> Any:
    return create(*args, **options | {"pretrained": False})
