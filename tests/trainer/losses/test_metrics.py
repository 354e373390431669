"""PSNR and LPIPS follow their definitions in the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from tests.trainer.losses.features import random_frames, random_tensors
from trainer.errors import LossError
from trainer.losses.metrics import MAX_PSNR, Lpips, psnr, psnr_y
from trainer.losses.vgg.lpips_vgg16 import LpipsVgg16, parse_checkpoint

type Floats = NDArray[np.float64]


def random_lpips_vgg16() -> LpipsVgg16:
    heads = tuple(
        random_frames(channels, seed=channels + block) for block, channels in enumerate((64, 128, 256, 512, 512))
    )
    return LpipsVgg16(random_tensors(16), heads)


def convolve(values: Floats, weight: Floats, bias: Floats) -> Floats:
    """Convolve by 3x3 with zero padding, as a sum of nine shifted products."""
    _, height, width = values.shape
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    total = np.broadcast_to(bias[:, None, None], (len(bias), height, width)).copy()
    for y in range(3):
        for x in range(3):
            total += np.einsum("oi,ihw->ohw", weight[:, :, y, x], padded[:, y : y + height, x : x + width])
    return total


def lpips_of(sr: Floats, hq: Floats, weights: LpipsVgg16) -> float:
    """Compute LPIPS v0.1 of two frames (3, height, width) in [0, 1] in numpy, with the shift and scale of its paper."""
    tensors = {key: value.double().numpy() for key, value in weights.features.items()}
    indices = [key.split(".")[1] for key in tensors if key.endswith("weight")]
    shift, scale = (np.array(each)[:, None, None] for each in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    both = [(2 * frame - 1 - shift) / scale for frame in (sr, hq)]
    distance = 0.0
    for head, convolutions in zip(weights.heads, (2, 2, 3, 3, 3), strict=True):
        for index in [indices.pop(0) for _ in range(convolutions)]:
            weight, bias = tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"]
            both = [np.maximum(convolve(values, weight, bias), 0) for values in both]
        first, second = (values / (np.sqrt((values**2).sum(0)) + 1e-10) for values in both)
        distance += float((head.double().numpy()[:, None, None] * (first - second) ** 2).sum(0).mean())
        channels, height, width = both[0].shape
        both = [
            values[:, : height // 2 * 2, : width // 2 * 2].reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))
            for values in both
        ]
    return distance


@settings(deadline=None, max_examples=5)
@given(height=st.integers(16, 36), width=st.integers(16, 36))
def test_lpips_follows_its_definition(height: int, width: int) -> None:
    weights = random_lpips_vgg16()
    sr, hq = random_frames(2, 3, height, width, seed=1), random_frames(2, 3, height, width, seed=2)

    found = Lpips(weights)(sr, hq)

    expected = [lpips_of(one.double().numpy(), two.double().numpy(), weights) for one, two in zip(sr, hq, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_distance_of_features_is_that_of_their_frames() -> None:
    lpips = Lpips(random_lpips_vgg16())
    sr, hq = random_frames(3, 3, 24, 32, seed=1), random_frames(3, 3, 24, 32, seed=2)

    found = lpips.distance(lpips.features(sr), lpips.features(hq))

    assert torch.equal(found, lpips(sr, hq))
    assert len(set(found.tolist())) == 3  # one value per frame
    assert lpips.distance(lpips.features(hq), lpips.features(hq)).tolist() == [0, 0, 0]


def waves(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return two different frames that are the same on every machine."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack([x**2, y, 1 - x * y])[None], torch.stack([x, y, x * y])[None]


def test_lpips_equals_that_of_the_package_lpips(ckpt: bytes) -> None:
    """The values were computed by lpips 0.1.4 with its own heads and the same VGG16."""
    lpips = Lpips(parse_checkpoint(ckpt))
    assert lpips(*waves(64, 64)).item() == pytest.approx(0.489133954, rel=1e-5)
    assert lpips(*waves(33, 50)).item() == pytest.approx(0.431953490, rel=1e-5)


def test_lpips_of_black_frames_is_a_number() -> None:
    """All-zero channels are not divided by their length."""
    weights = random_lpips_vgg16()
    zero = LpipsVgg16({key: torch.zeros_like(value) for key, value in weights.features.items()}, weights.heads)
    assert Lpips(zero)(torch.zeros(1, 3, 16, 16), random_frames(1, 3, 16, 16)).item() == 0


def test_lpips_is_frozen() -> None:
    lpips = Lpips(random_lpips_vgg16())
    frames = random_frames(1, 3, 16, 16).requires_grad_()
    assert not lpips(frames, frames).requires_grad
    assert not [parameter for parameter in lpips.parameters() if parameter.requires_grad]


def psnr_of(sr: Floats, hq: Floats) -> float:
    """Compute PSNR of luma of two frames (3, height, width) with integer values up to 255."""
    coefficients = np.array([65.481, 128.553, 24.966]) / 255
    luma = [16 + np.tensordot(coefficients, frame, 1) for frame in (sr, hq)]
    error = ((luma[0] - luma[1]) ** 2).mean()
    return float(20 * np.log10(255 / np.sqrt(error)))


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.just(3), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 1000),
    distance=st.sampled_from([0.01, 0.3, 2]),
)
def test_psnr_follows_its_definition(shape: tuple[int, int, int, int], seed: int, distance: float) -> None:
    hq = random_frames(*shape, seed=seed)
    sr = hq + distance * (random_frames(*shape, seed=seed + 1) - 0.5)  # also outside [0, 1]

    found = psnr_y(sr, hq)

    assert found.dtype == torch.float64
    eight_bits = [np.clip(np.rint(frames.double().numpy() * 255), 0, 255) for frames in (sr, hq)]
    for value, one, two in zip(found.tolist(), *eight_bits, strict=True):
        expected = MAX_PSNR if np.array_equal(one, two) else min(MAX_PSNR, psnr_of(one, two))
        assert value == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 1000), distance=st.sampled_from([0.01, 0.3, 2]))
def test_psnr_of_all_colours_follows_its_definition(seed: int, distance: float) -> None:
    hq = random_frames(2, 3, 5, 7, seed=seed)
    sr = hq + distance * (random_frames(2, 3, 5, 7, seed=seed + 1) - 0.5)

    found = psnr(sr, hq)

    one, two = (np.clip(np.rint(frames.double().numpy() * 255), 0, 255) for frames in (sr, hq))
    error = ((one - two) ** 2).mean((1, 2, 3))
    assert found.tolist() == pytest.approx([min(MAX_PSNR, float(10 * np.log10(255**2 / each))) for each in error])


def test_only_psnr_of_all_colours_includes_hue() -> None:
    grey = torch.full((1, 3, 4, 4), 100 / 255)
    tinted = grey + torch.tensor([30, -20, 24.3]).view(1, 3, 1, 1) / 255  # almost the same luma

    assert psnr_y(tinted, grey).item() > 45
    assert psnr(tinted, grey).item() < 21


def test_psnr_of_known_frames() -> None:
    black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert psnr_y(white, black).item() == pytest.approx(20 * math.log10(255 / 219))  # 16 to 235
    green = torch.tensor([0, 10 / 255, 0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert psnr_y(green, black).item() == pytest.approx(20 * math.log10(255 / (128.553 * 10 / 255)))
    red = torch.tensor([10 / 255, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert psnr_y(red, black).item() == pytest.approx(20 * math.log10(255 / (65.481 * 10 / 255)))


def test_psnr_is_per_frame_and_has_a_maximum_for_equal_frames() -> None:
    hq = random_frames(2, 3, 4, 4)
    sr = hq.clone()
    sr[1] = 1 - sr[1]
    equal, different = psnr_y(sr, hq).tolist()
    assert equal == MAX_PSNR
    assert different < 30
    eight_bits = torch.round(hq * 255) / 255
    assert psnr_y(eight_bits, hq).tolist() == [MAX_PSNR, MAX_PSNR], "frames are compared as 8-bit values"


def test_psnr_of_different_frames_does_not_exceed_the_maximum() -> None:
    hq = torch.zeros(1, 3, 512, 512)
    sr = hq.clone()
    sr[0, 2, 0, 0] = 1 / 255
    assert psnr_y(sr, hq).item() == MAX_PSNR


def test_psnr_of_nan_is_nan() -> None:
    assert psnr_y(torch.full((1, 3, 2, 2), math.nan), torch.zeros(1, 3, 2, 2)).isnan().all()


@pytest.mark.parametrize("name", ["psnr_y", "psnr", "lpips"])
@pytest.mark.parametrize(
    ("sr", "hq", "message"),
    [
        ((2, 3, 16, 16), (1, 3, 16, 16), r"SR has shape \(2, 3, 16, 16\), and HQ \(1, 3, 16, 16\)"),
        ((16, 3, 16), (16, 3, 16), r"frames have shape \(16, 3, 16\)"),
        ((1, 1, 16, 16), (1, 1, 16, 16), r"frames have shape \(1, 1, 16, 16\)"),
    ],
)
def test_frames_that_cannot_be_compared_are_refused(
    name: str, sr: tuple[int, ...], hq: tuple[int, ...], message: str
) -> None:
    metric = Lpips(random_lpips_vgg16()) if name == "lpips" else {"psnr": psnr, "psnr_y": psnr_y}[name]
    with pytest.raises(LossError, match=message):
        metric(torch.zeros(sr), torch.zeros(hq))


def test_lpips_refuses_small_frames() -> None:
    with pytest.raises(LossError, match="15x16 pixels, and VGG needs 16x16"):
        Lpips(random_lpips_vgg16())(torch.zeros(1, 3, 16, 15), torch.zeros(1, 3, 16, 15))
