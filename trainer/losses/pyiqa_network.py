"""Networks of `pyiqa` that score a picture, with weights from a file.

No package carries the weights. `pyiqa` itself would fetch files that nothing verifies, and run what is pickled in them;
here the user names a file, of which nothing is run.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from vsanimesr.errors import MissingDependencyError

from ..errors import LossError

KEY = "params"
"""Under which `pyiqa`'s checkpoints keep the tensors."""


def load_pyiqa_network(name: str, file: Path, argument: str, **options: Any) -> Any:
    """Return a network on the CPU, ready to score.

    Args:
        name: `pyiqa`'s, of the metric.
        file: a checkpoint of `pyiqa` for this network, or a file with its state dict.
        argument: that named the file, for messages.
        options: of the network.

    Raises:
        LossError: the file cannot be read, or holds other weights.
        MissingDependencyError: `pyiqa` is not installed.
    """
    state = _read(file, argument)
    network = _build(name, argument, options)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise LossError(f"{argument} {file} holds no weights of {name}: {str(error)[:300]}") from error
    return network.eval()


def _read(file: Path, argument: str) -> Mapping[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)  # runs no code of the file
    except OSError as error:
        raise LossError(f"{argument} {file} cannot be read ({error.strerror or error}); check the path") from error
    except Exception as error:  # a damaged file can raise nearly any error
        raise _unfit(file, argument) from error
    tensors = state.get(KEY, state) if isinstance(state, dict) else None
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise _unfit(file, argument)
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def _unfit(file: Path, argument: str) -> LossError:
    """Return the error for what is no state dict. What PyTorch says of it would advise to run the file."""
    return LossError(
        f"{argument} {file} cannot be read as a state dict; give a checkpoint of pyiqa. A pickled program is not "
        "run: save its state dict by itself"
    )


def _build(name: str, argument: str, options: Mapping[str, Any]) -> Any:
    """Return the network with random weights. `timm` would fetch those of its first part, which the file holds too."""
    try:
        module, timm = (importlib.import_module(package) for package in ("pyiqa", "timm"))
    except ImportError as error:
        raise MissingDependencyError(
            f"{argument} needs the network of pyiqa ({error}); run: pip install pyiqa. Its licence, PolyForm "
            "Noncommercial, is its own"
        ) from error
    with redirect_stdout(sys.stderr), patch.object(timm, "create_model", partial(_create, timm.create_model)):
        return module.create_metric(name, device=torch.device("cpu"), pretrained=False, **options).net


def _create(create: Any, *args: Any, **options: Any) -> Any:
    return create(*args, **options | {"pretrained": False})
