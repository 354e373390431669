"""Input rescaling: the size and content of pseudo-HQ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.trainer.lbo.networks import Bilinear, Tinting
from trainer.data.clips import Frame
from trainer.errors import PairError
from trainer.lbo.rescaling import Rescaling
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.colour import Colour
from vsanimesr.network.torch_network import AnimeSR


def smooth_frame(width: int, height: int, seed: int = 0) -> Frame:
    """Return a smooth frame, which hardly changes when it is scaled."""
    small = np.random.default_rng(seed).integers(40, 220, (4, 5, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@settings(max_examples=30, deadline=None)
@given(width=st.integers(54, 90), height=st.integers(54, 90), factor=st.floats(0.3, 1))
def test_pseudo_hq_is_exactly_twice_as_large_at_any_factor_and_size(width: int, height: int, factor: float) -> None:
    frames = [smooth_frame(width, height, seed) for seed in range(2)]

    found = list(Rescaling(Bilinear()).pseudo_hq(frames, factor))

    assert [each.size for each in found] == [(2 * width, 2 * height)] * 2
    for pseudo_hq, lq in zip(found, frames, strict=True):
        back = np.asarray(pseudo_hq.resize((width, height), Image.Resampling.BOX), np.int16)
        assert np.abs(back - lq).mean() < 4  # same place and colours
        for edge in (np.s_[-1], np.s_[:, -1]):  # also at padded edges
            assert np.abs(back[edge] - lq[edge]).mean() < 8


def test_it_is_the_output_of_the_network_for_the_scaled_down_clip() -> None:
    torch.manual_seed(0)
    network = AnimeSR(features=4, blocks=(1, 1, 1)).eval()
    frames = [smooth_frame(64, 48, seed) for seed in range(4)]

    found = list(Rescaling(network).pseudo_hq(frames, 0.5))

    small = [np.array(Image.fromarray(each).resize((32, 24), Image.Resampling.LANCZOS)) for each in frames]
    lr = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = (255 * Recurrence(network)(lr[None])[0].clamp(0, 1)).permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack([np.asarray(each) for each in found]) - expected).max() < 4  # bfloat16


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_pseudo_hq_has_the_colours_of_its_source_if_it_should(factor: float) -> None:
    frames = [smooth_frame(66, 54, seed) for seed in range(3)]

    def shift(colour: Colour) -> NDArray[np.float64]:
        """Return the shift of each channel, in grey levels."""
        found = [np.asarray(each) for each in Rescaling(Tinting()).pseudo_hq(frames, factor, colour)]
        means = (np.stack(each).mean((0, 1, 2)) for each in (found, frames))
        return np.subtract(*means)

    assert shift("network") == pytest.approx(255 * np.array(Tinting.TINT), abs=0.3)
    assert shift("source") == pytest.approx(np.zeros(3), abs=0.3)


def test_frames_too_small_for_a_factor_are_refused() -> None:
    with pytest.raises(PairError, match=r"frames of 50x40 scaled down by 0\.3 have 15x12 pixels, and the smallest"):
        list(Rescaling(Bilinear()).pseudo_hq([smooth_frame(50, 40)], 0.3))
