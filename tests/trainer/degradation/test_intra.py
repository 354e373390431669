"""Frames that are coded alone: the frames they give, and what cannot be encoded here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trainer.clips import cartoon_clip
from tests.trainer.degradation.samples import PAPER, sample
from trainer.data.uint8 import Frames
from trainer.degradation import codec, intra
from trainer.degradation.codec import h264_options, hevc_options
from trainer.degradation.intra import picture_options, transcode_alone
from trainer.degradation.pipeline import degrade, require_encoders
from trainer.errors import CodecError, SettingError
from trainer.settings import override

OPTIONS = {
    "webp": picture_options(60),
    "avif": picture_options(60),
    "h264": h264_options(21, "high"),
    "hevc": hevc_options(24),
}
ALONE = override(PAPER, ["codec.intra.probability=1"])
names = pytest.mark.parametrize("name", list(OPTIONS))


def cartoon(frames: int = 5, height: int = 64, width: int = 64) -> Frames:
    return np.ascontiguousarray(cartoon_clip(frames, height, width).permute(0, 2, 3, 1).numpy())


def error(a: Frames, b: Frames) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@settings(deadline=None, max_examples=40)
@example("hevc", 2, 1, 1)
@example("avif", 2, 1, 1)
@given(st.sampled_from(list(OPTIONS)), st.integers(1, 5), st.integers(1, 30), st.integers(1, 30))
def test_frames_come_back_in_order_with_the_same_number_and_size(
    name: str, frames: int, half_height: int, half_width: int
) -> None:
    brighter = 24 * np.arange(frames, dtype=np.uint8)[:, None, None, None]  # tells the frames apart
    given = cartoon(frames, 2 * half_height, 2 * half_width) // 2 + brighter

    found = transcode_alone(given, name, OPTIONS[name])

    assert (found.shape, found.dtype) == (given.shape, given.dtype)
    means = found.mean((1, 2, 3)) - given.mean((1, 2, 3))
    assert np.abs(means).max() < 12


@names
def test_a_frame_does_not_depend_on_the_others(name: str) -> None:
    frames = cartoon()
    other = frames.copy()
    other[[0, 1, 3, 4]] = 255 - other[[0, 1, 3, 4]]

    assert np.array_equal(
        transcode_alone(frames, name, OPTIONS[name])[2], transcode_alone(other, name, OPTIONS[name])[2]
    )


@pytest.mark.parametrize(
    ("name", "fine", "coarse"),
    [
        ("webp", picture_options(80), picture_options(10)),
        ("avif", picture_options(70), picture_options(35)),
        ("h264", h264_options(16, "high"), h264_options(30, "high")),
        ("hevc", hevc_options(18), hevc_options(34)),
    ],
)
def test_the_quality_changes_the_error(name: str, fine: dict[str, str], coarse: dict[str, str]) -> None:
    given = cartoon()

    assert (
        0 < error(transcode_alone(given, name, fine), given) < error(transcode_alone(given, name, coarse), given) < 25
    )


@names
def test_the_result_is_deterministic(name: str) -> None:
    for frames in (cartoon(), cartoon(2, 48, 80)):
        once = transcode_alone(frames, name, OPTIONS[name])
        assert all(np.array_equal(transcode_alone(frames, name, OPTIONS[name]), once) for _ in range(8))


@names
def test_a_pipeline_codes_frames_alone_as_its_settings_say(name: str) -> None:
    shares = [f"codec.intra.names.{each}={int(each == name)}" for each in OPTIONS]
    degradation = override(ALONE, shares)
    parameters, clip = sample(degradation, 3, 4), cartoon_clip(4)

    found, failures = degrade(clip, degradation, parameters)

    assert failures == 0
    assert {each.name for each in parameters.encodings} == {name}
    assert found.equal(degrade(clip, degradation, parameters)[0])
    assert not found.equal(degrade(clip, PAPER, sample(PAPER, 3, 4))[0])
    assert abs(found.mean() - clip.float().mean() / 255) < 0.05


@names
def test_what_cannot_be_encoded_here_is_refused_with_a_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in intra.PICTURES:
        monkeypatch.setitem(intra.PICTURES, name, "NOSUCH")
    else:
        monkeypatch.setitem(codec.ENCODERS, name, "no_such_encoder")
    if name != "h264":
        require_encoders(PAPER.codec)  # the switch is off

    with pytest.raises(CodecError, match=rf"cannot encode {name} here .*pip install .*codec\.intra\.names\.{name}=0"):
        require_encoders(ALONE.codec)
    require_encoders(override(ALONE, [f"codec.intra.names.{name}=0"]).codec)


def test_codecs_of_videos_are_not_required_where_none_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.ENCODERS, "mpeg2", "no_such_encoder")
    unused = override(ALONE, ["codec.names.mpeg2=1"])

    require_encoders(unused.codec)
    with pytest.raises(CodecError, match="mpeg2"):
        require_encoders(override(unused, ["codec.intra.probability=0.9"]).codec)


def test_a_quality_above_100_is_refused() -> None:
    with pytest.raises(SettingError, match=r"codec\.intra\.avif=.*above 100"):
        override(PAPER, ["codec.intra.avif=[50,101]"])
