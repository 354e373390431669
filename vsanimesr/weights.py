"""Loads the network's weights: the released ones by name, or a `.pth` or `.safetensors` file.

Files are read by code that runs nothing from them, and every tensor is checked against the network before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import bfloat16
from .errors import WeightsError
from .files import read_at_most
from .network import RELEASED, Shape, shape_of
from .options import MODEL_NAMES
from .paths import user_path
from .released import RELEASES, read_released

type Weights = dict[str, NDArray[np.float32]]

_MAX_FILE_BYTES = 128 << 20  # the released files have 6 MB; one of four times their width has 96 MB


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that has been read, and not yet been looked into."""

    name: str
    """What to call it by: its path, where it has one."""
    digest: str
    """SHA-256 of its bytes."""
    data: bytes = field(repr=False)

    def load(self) -> Weights:
        """Parse and check it.

        Returns:
            For each key of the network, in its order, a new C-contiguous float32 array.

        Raises:
            WeightsError: it is damaged, hostile, or of another network.
        """
        reader = _READERS[Path(self.name).suffix.lower()]
        try:
            tensors = reader(self.data)
        except ValueError as error:
            raise WeightsError(
                f"{self.name}: {error}. Use a file that holds a state dict of float32 tensors"
            ) from error
        return _checked(self.name, tensors)

    def shape(self) -> Shape:
        """How large its network is; of the released ones that is known without parsing them.

        Raises:
            WeightsError: from `load`.
        """
        if any(self.digest == release.sha256 for release in RELEASES.values()):
            return RELEASED
        return shape_of({key: weight.shape for key, weight in self.load().items()})


def read_weights(model: str) -> WeightsFile:
    """Find and read the weights of the network (facts 1.8).

    Args:
        model: `v1` or `v2`, fetched once, kept in the cache folder and verified each time; or the path of a `.pth` file
            (a state dict, or `params_ema` or `params` of a trainer's checkpoint) or of a `.safetensors` file. Tensors
            are float32; in `.safetensors` also float16 and bfloat16.

    Raises:
        WeightsError: the file is missing or too large; or released weights are not here and cannot be fetched.
    """
    if model in MODEL_NAMES:
        name, data = read_released(model)
        return WeightsFile(name, RELEASES[model].sha256, data)
    path = user_path(model)
    if path.suffix.lower() not in _READERS:
        known = ", ".join(f"{name!r}" for name in MODEL_NAMES)
        raise WeightsError(f"model={model!r} is unknown; use {known} or the path of a .pth or .safetensors file")
    data = _read_file(path)
    return WeightsFile(str(path), hashlib.sha256(data).hexdigest(), data)


def load_weights(model: str) -> Weights:
    """`read_weights(model).load()`, for callers who want the tensors and nothing else."""
    return read_weights(model).load()


def _read_checkpoint(data: bytes) -> Weights:
    from .checkpoint import read_checkpoint  # here: an engine that was built before needs no tensors

    return read_checkpoint(data)


def _read_safetensors(data: bytes) -> Weights:
    """Tensors of a `.safetensors` file; the library checks header, offsets, overlaps and that no byte is left over."""
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"damaged .safetensors file: {error}") from error
    return {key: _widened(key, entry["dtype"], entry["data"]).reshape(entry["shape"]) for key, entry in entries}


def _widened(key: str, dtype: str, data: bytes) -> NDArray[np.float32]:
    match dtype:
        case "F32":
            return np.frombuffer(data, "<f4")
        case "F16":
            return np.frombuffer(data, "<f2").astype(np.float32)
        case "BF16":
            return bfloat16.widened(np.frombuffer(data, "<u2"))
        case _:
            raise ValueError(f"{key[:100]!r} is of type {dtype}; F32, F16 and BF16 are read")


_READERS: dict[str, Callable[[bytes], Weights]] = {".pth": _read_checkpoint, ".safetensors": _read_safetensors}


def _read_file(path: Path) -> bytes:
    try:
        data = read_at_most(path, _MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path has a character that no path can have
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"model={str(path)!r} cannot be read: {reason}; check the path") from error
    if len(data) > _MAX_FILE_BYTES:
        raise WeightsError(
            f"{path} is larger than {_MAX_FILE_BYTES >> 20} MB; the released weights have 6 MB. "
            "Use a file that holds a state dict alone, without the state of a trainer"
        )
    return data


def _checked(name: str, tensors: Weights) -> Weights:
    """Copies of the tensors, if they are those of a network of some size and finite."""
    shapes = shape_of({key: tensor.shape for key, tensor in tensors.items()}).tensors()
    faults = [
        *_first("missing", [key for key in shapes if key not in tensors]),
        *_first("unknown", [key for key in tensors if key not in shapes]),
        *_first(
            "of another shape",
            [
                f"{key} ({_by(tensors[key].shape)}, the network's is {_by(shape)})"
                for key, shape in shapes.items()
                if key in tensors and tensors[key].shape != shape
            ],
        ),
    ]
    if faults:
        raise WeightsError(f"{name} holds weights of another network: {'; '.join(faults)}. Use weights of AnimeSR")
    weights = {key: np.array(tensors[key], np.float32, order="C") for key in shapes}
    if broken := [key for key, weight in weights.items() if not np.isfinite(weight).all()]:
        raise WeightsError(f"{name} holds values that are not finite: {'; '.join(_first('tensors', broken))}")
    return weights


def _first(what: str, keys: list[str], shown: int = 3) -> list[str]:
    """`["5 missing: a, b, c, ..."]`, or nothing where there are none."""
    listed = ", ".join(key[:150] for key in keys[:shown])
    return [f"{len(keys)} {what}: {listed}{', ...' if len(keys) > shown else ''}"] if keys else []


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
