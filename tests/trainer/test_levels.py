"""Pictures of 8 bits and clips of their values are the same thing twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.degradation.codec import coded, h264, transcoded
from trainer.degradation.levels import clip_of, pictures_of, rounded

sides = st.integers(1, 9)


@given(frames=st.integers(1, 3), height=sides, width=sides, seed=st.integers(0, 99), cut=st.booleans())
def test_pictures_survive_the_way_to_a_clip_and_back(
    frames: int, height: int, width: int, seed: int, cut: bool
) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    pictures.flags.writeable = False  # as out of a decoder

    clip = clip_of(pictures)

    assert (clip.shape, clip.dtype) == ((frames, 3, height, width), torch.float32)
    assert clip[0, 1, -1, 0].item() == pytest.approx(pictures[0, -1, 0, 1] / 255)
    assert np.array_equal(pictures_of(clip), pictures)
    assert torch.equal(rounded(clip), clip)
    if cut:  # of what lies between two levels, the one below is taken
        between = (clip + 0.7 / 255).clamp(max=1)
        assert np.array_equal(pictures_of(between, truncated=True), pictures)


def test_what_lies_outside_is_clipped_and_what_lies_between_is_rounded() -> None:
    clip = torch.tensor([-0.2, 0.6 / 255, 1.3]).view(1, 3, 1, 1)

    assert pictures_of(clip).ravel().tolist() == [0, 1, 255]
    assert pictures_of(clip, truncated=True).ravel().tolist() == [0, 0, 255]
    assert torch.allclose(rounded(clip).ravel() * 255, torch.tensor([0.0, 1.0, 255.0]))


def test_a_clip_is_coded_as_its_pictures_are() -> None:
    clip = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1
    options = h264(28, "high")

    found = coded(clip, "h264", options)

    assert torch.equal(found, clip_of(transcoded(pictures_of(clip), "h264", options)))
    assert not torch.equal(found, rounded(clip))
