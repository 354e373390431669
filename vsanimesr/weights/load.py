"""Loads the weights of the network: those of a model by its name, or a `.pth` or `.safetensors` file.

Nothing in a file is run, and every tensor is checked against the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from ..files import read_at_most
from ..network import bfloat16
from ..network.shapes import RELEASED_SHAPE, Shape, shape_of
from ..paths import user_path
from .fetch import read_released
from .release import MODEL_NAMES, RELEASES

type Weights = dict[str, NDArray[np.float32]]

_MAX_FILE_BYTES = 128 << 20  # the released files have 6 MB; one of four times their width has 96 MB
_MAX_HEADER_BYTES = 1 << 19  # of a .safetensors file; 100 to 200 bytes describe a tensor


@dataclass(frozen=True)
class WeightsFile:
    """A weights file that has been read but not parsed."""

    name: str
    """Name for messages: its path, or the name of a released file."""
    digest: str
    """SHA-256 of the bytes."""
    data: bytes = field(repr=False)

    def load(self) -> Weights:
        """Parse and check the file.

        Returns:
            A new C-contiguous float32 array for each key of the network, in the order of the network.

        Raises:
            WeightsError: the file is damaged, hostile, or of another network.
        """
        reader = _READERS[Path(self.name).suffix.lower()]
        try:
            tensors = reader(self.data)
        except ValueError as error:
            raise WeightsError(
                f"{self.name}: {error}. Use a file that holds a state dict of float32 tensors"
            ) from error
        return _check(self.name, tensors)

    def shape(self) -> Shape:
        """Return the shape of the network. Released files are not parsed for it.

        Raises:
            WeightsError: as from `load`.
        """
        if any(self.digest == release.sha256 and not release.shipped for release in RELEASES.values()):
            return RELEASED_SHAPE
        return shape_of({key: weight.shape for key, weight in self.load().items()})


def read_weights(model: str) -> WeightsFile:
    """Find and read the weights of the network (docs/paper-and-release.md, 1.8).

    Args:
        model: name of a model (`RELEASES`), whose file is verified each time: `v1` and `v2` are fetched once and kept
            in the cache folder, others are shipped with this package; or the path of a `.pth` file (a state dict, or
            `params_ema` or `params` of a trainer's checkpoint) or of a `.safetensors` file. Tensors must be float32; in
            `.safetensors` also float16 or bfloat16.

    Raises:
        WeightsError: the file is missing or too large; released weights are missing and cannot be fetched; or shipped
            ones are missing or damaged.
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
    """Return `read_weights(model).load()`, for callers that need only the tensors."""
    return read_weights(model).load()


def _read_checkpoint(data: bytes) -> Weights:
    from .checkpoint import read_checkpoint  # not at the top: a cached engine needs no tensors

    return read_checkpoint(data)


def _read_safetensors(data: bytes) -> Weights:
    """Read a `.safetensors` file. The library checks the header, offsets, overlaps, and that no bytes are unused."""
    from safetensors import SafetensorError, deserialize

    header = int.from_bytes(data[:8], "little")
    if _MAX_HEADER_BYTES < header < len(data):
        raise ValueError(f"its header has {header} bytes; a state dict of this network has about 6,000")
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"damaged .safetensors file: {error}") from error
    return {key: _to_float32(key, entry["dtype"], entry["data"]).reshape(entry["shape"]) for key, entry in entries}


def _to_float32(key: str, dtype: str, data: bytes) -> NDArray[np.float32]:
    match dtype:
        case "F32":
            return np.frombuffer(data, "<f4")
        case "F16":
            return np.frombuffer(data, "<f2").astype(np.float32)
        case "BF16":
            return bfloat16.to_float32(np.frombuffer(data, "<u2"))
        case _:
            raise ValueError(f"{key[:100]!r} is of type {dtype}; use F32, F16 or BF16")


_READERS: dict[str, Callable[[bytes], Weights]] = {".pth": _read_checkpoint, ".safetensors": _read_safetensors}


def _read_file(path: Path) -> bytes:
    try:
        data = read_at_most(path, _MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a character that is invalid in a path
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"model={str(path)!r} cannot be read: {reason}; check the path") from error
    if len(data) > _MAX_FILE_BYTES:
        raise WeightsError(
            f"{path} is larger than {_MAX_FILE_BYTES >> 20} MB; the released weights have 6 MB. "
            "Use a file that holds only a state dict, without the state of a trainer"
        )
    return data


def _check(name: str, tensors: Weights) -> Weights:
    """Check that the tensors are those of a network of some shape, and finite; return copies."""
    found = {key: tensor.shape for key, tensor in tensors.items()}
    shapes = shape_of(found).tensors()
    if faults := compare(shapes, found):
        raise WeightsError(f"{name} holds weights of another network: {'; '.join(faults)}. Use weights of AnimeSR")
    weights = {key: np.array(tensors[key], np.float32, order="C") for key in shapes}
    if broken := [key for key, weight in weights.items() if not np.isfinite(weight).all()]:
        raise WeightsError(f"{name} holds values that are not finite: {'; '.join(_summarize('tensors', broken))}")
    return weights


def compare(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return in words how the tensors of a state dict differ from those of a network; an empty list if they fit.

    Args:
        expected: the shape of each tensor of the network by its key.
        found: the same of the state dict.
    """
    return [
        *_summarize("missing", [key for key in expected if key not in found]),
        *_summarize("unknown", [key for key in found if key not in expected]),
        *_summarize(
            "of another shape",
            [
                f"{key} ({_format_shape(found[key])}, the network's is {_format_shape(shape)})"
                for key, shape in expected.items()
                if key in found and found[key] != shape
            ],
        ),
    ]


def _summarize(what: str, keys: list[str], shown: int = 3) -> list[str]:
    """Return `["5 missing: a, b, c, ..."]`, or an empty list if there are no keys."""
    listed = ", ".join(key[:150] for key in keys[:shown])
    return [f"{len(keys)} {what}: {listed}{', ...' if len(keys) > shown else ''}"] if keys else []


def _format_shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
