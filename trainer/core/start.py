"""Loads the weights that a run starts from: released weights, a weights file, a checkpoint or a run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vsanimesr.errors import AnimeSRError
from vsanimesr.weights.load import load_weights
from vsanimesr.weights.release import MODEL_NAMES

from ..errors import CheckpointError, SettingError
from ..origin import digest_tensors
from . import checkpoints
from .config import RunConfig

type StateDict = dict[str, Tensor]

RANDOM = "random"
"""The value of `start` that asks for random weights."""


def require_start(settings: RunConfig) -> None:
    """Refuse a GAN loss without weights to start from, unless random ones are asked for.

    Raises:
        SettingError: `start` is not set.
    """
    if settings.losses.gan and not settings.start:
        raise SettingError(
            f"start is not set, and {settings.stage} would train a GAN from random weights; name weights, for example "
            f"the run of an L1 stage, or set start={RANDOM}"
        )


def describe_start(start: str) -> str:
    """Return a text that tells weights to start from by their content.

    Raises:
        CheckpointError: the weights cannot be read.
    """
    if start in ("", RANDOM):
        return RANDOM
    raw, averaged = _read_start(start)
    return " and ".join(dict.fromkeys([digest_tensors(raw), digest_tensors(averaged)]))


def load_start(start: str, network: nn.Module, ema: nn.Module, shape_settings: str) -> None:
    """Load the weights that a run starts from into its network and EMA network.

    Args:
        start: a name of weights, such as `v2`; or the path of a `.pth` or `.safetensors` file, of a checkpoint
            (`.pt`), or of a run's folder, which stands for its best step; `random` changes nothing.
        shape_settings: the settings that decide the shape of the weights, for errors.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    if start == RANDOM:
        return
    for module, weights in zip((network, ema), _read_start(start), strict=True):
        load_state(start, module, weights, shape_settings)


def check_start(settings: RunConfig) -> None:
    """Check that a network of these settings can start from the weights that they name.

    Raises:
        CheckpointError: as for `load_start`.
    """
    if settings.start:
        network = settings.build_network()
        load_start(settings.start, network, network, settings.shape_settings)


def is_run(start: str) -> bool:
    """Return whether this names a run or a checkpoint, rather than released weights or a weights file."""
    path = Path(start).expanduser()
    return start not in MODEL_NAMES and (path.is_dir() or path.suffix == ".pt")


def read_weights(start: str, argument: str = "start") -> StateDict:
    """Read released weights or a weights file.

    Args:
        argument: what names them, for errors.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    try:
        return {name: torch.from_numpy(array) for name, array in load_weights(start).items()}
    except AnimeSRError as error:
        raise CheckpointError(f"{argument}={start!r}: {error}") from error


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


def _read_start(start: str) -> tuple[StateDict, StateDict]:
    """Return the weights of the last step, and their moving average."""
    if not is_run(start):
        weights = read_weights(start)
        return weights, weights
    _, state = checkpoints.read_run(Path(start).expanduser())
    return state["network"], state["ema"]
