"""8-bit frames and float clips convert into each other without loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.uint8 import quantize, to_float, to_uint8
from trainer.degradation.codec import encode_decode, h264_options, transcode

sides = st.integers(1, 9)


@given(frames=st.integers(1, 3), height=sides, width=sides, seed=st.integers(0, 99), cut=st.booleans())
def test_frames_convert_to_a_clip_and_back(frames: int, height: int, width: int, seed: int, cut: bool) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    images.flags.writeable = False  # as a decoder returns them

    clip = to_float(images)

    assert (clip.shape, clip.dtype) == ((frames, 3, height, width), torch.float32)
    assert clip[0, 1, -1, 0].item() == pytest.approx(images[0, -1, 0, 1] / 255)
    assert np.array_equal(to_uint8(clip), images)
    assert torch.equal(quantize(clip), clip)
    if cut:  # values between two levels are rounded down
        between = (clip + 0.7 / 255).clamp(max=1)
        assert np.array_equal(to_uint8(between, truncate=True), images)


def test_values_are_clipped_and_rounded() -> None:
    clip = torch.tensor([-0.2, 0.6 / 255, 1.3]).view(1, 3, 1, 1)

    assert to_uint8(clip).ravel().tolist() == [0, 1, 255]
    assert to_uint8(clip, truncate=True).ravel().tolist() == [0, 0, 255]
    assert torch.allclose(quantize(clip).ravel() * 255, torch.tensor([0.0, 1.0, 255.0]))


def test_a_clip_is_encoded_like_its_frames() -> None:
    clip = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1
    options = h264_options(28, "high")

    found = encode_decode(clip, "h264", options)

    assert torch.equal(found, to_float(transcode(to_uint8(clip), "h264", options)))
    assert not torch.equal(found, quantize(clip))
