"""Operators on disk, and the pool of them that degrades clips."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import safetensors
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from vsanimesr.files import write_whole

from ..errors import OperatorError
from . import folder
from .operator import COLOURS, HALVING, Operator

type Mode = Literal["after_down", "replace"]

WRAPPED = "params"
"""Under which key the release's files have their weights (facts 3.4)."""


def save_operator(path: Path, operator: Operator) -> None:
    """Write an operator.

    Raises:
        OperatorError: the file cannot be written.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in operator.state_dict().items()}
    try:
        write_whole(path, save_safetensors(weights))
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror or error}); name another folder") from error


def read_operator(path: Path) -> Operator:
    """An operator, ready to degrade.

    Args:
        path: a folder of `lbo train`, or a `.safetensors` or `.pth` file: one of the release too.

    Raises:
        OperatorError: it cannot be read, or is no operator.
    """
    file = path / folder.OPERATOR if path.is_dir() else path
    weights = _weights(file)
    first = weights.get("main.0.weight")
    shape = tuple(first.shape) if first is not None else ()
    if len(shape) != 4 or shape[1] not in (COLOURS, COLOURS * HALVING**2):
        found = f"main.0.weight of shape {shape}" if shape else "no main.0.weight"
        raise OperatorError(f"{file} is no operator (it has {found}); name one that lbo train made")
    operator = Operator(halves=shape[1] != COLOURS, features=shape[0])
    try:
        operator.load_state_dict(weights)
    except RuntimeError as error:
        what = str(error).splitlines()[1].strip()
        raise OperatorError(f"{file} is no operator ({what}); name one that lbo train made") from error
    return operator.requires_grad_(False).eval()


def read_pool(paths: Sequence[str], mode: Mode) -> list[Operator]:
    """The operators of a pool.

    Args:
        mode: how they are used; all have to be made for it.

    Raises:
        OperatorError: one cannot be read, or is made for the other mode.
    """
    pool = [read_operator(Path(path).expanduser()) for path in paths]
    for path, operator in zip(paths, pool, strict=True):
        if operator.halves != (mode == "replace"):
            does, other = ("halves", "replace") if operator.halves else ("keeps", "after_down")
            raise OperatorError(
                f"lbo_pool: {path} {does} the size, which is for degradation.down.lbo_mode={other}, and it is {mode}; "
                "set the mode, or train it with operator.halves=" + str(not operator.halves).lower()
            )
    return pool


def fingerprint(operator: Operator) -> str:
    """A short name for an operator's weights: two of the same name are the same."""
    digest = hashlib.sha256()
    for tensor in operator.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _weights(file: Path) -> Mapping[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_safetensors(file.read_bytes())
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read ({error.strerror or error}); name a folder of lbo train, or a file of an operator"
        ) from error
    except (safetensors.SafetensorError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise OperatorError(f"{file} is damaged, or no operator ({str(error)[:200]}); make it again") from error
    if isinstance(state, dict) and isinstance(inner := state.get(WRAPPED, state), dict):
        return cast(Mapping[str, Tensor], inner)
    raise OperatorError(f"{file} is no operator; name one that lbo train made")
