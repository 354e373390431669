"""The filter with a backend that converts frames, compared with the same one whose frames `resize` converts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.gpu.simulated_backend import RGBBackend, SimulatedBackend, upscale
from tests.backends.gpu.simulator import SimulatedDevice
from tests.test_lifecycle import measure_growth
from tests.video import collect_log, core, get_frames, read_planes
from vsanimesr import bridge
from vsanimesr.backends import availability
from vsanimesr.backends.gpu.device import DeviceError, Kernel
from vsanimesr.errors import MissingDependencyError

WIDTH, HEIGHT = 16, 12
FRAMES = 7
FORMATS = [vs.YUV420P8, vs.YUV420P10, vs.YUV444P16, vs.RGB24, vs.GRAY8, vs.RGBS]
GRAYH = core.query_video_format(vs.GRAY, vs.FLOAT, 16).id


def make_clip(
    format: int,
    props: Sequence[dict[str, Any]] = ({},),
    *,
    pictures: Sequence[int] = range(FRAMES),
    nan: int = -1,
    width: int = WIDTH,
) -> vs.VideoNode:
    """Return a clip of random pictures.

    Args:
        props: properties of the frames, over and over.
        pictures: number of the picture of each frame.
        nan: number of the frame that holds NaN.
    """
    blank = core.std.BlankClip(format=format, width=width, height=HEIGHT, length=len(pictures), keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame, random = f.copy(), np.random.default_rng(pictures[n])
        for plane in range(f.format.num_planes):
            samples = np.asarray(frame[plane])
            values = np.asarray(random.random(samples.shape))
            if f.format.sample_type == vs.INTEGER:
                values = np.floor(values * (1 << f.format.bits_per_sample))
            elif f.format.color_family == vs.YUV and plane:
                values -= 0.5
            samples[:] = values.astype(samples.dtype)
            if n == nan:
                samples[1, 1] = np.nan
        for name, value in props[n % len(props)].items():
            frame.props[name] = value
        return frame

    return core.std.ModifyFrame(blank, blank, draw)


def assert_same_frames(found: vs.VideoNode, expected: vs.VideoNode, numbers: Sequence[int] | None = None) -> None:
    """Check planes, to 1 code value, and properties; of these frames only, if there are `numbers`."""
    assert (found.format, found.width, found.height) == (expected.format, expected.width, expected.height)
    assert (found.fps, found.num_frames) == (expected.fps, expected.num_frames)
    integer = found.format.sample_type == vs.INTEGER
    tolerance = 1 if integer else {16: 1e-3, 32: 1e-5}[found.format.bits_per_sample]
    for n in numbers or range(found.num_frames):
        with found.get_frame(n) as frame, expected.get_frame(n) as other:
            assert dict(frame.props) == dict(other.props)
            for plane in range(found.format.num_planes):
                values, others = (np.asarray(each[plane]).astype(float) for each in (frame, other))
                assert np.abs(values - others).max() <= tolerance, f"plane {plane} of frame {n}"


def colours(format: int) -> list[dict[str, Any]]:
    """Return properties that change from frame to frame."""
    if core.get_video_format(format).color_family == vs.RGB:
        return [{"_Matrix": 0, "_Range": 1}, {"_Range": 0}, {}]
    return [
        {"_Matrix": 9, "_Range": 0, "_ChromaLocation": 1},
        {"_Matrix": 6, "_Range": 1, "_ChromaLocation": 2},
        {"_Matrix": 8, "_ChromaLocation": -1},
        {"_Matrix": 2, "_Transfer": 1, "_Primaries": 1},
        {},
    ]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *((each, None) for each in FORMATS),
        (vs.YUV420P8, vs.YUV420P10),
        (vs.YUV422P10, vs.RGBS),
        (vs.RGBS, vs.YUV420P8),
        (vs.RGB24, vs.YUV444P16),
        (vs.RGB24, vs.RGBS),
        (vs.GRAY8, vs.YUV410P8),
        (vs.YUV444PS, GRAYH),
        (vs.YUV420P8, vs.RGB48),
    ],
)
@pytest.mark.parametrize("size", [{}, {"width": 40, "height": 24, "kernel": "spline36"}], ids=["4x", "smaller"])
def test_frames_and_properties_are_those_of_resize(
    source: vs.PresetVideoFormat, target: int | None, size: dict[str, Any]
) -> None:
    clip = make_clip(source, colours(source))
    arguments = size if target is None else {**size, "format": target}

    found, backend = upscale(clip, **arguments)
    expected, other = upscale(clip, RGBBackend, **arguments)

    assert backend.own_formats == (source != vs.RGBS or target is not None or bool(size))
    assert not other.own_formats
    assert_same_frames(found, expected)


@pytest.mark.parametrize(
    ("props", "arguments"),
    [
        ({"_SARNum": 8, "_SARDen": 9}, {"width": 50, "height": 30}),
        ({"_SARNum": 32, "_SARDen": 27}, {"square": 1, "height": 24}),
        ({"_SARNum": 0, "_SARDen": 9}, {"width": 40}),
        ({"_SARNum": 4}, {"width": 40}),
        ({"_SARNum": 16, "_SARDen": 18, "_FieldBased": 0, "mine": b"text"}, {}),
        ({"_Alpha": 5, "_Transfer": 2, "_Primaries": 6, "_DurationNum": 1, "_DurationDen": 7}, {}),
        ({"AnimeSRHeld": 3, "AnimeSRApproximate": 1, "AnimeSRAnchor": 9}, {"format": vs.RGB24}),
    ],
)
def test_other_properties_are_those_of_resize(props: dict[str, Any], arguments: dict[str, Any]) -> None:
    clip = make_clip(vs.YUV420P8, [props, {**props, "_Matrix": 1}], pictures=range(3))

    assert_same_frames(upscale(clip, **arguments)[0], upscale(clip, RGBBackend, **arguments)[0])


@pytest.mark.parametrize("target", [vs.YUV420P8, vs.YUV420P10, vs.YUV444P16, vs.RGB48, vs.GRAY16, vs.YUV422PS])
@pytest.mark.parametrize("size", [(100, 60), (100, 40), (40, 60)])
@pytest.mark.parametrize("kernel", ["bilinear", "lanczos"])
def test_pixels_are_scaled_beyond_the_sr_frame_before_they_are_rounded(
    target: int, size: tuple[int, int], kernel: str
) -> None:
    clip = make_clip(vs.YUV420P8, [{"_Matrix": 1, "_Range": 0}], pictures=range(2))
    arguments: dict[str, Any] = {"format": target, "width": size[0], "height": size[1], "kernel": kernel}

    found, backend = upscale(clip, **arguments)

    assert backend.own_formats
    assert_same_frames(found, upscale(clip, RGBBackend, **arguments)[0])


PROPERTIES = {
    "_Matrix": [1, 2, 5, 6, 7, 9],
    "_Range": [0, 1],
    "_ChromaLocation": [-1, 0, 1, 2, 3, 4, 5],
    "_Transfer": [1, 2, 13],
    "_Primaries": [1, 9],
    "_SARNum": [0, 1, 32],
    "_SARDen": [1, 27],
    "_FieldBased": [0],
}
"""Values that a frame may have, by property."""


@st.composite
def properties(draw: st.DrawFn, family: int) -> dict[str, int]:
    """Some properties of a frame."""
    known = {**PROPERTIES, "_Matrix": [0, 2]} if family == vs.RGB else PROPERTIES
    names = draw(st.lists(st.sampled_from(sorted(known)), unique=True))
    return {name: draw(st.sampled_from(known[name])) for name in names}


@settings(max_examples=40, deadline=None)
@given(data=st.data(), source=st.sampled_from([*FORMATS, vs.YUV411P8, vs.YUV440P8]), target=st.sampled_from(FORMATS))
def test_each_frame_is_read_by_its_own_properties(data: st.DataObject, source: int, target: int) -> None:
    family = core.get_video_format(source).color_family
    props = data.draw(st.lists(properties(family), min_size=4, max_size=4), "properties")
    clip = make_clip(source, props, pictures=range(4))
    size = data.draw(st.sampled_from([{}, {"width": 36}]), "size")
    arguments: dict[str, Any] = {"format": target, "scene_change": "none", **size}

    found, _ = upscale(clip, **arguments)

    assert_same_frames(found, upscale(clip, RGBBackend, **arguments)[0])


def test_fields_are_converted_by_resize() -> None:
    """Their chroma lies elsewhere."""
    clip = make_clip(vs.YUV420P8, [{"_Field": 1}], pictures=range(2))

    found, backend = upscale(clip, width=32)

    assert not backend.own_formats
    assert_same_frames(found, upscale(clip, RGBBackend, width=32)[0])


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV444P8, vs.RGB24])
def test_a_field_after_frame_0_is_refused(format: vs.PresetVideoFormat) -> None:
    """It is too late to leave the conversion to `resize`."""
    clip = make_clip(format, [{}, {}, {}, {"_Field": 0}], pictures=range(4))

    found, backend = upscale(clip, scene_change=[3])
    expected, _ = upscale(clip, RGBBackend, scene_change=[3])

    assert backend.own_formats
    assert_same_frames(found, expected, range(3))
    expected.get_frame(3).close()
    with pytest.raises(vs.Error, match=r"frame 3 of the clip has _Field, and frame 0 has not: .*RemoveFrameProps"):
        found.get_frame(3)


def test_rows_of_luma_and_chroma_are_padded_to_different_lengths() -> None:
    clip = make_clip(vs.YUV420P8, pictures=range(2), width=72)
    with clip.get_frame(0) as frame:
        assert frame.get_stride(0) > frame.get_stride(1) > 36

    assert_same_frames(upscale(clip)[0], upscale(clip, RGBBackend)[0])


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.RGB24, vs.GRAYS])
def test_the_log_tells_the_same(format: vs.PresetVideoFormat) -> None:
    with collect_log() as found:
        upscale(make_clip(format))
    with collect_log() as expected:
        upscale(make_clip(format), RGBBackend)

    assert found == expected
    assert len(found) == (format != vs.RGB24)


@settings(max_examples=15, deadline=None)
@given(
    format=st.sampled_from([vs.YUV420P8, vs.YUV444P16, vs.GRAY8]),
    held=st.sampled_from(["off", "skip"]),
    cache=st.sampled_from([0, 1, 64]),
    at_once=st.integers(1, 8),
    seed=st.integers(0, 99),
)
def test_frames_do_not_depend_on_the_order_of_requests(
    format: vs.PresetVideoFormat, held: str, cache: int, at_once: int, seed: int
) -> None:
    pictures = [0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8]
    clip = make_clip(format, colours(format)[:2], pictures=pictures)
    expected = dict(get_frames(upscale(clip, held=held)[0], range(len(pictures)), at_once=1))
    order = random.Random(seed).choices(range(len(pictures)), k=20)

    for n, planes in get_frames(upscale(clip, held=held, cache=cache)[0], order, at_once=at_once):
        assert planes == expected[n], f"frame {n}"


def test_held_frames_repeat_the_target_with_their_own_properties() -> None:
    pictures = [0, 1, 1, 1, 2, 2]
    clip = make_clip(vs.YUV420P8, [{"_Matrix": 1, "number": n} for n in range(len(pictures))], pictures=pictures)

    found, backend = upscale(clip, held="skip")

    assert_same_frames(found, upscale(clip, RGBBackend, held="skip")[0])
    assert backend.own_formats
    for n, kept in ((2, 1), (3, 1), (5, 4)):
        with found.get_frame(n) as frame, found.get_frame(kept) as other:
            assert read_planes(frame) == read_planes(other)
            assert (frame.props["AnimeSRHeld"], frame.props["number"]) == (kept, n)


def test_the_cache_counts_the_bytes_of_target_frames() -> None:
    """Half a MiB holds 113 frames of 64x48 in YUV420P8, but 14 in RGBS."""
    found, backend = upscale(make_clip(vs.YUV420P8, pictures=range(40)), cache=1)
    found.std.SetVideoCache(mode=0)
    for n in range(40):
        found.get_frame(n).close()
    steps = backend.pipeline.steps

    found.get_frame(5).close()

    assert backend.pipeline.steps == steps


@pytest.mark.parametrize("target", [vs.YUV420P8, vs.RGBS, vs.RGBH])
def test_nan_is_an_error_of_its_frame_and_the_state_goes_on(target: vs.PresetVideoFormat) -> None:
    clip = make_clip(vs.GRAYS, nan=3)
    arguments = {"format": target, "scene_change": "none", "preroll": 0}
    found, backend = upscale(clip, **arguments)
    assert backend.own_formats

    for n in range(FRAMES):
        if n in (2, 3, 4):  # the program mixes the neighbours in
            with pytest.raises(vs.Error, match=rf'frame {n}: SR frame {n} holds NaN or infinity;.*precision="fp32"'):
                found.get_frame(n)
        else:
            found.get_frame(n).close()
    assert backend.pipeline.steps == FRAMES
    assert_same_frames(found, upscale(clip, RGBBackend, **arguments)[0], [0, 1, 5, 6])


def test_a_failed_step_is_an_error_and_the_next_request_starts_anew() -> None:
    clip = make_clip(vs.YUV420P8)
    sound, _ = upscale(clip)
    expected = [read_planes(sound.get_frame(n)) for n in range(FRAMES)]
    found, backend = upscale(clip)
    assert read_planes(found.get_frame(0)) == expected[0]
    device = backend.pipeline._device
    assert isinstance(device, SimulatedDevice)
    device.failures.at_call = device.failures.calls + 3

    with pytest.raises(vs.Error, match="failed at a step: out of luck"):
        found.get_frame(1)

    assert [read_planes(found.get_frame(n)) for n in range(FRAMES)] == expected


def test_memory_is_flat_over_many_frames(tmp_path: Path) -> None:
    in_use, resident = measure_growth(
        tmp_path,
        """
