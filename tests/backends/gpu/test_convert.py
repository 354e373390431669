"""Conversion of frames, by the kernels compiled for the host, compared with VapourSynth's `resize`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Literal, get_args

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.studies.arrays import make_clip, read_clip
from tests.backends.gpu.conversion import draw_planes, load, load_on, store, store_on
from tests.backends.gpu.simulator import SimulatedDevice
from tests.video import core
from vsanimesr.backends.base import Planes
from vsanimesr.backends.gpu.convert import SOURCE, target_layers
from vsanimesr.backends.gpu.cuda import CudaDevice, load_runtime
from vsanimesr.backends.gpu.device import Device, DeviceError
from vsanimesr.backends.gpu.nvrtc import compile_kernels
from vsanimesr.backends.gpu.resampling import KERNELS, resample
from vsanimesr.errors import MissingDependencyError
from vsanimesr.network.tensors import Tensor
from vsanimesr.options import Kernel
from vsanimesr.pixels import LUMA_WEIGHTS, MATRIX_RGB, MATRIX_YCGCO, RGBS, SITINGS, Colours, PixelFormat, Target

LAYOUTS: list[tuple[Literal["gray", "rgb", "yuv"], tuple[int, int]]] = [
    *(("yuv", subsampling) for subsampling in ((0, 0), (1, 0), (1, 1), (2, 0), (0, 1), (2, 2))),
    ("rgb", (0, 0)),
    ("gray", (0, 0)),
]
SAMPLES: list[tuple[Literal["integer", "float"], int]] = [
    *(("integer", bits) for bits in (8, 9, 10, 12, 14, 16)),
    ("float", 16),
    ("float", 32),
]
FAMILIES = {"gray": vs.GRAY, "rgb": vs.RGB, "yuv": vs.YUV}
YUV420P8 = PixelFormat("yuv", "integer", 8, (1, 1))
BT709 = Colours(1, False, 0)


def video_format(format: PixelFormat) -> vs.VideoFormat:
    sample = vs.FLOAT if format.sample == "float" else vs.INTEGER
    return core.query_video_format(FAMILIES[format.family], sample, format.bits, *format.subsampling)


@st.composite
def colours(draw: st.DrawFn, family: str) -> Colours:
    matrices = {"rgb": [MATRIX_RGB], "gray": [*LUMA_WEIGHTS], "yuv": [*LUMA_WEIGHTS, MATRIX_YCGCO]}[family]
    return Colours(draw(st.sampled_from(matrices)), draw(st.booleans()), draw(st.sampled_from([*SITINGS])))


@st.composite
def sizes(draw: st.DrawFn, subsampling: tuple[int, int]) -> tuple[int, int]:
    """Width and height: sizes that the subsampling divides, often small ones."""
    across, down = (draw(st.integers(1, 40 >> each)) << each for each in subsampling)
    return across, down


def read_frame(clip: vs.VideoNode) -> Planes:
    """Return the planes of the only frame."""
    (planes,) = read_clip(clip)
    return tuple(planes)


def make_rgb(width: int, height: int, seed: int) -> NDArray[np.float32]:
    """Return a random SR frame. Its values go beyond black and white, as those of the network do."""
    return np.random.default_rng(seed).uniform(-0.2, 1.2, (3, height, width)).astype(np.float32)


def resize(rgb: NDArray[Any], target: Target) -> Planes:
    """Return the planes that `resize` makes, without dithering.

    It scales in floats here. To more pixels of integers, it would first round and clip the fewer ones.
    """
    clip = make_clip([tuple(rgb.astype(np.float32))], vs.RGBS)
    chroma = {"chromaloc": target.colours.chroma_location} if any(target.format.subsampling) else {}
    matrix = {} if target.format.family == "rgb" else {"matrix": target.colours.matrix}
    function = partial(getattr(core.resize, target.kernel.capitalize()), **matrix, **chroma)
    as_target = {"format": video_format(target.format).id, "range": int(target.colours.full_range)}
    if (target.width, target.height) == (clip.width, clip.height):
        return read_frame(function(clip, **as_target))
    floats = video_format(replace(target.format, sample="float", bits=32)).id
    scaled = function(clip, format=floats, width=target.width, height=target.height)
    return read_frame(core.resize.Bicubic(scaled, **as_target))


def assert_close(found: Planes, expected: Planes, format: PixelFormat) -> None:
    tolerance = 1.0 if format.sample == "integer" else {16: 1e-3, 32: 1e-5}[format.bits]
    for plane, other in zip(found, expected, strict=True):
        assert plane.dtype == other.dtype
        np.testing.assert_allclose(plane.astype(float), other.astype(float), rtol=0, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), sample=st.sampled_from(SAMPLES), seed=st.integers(0, 99))
def test_a_frame_is_loaded_as_resize_converts_it(
    layout: tuple[Literal["gray", "rgb", "yuv"], tuple[int, int]],
    data: st.DataObject,
    sample: tuple[Literal["integer", "float"], int],
    seed: int,
) -> None:
    pixels = PixelFormat(layout[0], *sample, layout[1])
    width, height = data.draw(sizes(pixels.subsampling))
    meaning = data.draw(colours(pixels.family))
    planes = draw_planes(pixels, width, height, seed)

    found = load(pixels, planes, meaning)

    clip = core.std.SetFrameProps(
        make_clip([planes], video_format(pixels).id),
        _Matrix=meaning.matrix,
        _Range=int(meaning.full_range),
        _ChromaLocation=meaning.chroma_location,
    )
    assert_close(tuple(found), read_frame(core.resize.Bicubic(clip, format=vs.RGBS)), RGBS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), sample=st.sampled_from(SAMPLES), seed=st.integers(0, 99), half=st.booleans())
def test_a_frame_is_stored_as_resize_converts_it(
    layout: tuple[Literal["gray", "rgb", "yuv"], tuple[int, int]],
    data: st.DataObject,
    sample: tuple[Literal["integer", "float"], int],
    seed: int,
    half: bool,
) -> None:
    pixels = PixelFormat(layout[0], *sample, layout[1])
    width, height = data.draw(sizes(pixels.subsampling))
    target = Target(pixels, data.draw(colours(pixels.family)), width, height)
    rgb = make_rgb(width, height, seed).astype(np.float16 if half else np.float32)

    expected = resize(rgb, target)

    for dither in (False, True):
        found, is_finite = store(replace(target, dither=dither), rgb)
        assert is_finite
        assert_close(found, expected, pixels)


@pytest.mark.parametrize("kernel", get_args(Kernel.__value__))
@settings(max_examples=25, deadline=None)
@given(data=st.data(), layout=st.sampled_from(LAYOUTS), sample=st.sampled_from(SAMPLES), seed=st.integers(0, 99))
def test_a_frame_is_scaled_as_resize_scales_it(
    kernel: str,
    data: st.DataObject,
    layout: tuple[Literal["gray", "rgb", "yuv"], tuple[int, int]],
    sample: tuple[Literal["integer", "float"], int],
    seed: int,
) -> None:
    pixels = PixelFormat(layout[0], *sample, layout[1])
    width, height = data.draw(sizes(pixels.subsampling))
    meaning = data.draw(colours(pixels.family).filter(lambda each: each.matrix != MATRIX_YCGCO))
    target = Target(pixels, meaning, width, height, kernel, dither=False)
    source_width, source_height = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rgb = make_rgb(source_width, source_height, seed)
    try:
        found, _ = store(target, rgb)
    except ValueError:
        assert kernel == "point"
        assert source_width > width or source_height > height
    else:
        assert_close(found, resize(rgb, target), pixels)


# NaN and infinity


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    layout=st.sampled_from(LAYOUTS),
    kernel=st.sampled_from(sorted(KERNELS.keys() - {"point"})),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    half=st.booleans(),
)
def test_one_value_that_is_not_finite_raises_the_flag(
    data: st.DataObject,
    layout: tuple[Literal["gray", "rgb", "yuv"], tuple[int, int]],
    kernel: str,
    bad: float,
    half: bool,
) -> None:
    """Wherever it is, and to whatever size the frame is scaled. Integers then still are integers."""
    pixels = PixelFormat(layout[0], "integer", 8, layout[1])
    width, height = data.draw(sizes(pixels.subsampling))
    rgb = make_rgb(data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)), 0)
    rgb = rgb.astype(np.float16 if half else np.float32)
    target = Target(pixels, data.draw(colours(pixels.family)), width, height, kernel)
    assert store(target, rgb)[1]
    rgb.flat[data.draw(st.integers(0, rgb.size - 1))] = bad

    assert not store(target, rgb)[1]


def test_a_kernel_that_leaves_pixels_out_is_refused() -> None:
    frame = Tensor((1, 3, 8, 8), "fp32")
    with pytest.raises(ValueError, match="kernel='point' does not read every pixel"):
        target_layers(Target(RGBS, BT709, 4, 8, "point"), frame)
    assert target_layers(Target(RGBS, BT709, 16, 8, "point"), frame)


# Dithering


def test_dithering_keeps_the_mean_of_every_block_and_depends_on_the_place_only() -> None:
    """A level between two integers becomes both of them, in proportion, in every block of 16 x 16."""
    grey = PixelFormat("rgb", "integer", 8)
    for share in (0.25, 0.5, 45 / 256):
        rgb = np.full((3, 48, 32), np.float32((100 + share) / 255))
        (red, green, blue), _ = store(Target(grey, Colours(MATRIX_RGB, True, 0), 32, 48), rgb)

        assert set(np.unique(red)) == {100, 101}
        blocks = red.reshape(3, 16, 2, 16).mean(axis=(1, 3), dtype=float)
        np.testing.assert_allclose(blocks, 100 + share, rtol=0, atol=1 / 256 + 1e-9)
        assert (red == np.tile(red[:16, :16], (3, 2))).all()
        assert (red == green).all()
        assert (red == blue).all()


@pytest.mark.parametrize("bits", [8, 10])
def test_grey_has_no_colour_and_an_exact_level_no_dither(bits: int) -> None:
    for level in (16, 100, 235):
        rgb = np.full((3, 64, 64), np.float32((level - 16) / 219))
        (luma, *chroma), _ = store(Target(replace(YUV420P8, bits=bits), BT709, 64, 64), rgb)

        assert set(np.unique(luma)) <= {level << (bits - 8), (level << (bits - 8)) - 1}
        assert (luma == level << (bits - 8)).mean() > 0.99
        assert all((plane == 128 << (bits - 8)).all() for plane in chroma)


def test_clipping_at_the_ends_of_the_range() -> None:
    rgb = np.stack([np.full((16, 16), value, np.float32) for value in (-9.0, 0.5, 9.0)])
    for bits in (8, 16):
        (red, _, blue), is_finite = store(
            Target(PixelFormat("rgb", "integer", bits), Colours(MATRIX_RGB, True, 0), 16, 16), rgb
        )
        assert is_finite
        assert (red == 0).all()
        assert (blue == (1 << bits) - 1).all()


# Devices


@pytest.mark.gpu
def test_a_gpu_converts_as_the_host_does() -> None:
    cudart = load_runtime()
    if not cudart.cudaDriverGetVersion()[1]:
        pytest.skip("there is no GPU")
    check_conversions(lambda: CudaDevice(0, cudart))


def test_a_device_that_runs_late_converts_as_one_that_runs_at_once() -> None:
    check_conversions(lambda: SimulatedDevice(lag=1))


def check_conversions(open_device: Callable[[], Device]) -> None:
    """Compare a device with the kernels on the host. A GPU may add products without rounding them first."""
    for number, (family, subsampling) in enumerate(LAYOUTS):
        for sample, bits in SAMPLES:
            pixels = PixelFormat(family, sample, bits, subsampling)
            meaning = Colours(MATRIX_RGB if family == "rgb" else 1, bool(number % 2), number % len(SITINGS))
            device = open_device()
            with device.attached():
                planes, rgb = draw_planes(pixels, 40, 20, number), make_rgb(40, 20, number)
                expected = load(pixels, planes, meaning)
                assert_close(tuple(load_on(device, pixels, planes, meaning)), tuple(expected), RGBS)
                for frame in (rgb, rgb.astype(np.float16)):
                    for width in (40, 28):
                        target = Target(pixels, meaning, width, 20)
                        found, is_finite = store_on(device, target, frame)
                        assert is_finite
                        assert_close(found, store(target, frame)[0], pixels)
                rgb[1, 10, 30] = np.nan
                assert not store_on(device, Target(pixels, meaning, 40, 20), rgb)[1]
            device.close()


# Weights


@pytest.mark.parametrize("kernel", KERNELS)
@settings(deadline=None)
@given(source=st.integers(1, 60), target=st.integers(1, 60), shift=st.sampled_from([0, 0.25, -0.25, 0.375]))
def test_weights_are_shares_of_samples_of_the_source(kernel: str, source: int, target: int, shift: float) -> None:
    weights = resample(source, target, kernel, shift)

    assert len(weights.first) == target
    assert weights.first.min() >= 0
    assert weights.first.max() + weights.values.shape[1] <= source
    np.testing.assert_allclose(weights.values.sum(axis=1), 1)


# The compiler


def test_the_kernels_are_compiled_for_every_gpu_that_the_compiler_knows() -> None:
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    source = SOURCE.read_text(encoding="utf-8")
    _, known = nvrtc.nvrtcGetSupportedArchs()
    for number in (known[0], known[-1]):
        image = compile_kernels(source, divmod(number, 10))
        assert image.startswith(b"\x7fELF")
        assert all(name.encode() in image for name in ("load", "store"))


def test_a_gpu_newer_than_the_compiler_gets_ptx_and_an_older_one_an_error() -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    image = compile_kernels('extern "C" __global__ void nothing() {}', (99, 9))
    assert b".entry nothing" in image
    assert b".target sm_99" not in image
    with pytest.raises(DeviceError, match=r"compute capability 2\.0 is too old for the installed NVRTC$"):
        compile_kernels("", (2, 0))


def test_a_mistake_in_a_kernel_is_told() -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    with pytest.raises(DeviceError, match=r'NVRTC_ERROR_COMPILATION: .*identifier "nothing" is undefined'):
        compile_kernels("__global__ void kernel() { nothing = 1; }", (8, 9))


def test_an_error_names_the_package_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsanimesr.backends.gpu.nvrtc.import_module", lambda name: import_module(f"{name}.not_there"))
    with pytest.raises(MissingDependencyError, match="pip install nvidia-cuda-nvrtc"):
        compile_kernels("", (8, 9))
