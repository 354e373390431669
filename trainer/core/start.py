"""Loads the weights that a run starts from: released weights, a weights file, a checkpoint or a run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vsanimesr.errors import AnimeSRError
from vsanimesr.weights.load import load_weights
from vsanimesr.weights.release import MODEL_NAMES

from ..errors import CheckpointError
from . import checkpoints

type StateDict = dict[str, Tensor]


def load_start(start: str, network: nn.Module, ema: nn.Module, shape_settings: str) -> None:
    """Load the weights that a run starts from into its network and EMA network.

    Args:
        start: `v1`, `v2`, or the path of a `.pth` or `.safetensors` file, of a checkpoint (`.pt`), or of a run's
            folder, which stands for its newest checkpoint.
        shape_settings: the settings that decide the shape of the weights, for errors.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    if is_run(start):
        state = checkpoints.read(checkpoints.resolve(Path(start).expanduser()))
        raw, averaged = state["network"], state["ema"]
    else:
        raw = averaged = read_weights(start)
    for module, weights in ((network, raw), (ema, averaged)):
        load_state(start, module, weights, shape_settings)


def is_run(start: str) -> bool:
    """Return whether this names a run or a checkpoint, rather than released weights or a weights file."""
    path = Path(start).expanduser()
    return start not in MODEL_NAMES and (path.is_dir() or path.suffix == ".pt")


def read_weights(start: str) -> StateDict:
    """Read released weights or a weights file.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    try:
        return {name: torch.from_numpy(array) for name, array in load_weights(start).items()}
    except AnimeSRError as error:
        raise CheckpointError(f"start={start!r}: {error}") from error


def load_state(start: str, network: nn.Module, weights: StateDict, shape_settings: str) -> None:
    """Put weights into a network.

    Args:
        start: where the weights were read, for errors.
        shape_settings: the settings that decide the shape of the weights, for errors.

    Raises:
        CheckpointError: the weights belong to another network.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        difference = str(error).splitlines()[1].strip()
        raise CheckpointError(
            f"start={start!r} is of another network ({difference}); set {shape_settings} as they were for it"
        ) from error
