"""Where a network's weights come from: released ones, a file, a checkpoint or a run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vsanimesr.errors import AnimeSRError
from vsanimesr.options import MODEL_NAMES
from vsanimesr.torch_network import AnimeSR, network_of
from vsanimesr.weights import load_weights

from . import checkpoints
from .errors import CheckpointError

type StateDict = dict[str, Tensor]


def load(start: str, network: nn.Module, average: nn.Module) -> None:
    """Put weights into a network and its moving average.

    Args:
        start: `v1`, `v2`, the path of a `.pth` or `.safetensors` file, of a checkpoint (`.pt`), or of a run's folder,
            whose newest checkpoint is taken.

    Raises:
        CheckpointError: it cannot be read, or is of another network.
    """
    if is_run(start):
        state = checkpoints.read(checkpoint_at(Path(start).expanduser()))
        raw, averaged = state["network"], state["average"]
    else:
        raw = averaged = _file(start)
    for module, weights in ((network, raw), (average, averaged)):
        _fill(start, module, weights)


def opened(name: str) -> AnimeSR:
    """A network with its averaged weights, in the shape of its run or file.

    Args:
        name: as `start` of `load`.

    Raises:
        CheckpointError: it cannot be read, or is of another network.
    """
    if not is_run(name):
        return network_of(_file(name)).eval()
    path = checkpoint_at(Path(name).expanduser())
    state = checkpoints.read(path)
    network = AnimeSR(**checkpoints.network_settings_of(path, state).model_dump())
    _fill(name, network, state["average"])
    return network.eval()


def is_run(start: str) -> bool:
    """Whether it is a run or one of its checkpoints, and not released weights or a file of weights."""
    path = Path(start).expanduser()
    return start not in MODEL_NAMES and (path.is_dir() or path.suffix == ".pt")


def checkpoint_at(path: Path) -> Path:
    """A checkpoint, or the newest one of a run.

    Raises:
        CheckpointError: there is none.
    """
    if not path.is_dir():
        return path
    kept = checkpoints.all_of(path)
    if not kept:
        raise CheckpointError(f"{path} holds no checkpoint; name a run's folder, or a file")
    return kept[-1]


def _file(start: str) -> StateDict:
    """Released weights, or those of a file."""
    try:
        return {name: torch.from_numpy(array) for name, array in load_weights(start).items()}
    except AnimeSRError as error:
        raise CheckpointError(f"start={start!r}: {error}") from error


def _fill(start: str, network: nn.Module, weights: StateDict) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        what = str(error).splitlines()[1].strip()
        shaped = "network.features, network.blocks and network.multi_scale"
        if not isinstance(network, AnimeSR):
            shaped = "operator.features and operator.halves"
        raise CheckpointError(
            f"start={start!r} is of another network ({what}); set {shaped} as they were for it"
        ) from error
