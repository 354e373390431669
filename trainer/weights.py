"""Where a network's weights begin: released ones, a file, a checkpoint or a run; and where they go when it is done."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vsanimesr.errors import AnimeSRError
from vsanimesr.options import MODEL_NAMES
from vsanimesr.torch_network import AnimeSR
from vsanimesr.weights import load_weights

from . import checkpoints
from .errors import CheckpointError

type StateDict = dict[str, Tensor]


def load(start: str, network: AnimeSR, average: AnimeSR) -> None:
    """Put weights into a network and its moving average.

    Args:
        start: `v1`, `v2`, the path of a `.pth` or `.safetensors` file, of a checkpoint (`.pt`), or of a run's folder,
            whose newest checkpoint is taken.

    Raises:
        CheckpointError: it cannot be read, or is of another network.
    """
    raw, averaged = _found(start)
    for module, weights in ((network, raw), (average, averaged)):
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            what = str(error).splitlines()[1].strip()
            raise CheckpointError(
                f"start={start!r} is of another network ({what}); set network.features, network.blocks and "
                "network.multi_scale as they were for it"
            ) from error


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


def _found(start: str) -> tuple[StateDict, StateDict]:
    """The weights, and their moving average where one is kept."""
    if is_run(start):
        state = checkpoints.read(checkpoint_at(Path(start).expanduser()))
        return state["network"], state["average"]
    try:
        weights = {name: torch.from_numpy(array) for name, array in load_weights(start).items()}
    except AnimeSRError as error:
        raise CheckpointError(f"start={start!r}: {error}") from error
    return weights, weights
