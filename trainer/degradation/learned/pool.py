"""Operators on disk, and the pool of operators that degrades clips."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import safetensors
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from vsanimesr.files import write_atomic

from ...errors import OperatorError
from ...origin import METADATA_KEY, Origin, differences, parse_origin, read_origin
from ..settings import LboMode
from .operator import COLOURS, LBO_SCALE, Operator

OPERATOR_FILE = "operator.safetensors"
"""Name of the operator's file in a folder of `lbo train`."""
PAIRS_PREFIX = "pairs: "
"""Beginning of the names, in the origin of an operator, that tell what its pairs were made of."""
RELEASE_KEY = "params"
"""Key of the weights in the release's files (docs/paper-and-release.md, 3.4)."""


def pairs_folder(path: Path) -> Path:
    """Return the folder of the pairs in the folder of an operator."""
    return path / "pairs"


def save_operator(path: Path, operator: Operator, origin: Origin | None = None) -> None:
    """Write an operator.

    Args:
        origin: what it was made of, which is written into the file.

    Raises:
        OperatorError: the file cannot be written.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in operator.state_dict().items()}
    try:
        write_atomic(path, save_safetensors(weights, {METADATA_KEY: json.dumps(origin)} if origin else None))
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror or error}); name another folder") from error


def read_operator_origin(path: Path) -> Origin:
    """Return what the operator in a folder of `lbo train` was made of; nothing if there is none, or it does not say."""
    try:
        with safetensors.safe_open(path / OPERATOR_FILE, "pt") as file:
            return parse_origin((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, ValueError, safetensors.SafetensorError):
        return {}


def read_operator(path: Path) -> Operator:
    """Read an operator for inference.

    Args:
        path: a folder of `lbo train`, or a `.safetensors` or `.pth` file, also one of the release.

    Raises:
        OperatorError: the file cannot be read, or holds no operator.
    """
    file = path / OPERATOR_FILE if path.is_dir() else path
    weights = _read_weights(file)
    first = weights.get("main.0.weight")
    shape = tuple(first.shape) if first is not None else ()
    if len(shape) != 4 or shape[1] not in (COLOURS, COLOURS * LBO_SCALE**2):
        found = f"main.0.weight of shape {shape}" if shape else "no main.0.weight"
        raise OperatorError(f"{file} is no operator (it has {found}); name an operator of lbo train")
    operator = Operator(halves=shape[1] != COLOURS, features=shape[0])
    try:
        operator.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise OperatorError(f"{file} is no operator ({reason}); name an operator of lbo train") from error
    return operator.requires_grad_(False).eval()


def read_pool(paths: Sequence[str], mode: LboMode) -> list[Operator]:
    """Read the operators of a pool.

    Args:
        mode: use of the operators. All of them must be trained for it.

    Raises:
        OperatorError: an operator cannot be read, is trained for the other mode, or is in the folder of other pairs
            than it was trained on.
    """
    for path in paths:
        _require_own_pairs(Path(path).expanduser())
    pool = [read_operator(Path(path).expanduser()) for path in paths]
    for path, operator in zip(paths, pool, strict=True):
        if operator.halves != (mode == "replace"):
            effect, other = ("halves", "replace") if operator.halves else ("keeps", "after_down")
            raise OperatorError(
                f"lbo_pool: {path} {effect} the size, which needs degradation.down.lbo_mode={other}, and the mode is "
                f"{mode}; set the mode, or train it with operator.halves={str(not operator.halves).lower()}"
            )
    return pool


def _require_own_pairs(path: Path) -> None:
    """Refuse the operator in a folder whose pairs were made again since."""
    before = {
        name.removeprefix(PAIRS_PREFIX): text
        for name, text in read_operator_origin(path).items()
        if name.startswith(PAIRS_PREFIX)
    }
    now = read_origin(pairs_folder(path))
    if before and now and (difference := differences(before, now)):
        raise OperatorError(
            f"lbo_pool: the operator in {path} was trained on other pairs than are there now: {difference}; train it "
            f"again: python -m trainer lbo train {path}"
        )


def fingerprint(operator: nn.Module) -> str:
    """Return a short digest of an operator's weights."""
    digest = hashlib.sha256()
    for tensor in operator.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _read_weights(file: Path) -> Mapping[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_safetensors(file.read_bytes())
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read ({error.strerror or error}); name a folder of lbo train, or the file of an operator"
        ) from error
    except (safetensors.SafetensorError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise OperatorError(f"{file} is damaged, or no operator ({str(error)[:200]}); make it again") from error
    if isinstance(state, dict) and isinstance(inner := state.get(RELEASE_KEY, state), dict):
        return cast(Mapping[str, Tensor], inner)
    raise OperatorError(f"{file} is no operator; name an operator of lbo train")
