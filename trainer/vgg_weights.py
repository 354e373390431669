"""Weights of VGG: those of torchvision, a file's, or the stand-in's.

The paper's loss compares features of VGG19 (facts 4.3), whose weights only torchvision's server has. VGG16, which comes
in a Python package, stands in for it where that server cannot be reached; the log says so.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from vsanimesr.files import locked
from vsanimesr.paths import user_path
from vsanimesr.released import cache_folder

from .errors import LossError
from .stand_in import RELEASE, read_stand_in
from .vgg import DEPTHS, Depth, expected_shapes

_log = logging.getLogger(__name__)

SOURCES = ("auto", "torchvision", "stand-in")

# torchvision's VGG19_Weights.IMAGENET1K_V1. Its file says what its SHA-256 begins with.
_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
_PATIENCE = 30  # seconds without a byte until the server counts as out of reach
_SUFFIXES = (".pth", ".safetensors")


@dataclass(frozen=True)
class VggWeights:
    """The convolutions of a VGG."""

    depth: Depth
    name: str
    """What to call it by, in a log or in what a run keeps."""
    tensors: dict[str, Tensor] = field(repr=False)
    """float32, finite, by torchvision's names."""


def read_vgg(weights: str) -> VggWeights:
    """Find and read weights of VGG, the setting `losses.perceptual.weights`.

    Args:
        weights: `torchvision`: VGG19, taken from torch's cache or fetched into it, 575 MB. `stand-in`: VGG16, fetched
            once, 64 MB. `auto`: the first, and where it cannot be had the second. Or the path of a `.pth` or
            `.safetensors` file with the state dict of torchvision's `vgg16` or `vgg19`.

    Raises:
        LossError: the value is unknown; or the file cannot be read, is damaged, or is of another network; or the
            weights cannot be fetched.
    """
    match weights:
        case "torchvision":
            found = _torchvision()
        case "stand-in":
            found = _stand_in()
        case "auto":
            found = _torchvision_or_stand_in()
        case _:
            found = _file(weights)
    _log.info("the perceptual loss compares features of %s", found.name)
    return found


def _torchvision_or_stand_in() -> VggWeights:
    try:
        return _torchvision()
    except LossError as error:
        reason = error
    found = _stand_in()
    _log.warning("VGG16 stands in for the VGG19 that the paper uses: %s", reason)
    return found


def _stand_in() -> VggWeights:
    try:
        return VggWeights(16, RELEASE.model, read_stand_in().features)
    except LossError as error:
        raise LossError(f"losses.perceptual.weights='stand-in': {error}") from error


def _torchvision() -> VggWeights:
    """VGG19 out of torch's own cache, where torchvision looks too."""
    path = Path(torch.hub.get_dir(), "checkpoints", _URL.rpartition("/")[2])
    if _fault(path):
        with locked(cache_folder(), ".vgg19.lock"):  # one rank fetches, the others wait
            if fault := _fault(path):
                _fetch(path, fault)
    try:
        with path.open("rb") as file:
            return VggWeights(19, "VGG19 of torchvision", _checked(_read_checkpoint(file))[1])
    except (OSError, ValueError) as error:
        raise LossError(
            f"losses.perceptual.weights='torchvision': {path} cannot be read: {error}; remove it"
        ) from error


def _fault(path: Path) -> str:
    """Why the file is not torchvision's; empty if it is."""
    expected = path.stem.rpartition("-")[2]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if digest.startswith(expected):
        return ""
    return f"is damaged (its sha256 is {digest}, and should begin with {expected})"


def _fetch(path: Path, fault: str) -> None:
    _log.info("fetching VGG19 of torchvision (575 MB, once)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience():
            torch.hub.download_url_to_file(_URL, str(path), path.stem.rpartition("-")[2], progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # RuntimeError: what came has another hash
        raise LossError(
            f"losses.perceptual.weights='torchvision': {path} {fault}, and {_URL} cannot be fetched ({error}). "
            "Connect to the network once, put the file there, or set losses.perceptual.weights to its path or to "
            "'stand-in'"
        ) from error


@contextmanager
def _patience() -> Iterator[None]:
    """torch waits for ever for a server that says nothing, unless sockets are told otherwise."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _file(weights: str) -> VggWeights:
    path = user_path(weights)
    if path.suffix.lower() not in _SUFFIXES:
        close = get_close_matches(weights, SOURCES, n=1)
        known = ", ".join(map(repr, SOURCES))
        hint = f"did you mean {close[0]!r}?" if close else f"use {known} or the path of a .pth or .safetensors file"
        raise LossError(f"losses.perceptual.weights={weights!r} is unknown; {hint}")
    try:
        if path.suffix.lower() == ".safetensors":
            tensors: object = _read_safetensors(path)
        else:
            with path.open("rb") as file:
                tensors = _read_checkpoint(file)
        depth, checked = _checked(tensors)
    except OSError as error:
        raise LossError(
            f"losses.perceptual.weights={weights!r} cannot be read: {error.strerror or error}; check the path"
        ) from error
    except ValueError as error:
        raise LossError(
            f"losses.perceptual.weights={weights!r}: {error}. Use a state dict of torchvision's vgg16 or vgg19"
        ) from error
    return VggWeights(depth, f"VGG{depth} of {path}", checked)


def _read_checkpoint(file: BinaryIO) -> object:
    """What a `.pth` file holds; torch refuses everything but tensors and what holds them."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file it may raise nearly anything, OSError too
        raise ValueError(f"it is damaged, or no state dict ({str(error).partition('\n')[0] or error!r})") from error


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys() if key.startswith("features.")}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"it is damaged ({error})") from error


def _checked(tensors: object) -> tuple[Depth, dict[str, Tensor]]:
    """Which VGG these are the tensors of, and its convolutions."""
    items = tensors.items() if isinstance(tensors, Mapping) else ()
    features = {key: value for key, value in items if str(key).startswith("features.") and isinstance(value, Tensor)}
    found = {key: tuple(value.shape) for key, value in features.items()}
    depth = next((depth for depth in DEPTHS if found == expected_shapes(depth)), None)
    if depth is None:
        raise ValueError("it holds another network: its features.* have the shapes of neither VGG16 nor VGG19")
    weights = {key: features[key].float().contiguous() for key in expected_shapes(depth)}
    if broken := [key for key, value in weights.items() if not value.isfinite().all()]:
        raise ValueError(f"it holds values that are not finite, in {broken[0]}")
    return depth, weights
