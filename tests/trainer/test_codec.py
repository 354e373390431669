"""Codecs: what they give back, and that H.264 does what ffmpeg's processes do."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.degradation import codec
from trainer.degradation.codec import h264, quantised, transcoded
from trainer.degradation.levels import Pictures
from trainer.errors import CodecError

from .clips import drawn_clip

OPTIONS = {"h264": h264(23.5, "high"), "mpeg2": quantised(5), "mpeg4": quantised(5)}


def pictures(frames: int = 15, height: int = 64, width: int = 64) -> Pictures:
    return np.ascontiguousarray(drawn_clip(frames, height, width).permute(0, 2, 3, 1).numpy())


def error(a: Pictures, b: Pictures) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(OPTIONS)), st.integers(1, 15), st.integers(8, 40), st.integers(8, 40))
def test_as_many_frames_of_the_same_size_come_back_in_order(name: str, frames: int, high: int, wide: int) -> None:
    brighter = 8 * np.arange(frames, dtype=np.uint8)[:, None, None, None]  # each frame is told by this
    given = pictures(frames, 2 * high, 2 * wide) // 2 + brighter

    found = transcoded(given, name, OPTIONS[name])

    assert found.shape == given.shape
    assert found.dtype == np.uint8
    for n, frame in enumerate(found):
        assert error(frame, given[n]) == min(error(frame, other) for other in given)


@pytest.mark.parametrize(
    ("name", "fine", "coarse"),
    [
        ("h264", h264(18, "high"), h264(35, "high")),
        ("mpeg2", quantised(2), quantised(12)),
        ("mpeg4", quantised(2), quantised(12)),
    ],
)
def test_stronger_settings_lose_more(name: str, fine: dict[str, str], coarse: dict[str, str]) -> None:
    given = pictures()

    assert 0 < error(transcoded(given, name, fine), given) < error(transcoded(given, name, coarse), given) < 20


@pytest.mark.parametrize("name", ["mpeg2", "mpeg4"])
@pytest.mark.parametrize("bits_per_second", ["1000", "9000000"])
def test_the_quantiser_holds_whatever_the_bit_rate(name: str, bits_per_second: str) -> None:
    """An encoder that may choose is coarse at the one (above 4 grey levels), fine at the other (above 2)."""
    given = pictures()

    asked = transcoded(given, name, {**quantised(4), "b": bits_per_second})

    assert error(asked, transcoded(given, name, quantised(4))) < 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg to compare with")
@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_h264_is_what_two_processes_of_ffmpeg_give(profile: str) -> None:
    """Facts 2.3. Another release of x264 may decide a block differently; other scaling to YUV is far off."""
    given = pictures()
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", "25", "-i", "-", "-vf", "fps=25:round=up"]
    x264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "27.3", "-profile:v", profile, "-f", "h264"]
    options = h264(27.3, profile)
    x264 += [*(["-x264-params", options["x264-params"]] if "x264-params" in options else []), "-"]
    back = ["-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    stream = given.tobytes()
    for command in ([*raw, *x264], back):
        stream = subprocess.run(
            ["ffmpeg", "-v", "error", *command], input=stream, stdout=subprocess.PIPE, check=True
        ).stdout
    theirs = np.frombuffer(stream, np.uint8).reshape(given.shape)

    ours = transcoded(given, "h264", options)

    assert error(ours, theirs) < 0.05
    assert error(ours, given) == pytest.approx(error(theirs, given), rel=0.02)


def test_a_clip_gives_the_same_each_time() -> None:
    """Which x264 does not do by itself with frames as small as these, on processors with AVX-512."""
    for name, options in OPTIONS.items():
        for frames in (pictures(), pictures(9, 48, 80)):
            once = transcoded(frames, name, options)
            assert all(np.array_equal(transcoded(frames, name, options), once) for _ in range(12))


def test_what_an_encoder_refuses_is_an_error() -> None:
    with pytest.raises(CodecError, match=r"h264 with .*nonsense.* failed"):
        transcoded(pictures(2), "h264", {"crf": "20", "profile": "nonsense"})


def test_a_frame_that_is_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = codec._encoded
    monkeypatch.setattr(codec, "_encoded", lambda *given: encoded(*given)[:-1])

    with pytest.raises(CodecError, match=r"mpeg2 with .* gave 3 frames for 4"):
        transcoded(pictures(4), "mpeg2", OPTIONS["mpeg2"])
