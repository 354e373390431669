"""Measures of how near SR frames are to HQ ones: PSNR, of luma or of all colours, and LPIPS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .degradation.levels import LEVELS, rounded
from .errors import LossError
from .stand_in import StandIn
from .vgg import Vgg, last_layers

CEILING = 100.0
"""What equal frames count, in dB, where the formula gives infinity: a mean over frames stays a number. It is never
exceeded, so that a frame with one wrong pixel does not count more."""


def psnr_y(sr: Tensor, hq: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each frame's luma.

    The field's papers take luma of BT.601 in limited range, Y = 16 + 65.481 R + 128.553 G + 24.966 B with R, G, B of 8
    bits in [0, 1], not rounded itself, and 255 as the peak.

    Args:
        sr: (frames, 3, height, width), R, G, B; what lies outside of [0, 1] is clipped, as in a file.
        hq: as `sr`.

    Returns:
        (frames,), float64, in dB, at most `CEILING`.

    Raises:
        LossError: the two are not of one shape, or not frames.
    """
    _check(sr, hq)
    return _psnr((_luma(sr) - _luma(hq)).square().mean((1, 2)))


def psnr(sr: Tensor, hq: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each frame's R, G, B together: colours that bleed count. Otherwise as `psnr_y`."""
    _check(sr, hq)
    return _psnr((LEVELS * (_rounded(sr) - _rounded(hq))).square().mean((1, 2, 3)))


def _psnr(error: Tensor) -> Tensor:
    return (10 * torch.log10(LEVELS**2 / error)).clamp(max=CEILING)


def _luma(frames: Tensor) -> Tensor:
    red, green, blue = _rounded(frames).unbind(1)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def _rounded(frames: Tensor) -> Tensor:
    return rounded(frames.detach().double())


class Lpips(nn.Module):
    """LPIPS v0.1 with VGG16 (Zhang et al. 2018): weighted squared differences of normalised features.

    It shifts and scales pictures in [-1, 1] by (-.030, -.088, -.188) and (.458, .448, .450): that is, pictures in
    [0, 1] by ImageNet's mean and deviation, as `Vgg` does.
    """

    def __init__(self, weights: StandIn) -> None:
        super().__init__()
        self._layers = last_layers(16, "relu")
        self._vgg = Vgg(16, self._layers, weights.features)
        self._heads = nn.ParameterList(nn.Parameter(head, requires_grad=False) for head in weights.heads)

    @torch.no_grad()
    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        """How different frames look: 0 where they are equal, about 1 where they have nothing in common.

        Args:
            sr: (frames, 3, height, width), R, G, B in [0, 1], of 16 pixels on each side at least.
            hq: as `sr`.

        Returns:
            (frames,), float32.

        Raises:
            LossError: the two are not of one shape, or not frames, or too small.
        """
        _check(sr, hq)
        return self.between(self.seen(sr), self.seen(hq))

    @torch.no_grad()
    def seen(self, frames: Tensor) -> Sequence[Tensor]:
        """What `between` compares: half of the work, for frames that are compared with several others.

        Args:
            frames: as in `forward`.
        """
        found: dict[str, Tensor] = self._vgg(frames)
        return [_normalised(found[layer]) for layer in self._layers]

    @torch.no_grad()
    def between(self, sr: Sequence[Tensor], hq: Sequence[Tensor]) -> Tensor:
        """How different frames look that were `seen`: as `forward`."""
        layers = zip(sr, hq, self._heads, strict=True)
        return torch.stack(
            [torch.einsum("nchw,c->nhw", (a - b).square(), head).mean((1, 2)) for a, b, head in layers]
        ).sum(0)


def _normalised(features: Tensor) -> Tensor:
    """Each pixel's channels, to a length of 1; those that are all 0 stay so."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _check(sr: Tensor, hq: Tensor) -> None:
    if sr.shape != hq.shape:
        raise LossError(f"SR is of shape {tuple(sr.shape)}, and HQ of {tuple(hq.shape)}; make them the same")
    if sr.dim() != 4 or sr.shape[1] != 3:
        raise LossError(f"frames are of shape {tuple(sr.shape)}; they should be (frames, 3, height, width)")
