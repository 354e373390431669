"""Codecs: the frames they return, and that H.264 equals that of ffmpeg processes."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.clips import cartoon_clip
from trainer.data.uint8 import Frames
from trainer.degradation import codec
from trainer.degradation.codec import h264_options, quantiser_options, transcode
from trainer.errors import CodecError

OPTIONS = {"h264": h264_options(23.5, "high"), "mpeg2": quantiser_options(5), "mpeg4": quantiser_options(5)}


def cartoon(frames: int = 15, height: int = 64, width: int = 64) -> Frames:
    return np.ascontiguousarray(cartoon_clip(frames, height, width).permute(0, 2, 3, 1).numpy())


def error(a: Frames, b: Frames) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(OPTIONS)), st.integers(1, 15), st.integers(8, 40), st.integers(8, 40))
def test_frames_come_back_in_order_with_the_same_number_and_size(
    name: str, frames: int, half_height: int, half_width: int
) -> None:
    brighter = 8 * np.arange(frames, dtype=np.uint8)[:, None, None, None]  # tells the frames apart
    given = cartoon(frames, 2 * half_height, 2 * half_width) // 2 + brighter

    found = transcode(given, name, OPTIONS[name])

    assert found.shape == given.shape
    assert found.dtype == np.uint8
    for n, frame in enumerate(found):
        assert error(frame, given[n]) == min(error(frame, other) for other in given)


@pytest.mark.parametrize(
    ("name", "fine", "coarse"),
    [
        ("h264", h264_options(18, "high"), h264_options(35, "high")),
        ("mpeg2", quantiser_options(2), quantiser_options(12)),
        ("mpeg4", quantiser_options(2), quantiser_options(12)),
    ],
)
def test_stronger_compression_loses_more(name: str, fine: dict[str, str], coarse: dict[str, str]) -> None:
    given = cartoon()

    assert 0 < error(transcode(given, name, fine), given) < error(transcode(given, name, coarse), given) < 20


@pytest.mark.parametrize("name", ["mpeg2", "mpeg4"])
@pytest.mark.parametrize("bits_per_second", ["1000", "9000000"])
def test_the_quantiser_does_not_depend_on_the_bit_rate(name: str, bits_per_second: str) -> None:
    """An encoder that chose its quantiser would differ by over 4 grey levels at the low rate, by over 2 at the high."""
    given = cartoon()

    found = transcode(given, name, {**quantiser_options(4), "b": bits_per_second})

    assert error(found, transcode(given, name, quantiser_options(4))) < 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_h264_equals_that_of_two_ffmpeg_processes(profile: str) -> None:
    """See docs/paper-and-release.md, 2.3. Another x264 may differ in a few blocks; other YUV scaling is far off."""
    given = cartoon()
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", "25", "-i", "-", "-vf", "fps=25:round=up"]
    x264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "27.3", "-profile:v", profile, "-f", "h264"]
    options = h264_options(27.3, profile)
    x264 += [*(["-x264-params", options["x264-params"]] if "x264-params" in options else []), "-"]
    back = ["-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    stream = given.tobytes()
    for command in ([*raw, *x264], back):
        stream = subprocess.run(
            ["ffmpeg", "-v", "error", *command], input=stream, stdout=subprocess.PIPE, check=True
        ).stdout
    theirs = np.frombuffer(stream, np.uint8).reshape(given.shape)

    ours = transcode(given, "h264", options)

    assert error(ours, theirs) < 0.05
    assert error(ours, given) == pytest.approx(error(theirs, given), rel=0.02)


def test_the_result_is_deterministic() -> None:
    """By default, x264 is not deterministic for frames this small on processors with AVX-512."""
    for name, options in OPTIONS.items():
        for frames in (cartoon(), cartoon(9, 48, 80)):
            once = transcode(frames, name, options)
            assert all(np.array_equal(transcode(frames, name, options), once) for _ in range(12))


def test_a_failing_encoder_is_an_error() -> None:
    with pytest.raises(CodecError, match=r"h264 with .*nonsense.* failed"):
        transcode(cartoon(2), "h264", {"crf": "20", "profile": "nonsense"})


def test_a_lost_frame_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = codec._encode
    monkeypatch.setattr(codec, "_encode", lambda *given: encode(*given)[:-1])

    with pytest.raises(CodecError, match=r"mpeg2 with .* gave 3 frames for 4"):
        transcode(cartoon(4), "mpeg2", OPTIONS["mpeg2"])