from vsanimesr.backends import null
from vsanimesr.backends.base import SteppedBackend
from vsanimesr.backends.gpu.host_time import FreeDevice, FreeProgram
from vsanimesr.backends.gpu.pipeline import Pipeline

class FreeBackend(SteppedBackend):
    def _open(self, setup):
        formats = {"source": setup.source, "target": setup.target}
        program = FreeProgram(setup.width, setup.height)
        return Pipeline(FreeDevice(), program, backend="free", graphs=True, **formats)

    @classmethod
    def availability(cls):
        raise NotImplementedError

null.NullBackend = FreeBackend
clip = core.resize.Bicubic(numbered_clip(3700, 64, 48), format=vs.YUV420P8, matrix=1)
clip = clip.std.SetFrameProps(_SARNum=8, _SARDen=9, _Alpha=1)
upscaled = core.animesr.Upscale(clip, backend="null", format=vs.YUV444P16, width=300, cache=4)
frames = upscaled.frames(prefetch=4, close=True)

def lowest(count):
    samples = [memory() for _ in zip(range(count), frames)]  # malloc_trim is called about every 900 frames
    return [min(column) for column in zip(*samples)]

lowest(400)
before = lowest(1000)
lowest(1000)
after = lowest(1000)
""",
    )
    # A source frame has 4.5 KiB, a result 395 KiB: 2,000 of them would take 9 MiB and 770 MiB.
    assert in_use < 2 * 1024
    assert resident < 32 * 1024


# Frames that the GPU cannot convert


class WithoutCompiler(SimulatedDevice):
    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        raise MissingDependencyError("the conversion needs NVRTC; pip install nvidia-cuda-nvrtc")


class TooOld(SimulatedDevice):
    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        raise DeviceError("compute capability 5.0 is too old for the installed NVRTC")


@pytest.mark.parametrize(
    ("device", "arguments", "reason"),
    [
        (WithoutCompiler, {}, "pip install nvidia-cuda-nvrtc"),
        (TooOld, {}, "too old for the installed NVRTC"),
        (SimulatedDevice, {"width": 40, "height": 24, "kernel": "point"}, "kernel='point' does not read every pixel"),
    ],
)
def test_what_the_gpu_cannot_convert_is_converted_by_resize(
    device: type[SimulatedDevice], arguments: dict[str, Any], reason: str
) -> None:
    class Backend(SimulatedBackend):
        device_class = device

    clip = make_clip(vs.YUV420P8, [{"_Matrix": 1, "_Range": 0}])
    with collect_log() as messages:
        found, backend = upscale(clip, Backend, **arguments)

    assert [reason in message and "resize" in message for message in messages] == [True]
    assert not backend.own_formats
    expected = upscale(clip, RGBBackend, **arguments)[0]
    for n in range(FRAMES):
        assert read_planes(found.get_frame(n)) == read_planes(expected.get_frame(n))


def test_an_rgbs_clip_needs_no_compiler() -> None:
    class Backend(SimulatedBackend):
        device_class = WithoutCompiler

    with collect_log() as messages:
        upscale(make_clip(vs.RGBS), Backend)

    assert messages == []


def test_tiles_are_cut_in_rgbs() -> None:
    clip = make_clip(vs.YUV420P8, [{"_Matrix": 1, "_Range": 0}], pictures=range(2))

    found, backend = upscale(clip, tiles=[8, 8], overlap=4)

    assert not backend.own_formats
    assert found.get_frame(1).format.id == vs.YUV420P8


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["torch", "tensorrt_rtx", "tensorrt"])
def test_frames_that_a_gpu_converts_are_those_of_resize(backend: str) -> None:
    available = availability(backend)
    if not (available.usable and available.gpu):
        pytest.skip(f"{backend}: {available.detail}")
    clip = make_clip(vs.YUV420P8, [{"_Matrix": 1, "_Range": 0, "_ChromaLocation": 0}], pictures=range(4))
    arguments: dict[str, Any] = {"backend": backend, "precision": "fp32", "scene_change": "none"}

    found = core.animesr.Upscale(clip, format=vs.YUV420PS, **arguments)

    if not bridge._sessions[max(bridge._sessions)].own_formats:
        pytest.skip(f"{backend}: this GPU cannot convert frames, the log says why")
    rgb = core.animesr.Upscale(core.resize.Bicubic(clip, format=vs.RGBS), **arguments)
    expected = core.resize.Bicubic(rgb, format=vs.YUV420PS, matrix=1)
    for n in range(4):
        with found.get_frame(n) as frame, expected.get_frame(n) as other:
            for plane in range(3):
                np.testing.assert_allclose(np.asarray(frame[plane]), np.asarray(other[plane]), rtol=0, atol=2e-3)
