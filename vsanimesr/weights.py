"""Loads the network's weights: the released ones by name, or a `.pth` or `.safetensors` file.

Files are read by code that runs nothing from them, and every tensor is checked against the network before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .checkpoint import read_checkpoint
from .errors import WeightsError
from .files import read_at_most
from .network import expected_shapes
from .options import MODEL_NAMES
from .paths import user_path
from .released import read_released

type Weights = dict[str, NDArray[np.float32]]

_MAX_FILE_BYTES = 32 << 20  # the released files have 6 MB; one with `params` and `params_ema` has 12 MB


def load_weights(model: str) -> Weights:
    """Load and check the weights of the network (facts 1.8).

    Args:
        model: `v1` or `v2`, fetched once and kept in the cache folder; or the path of a `.pth` file (a state dict, or
            `params_ema` or `params` of a trainer's checkpoint) or of a `.safetensors` file. Tensors are float32; in
            `.safetensors` also float16 and bfloat16.

    Returns:
        For each key of the network, in its order, a new C-contiguous float32 array.

    Raises:
        WeightsError: the file is missing, damaged, hostile, or of another network; or released weights are not here
            and cannot be fetched.
    """
    if model in MODEL_NAMES:
        name, data = read_released(model)
        return _checked(name, read_checkpoint(data))
    path = user_path(model)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(f"{name!r}" for name in MODEL_NAMES)
        raise WeightsError(f"model={model!r} is unknown; use {known} or the path of a .pth or .safetensors file")
    data = _read_file(path)
    try:
        tensors = reader(data)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}. Use a file that holds a state dict of float32 tensors") from error
    return _checked(str(path), tensors)


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
        case "BF16":  # the upper half of a float32
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        case _:
            raise ValueError(f"{key[:100]!r} is of type {dtype}; F32, F16 and BF16 are read")


_READERS: dict[str, Callable[[bytes], Weights]] = {".pth": read_checkpoint, ".safetensors": _read_safetensors}


def _read_file(path: Path) -> bytes:
    try:
        data = read_at_most(path, _MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path has a character that no path can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise WeightsError(f"model={str(path)!r} cannot be read: {reason}; check the path") from error
    if len(data) > _MAX_FILE_BYTES:
        raise WeightsError(
            f"{path} is larger than {_MAX_FILE_BYTES >> 20} MB; weights of this network have 6 MB. "
            "Use a file that holds a state dict alone, without the state of a trainer"
        )
    return data


def _checked(name: str, tensors: Weights) -> Weights:
    """Copies of the tensors, if they are those of the network and finite."""
    shapes = expected_shapes()
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
