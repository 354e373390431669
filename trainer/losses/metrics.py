"""Metrics of SR frames: PSNR of luma or of all colours, and LPIPS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..data.uint8 import UINT8_MAX, quantize
from ..errors import LossError
from .vgg.lpips_vgg16 import LpipsVgg16
from .vgg.network import Vgg, last_layers

MAX_PSNR = 100.0
"""PSNR of equal frames, in dB, for which the formula gives infinity. It is the upper limit for all frames: means stay
finite, and no frame counts more than an equal one."""


def psnr_y(sr: Tensor, hq: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio of each frame's luma.

    As in the literature, luma is BT.601 in limited range, Y = 16 + 65.481 R + 128.553 G + 24.966 B with 8-bit R, G, B
    scaled to [0, 1]. Luma itself is not rounded, and the peak is 255.

    Args:
        sr: (frames, 3, height, width), R, G, B. Values outside [0, 1] are clipped, as in a file.
        hq: like `sr`.

    Returns:
        (frames,), float64, in dB, at most `MAX_PSNR`.

    Raises:
        LossError: the shapes differ, or are not those of frames.
    """
    _check(sr, hq)
    return _psnr((_luma(sr) - _luma(hq)).square().mean((1, 2)))


def psnr(sr: Tensor, hq: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio of R, G, B, which includes errors of chroma. Otherwise like `psnr_y`."""
    _check(sr, hq)
    return _psnr((UINT8_MAX * (_quantize(sr) - _quantize(hq))).square().mean((1, 2, 3)))


def _psnr(error: Tensor) -> Tensor:
    return (10 * torch.log10(UINT8_MAX**2 / error)).clamp(max=MAX_PSNR)


def _luma(frames: Tensor) -> Tensor:
    red, green, blue = _quantize(frames).unbind(1)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def _quantize(frames: Tensor) -> Tensor:
    return quantize(frames.detach().double())


class Lpips(nn.Module):
    """LPIPS v0.1 with VGG16 (Zhang et al. 2018): weighted squared differences of normalised features.

    LPIPS shifts and scales frames in [-1, 1] by (-.030, -.088, -.188) and (.458, .448, .450). For frames in [0, 1] that
    is ImageNet's mean and deviation, as in `Vgg`.
    """

    def __init__(self, weights: LpipsVgg16) -> None:
        super().__init__()
        self._layers = last_layers(16, "relu")
        self._vgg = Vgg(16, self._layers, weights.features)
        self._heads = nn.ParameterList(nn.Parameter(head, requires_grad=False) for head in weights.heads)

    @torch.no_grad()
    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        """Compute the perceptual distance of frames: 0 for equal frames, about 1 for unrelated ones.

        Args:
            sr: (frames, 3, height, width), R, G, B in [0, 1]; sides of 16 pixels or more.
            hq: like `sr`.

        Returns:
            (frames,), float32.

        Raises:
            LossError: the shapes differ, or are not those of frames, or are too small.
        """
        _check(sr, hq)
        return self.distance(self.features(sr), self.features(hq))

    @torch.no_grad()
    def features(self, frames: Tensor) -> Sequence[Tensor]:
        """Compute the features that `distance` compares. It saves half of the work if frames are compared repeatedly.

        Args:
            frames: like `sr` of `forward`.
        """
        found: dict[str, Tensor] = self._vgg(frames)
        return [_normalise(found[layer]) for layer in self._layers]

    @torch.no_grad()
    def distance(self, sr: Sequence[Tensor], hq: Sequence[Tensor]) -> Tensor:
        """Compute the perceptual distance from two results of `features`, as `forward` does."""
        layers = zip(sr, hq, self._heads, strict=True)
        return torch.stack(
            [torch.einsum("nchw,c->nhw", (a - b).square(), head).mean((1, 2)) for a, b, head in layers]
        ).sum(0)


def _normalise(features: Tensor) -> Tensor:
    """Scale the channels of each pixel to a length of 1. All-zero channels stay zero."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _check(sr: Tensor, hq: Tensor) -> None:
    if sr.shape != hq.shape:
        raise LossError(f"SR has shape {tuple(sr.shape)}, and HQ {tuple(hq.shape)}; make them the same")
    if sr.dim() != 4 or sr.shape[1] != 3:
        raise LossError(f"frames have shape {tuple(sr.shape)}; give (frames, 3, height, width)")
