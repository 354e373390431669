"""The output has the values of the paper's network (docs/paper-and-release.md, 1.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from scripts.benchmarks.reference_network import Network
from scripts.calibrate import draw_lines
from scripts.studies.arrays import make_clip
from scripts.studies.psnr import compute_psnr
from scripts.studies.upscaling import run_scene
from tests.video import core
from vsanimesr.backends.base import Frame
from vsanimesr.backends.openvino import computes_bf16, get_core
from vsanimesr.options import Options
from vsanimesr.session import Session

CLIP = Path(__file__).parents[1] / ".data" / "bigbuckbunny.mp4"

type Picture = NDArray[np.float32]

# docs/paper-and-release.md, 1.9, frames 0, 1 and 2: mean R, G, B; std; min; max. Then SR at (0, 0), (31, 47) and
# (63, 95).
STATISTICS = {
    "v1": """
.491835 .506460 .508665 .410346 -.370896 1.211862
.502271 .508089 .512365 .407970 -.394725 1.318569
.511129 .507654 .509713 .411944 -.427207 1.315835
""",
    "v2": """
.477089 .471632 .515384 .478601 -.538732 1.519161
.487027 .448418 .503929 .469437 -.461545 1.487504
.488075 .452873 .503437 .473152 -.497523 1.491349
""",
}
PIXELS = {
    "v1": """
.493859 .409364 .519320 .016907 .872470 .508712 .315272 .983100 .562155
.616712 .565684 .606512 .128293 .999257 .279233 .147277 .852158 .750382
.941964 .934257 .942447 .267686 1.082848 .008367 .028422 .554571 .835270
""",
    "v2": """
.576695 .431375 .475005 -.057603 .931298 .539070 .322322 .998179 .633582
.729863 .636953 .687042 .213546 1.063357 -.164746 .052109 .887063 .964244
.931769 .950354 .991452 .426139 1.054691 -.464359 -.003210 .665426 1.066997
""",
}

# docs/paper-and-release.md, 1.9, flat grey 0.5, 8x8, two frames: SR[:, 16, 16] and the mean of each.
GREY = {
    "v1": ([(0.501661, 0.506067, 0.513767), (0.508176, 0.503842, 0.516207)], [0.508415, 0.507860]),
    "v2": ([(0.509478, 0.510086, 0.511093), (0.511510, 0.511587, 0.510431)], [0.508549, 0.510666]),
}


def golden_input() -> list[Picture]:
    t, c, y, x = np.meshgrid(np.arange(3), np.arange(3), np.arange(16), np.arange(24), indexing="ij")
    return list((0.5 + 0.5 * np.sin(0.35 * y + 0.20 * (c + 1) * x + 0.5 * t)).astype(np.float32))


def run(
    frames: Sequence[Picture], *, model: str = "v2", precision: str = "fp32", preroll: int = 0
) -> Iterator[Picture]:
    """Run one scene through a session, step by step, as the release does. Skip the test if the processor cannot."""
    if precision in {"bf16", "int8"} and not computes_bf16(get_core()):
        pytest.skip(f"this processor does not compute {precision}")
    _, height, width = frames[0].shape
    options = Options(model=model, precision=precision, backend="openvino", colour="network")  # type: ignore[arg-type]
    session = Session(options, width=width, height=height)
    scene = [Frame(n, (f[0], f[1], f[2])) for n, f in enumerate(frames)]
    yield from run_scene(session, scene, preroll)
    session.close()


def real_frames(count: int, width: int, height: int) -> list[Picture]:
    clip = core.bs.VideoSource(str(CLIP), cachemode=0, showprogress=False)[:count]
    clip = core.resize.Bicubic(clip, width, height, format=vs.RGBS, matrix_in=1)
    return [np.stack([np.asarray(frame[p]) for p in range(3)]) for frame in clip.frames(close=True)]


def rows(table: str) -> list[list[float]]:
    return [[float(value) for value in line.split()] for line in table.strip().splitlines()]


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_golden_values(model: str) -> None:
    results = run(golden_input(), model=model)
    for statistics, pixels, out in zip(rows(STATISTICS[model]), rows(PIXELS[model]), results, strict=True):
        found = [*out.mean((1, 2)), out.std(ddof=1, dtype=np.float64), out.min(), out.max()]

        assert np.abs(np.array(found) - statistics).max() < 1e-5
        assert np.abs(np.concatenate([out[:, 0, 0], out[:, 31, 47], out[:, 63, 95]]) - pixels).max() < 1e-5


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_golden_values_of_flat_grey(model: str) -> None:
    pixels, means = GREY[model]
    frames = [np.full((3, 8, 8), 0.5, np.float32)] * 2
    for pixel, mean, out in zip(pixels, means, run(frames, model=model), strict=True):
        assert np.abs(out[:, 16, 16] - pixel).max() < 1e-5
        assert abs(float(out.mean()) - mean) < 1e-5


def test_the_filter_gives_the_golden_values_with_the_settings_of_the_release() -> None:
    """At the ends of the clip, prev of the first frame and next of the last are those frames themselves
    (docs/paper-and-release.md, 1.4)."""
    clip = make_clip(golden_input(), vs.RGBS)
    upscaled = core.animesr.Upscale(
        clip, scene_change="none", preroll=0, precision="fp32", backend="openvino", colour="network"
    )

    for n, (statistics, pixels) in enumerate(zip(rows(STATISTICS["v2"]), rows(PIXELS["v2"]), strict=True)):
        out = np.stack([np.asarray(upscaled.get_frame(n)[p]) for p in range(3)])
        assert np.abs(out[:, 31, 47] - pixels[3:6]).max() < 1e-5
        assert np.abs(out.mean((1, 2)) - statistics[:3]).max() < 1e-5


@pytest.mark.parametrize(("count", "preroll"), [(30, 0), (6, 2)])
def test_real_frames_equal_pytorch(weights_v2: dict[str, Picture], count: int, preroll: int) -> None:
    frames = real_frames(count, 120, 68)

    reference = Network(weights_v2).run(frames, preroll)
    worst = min(compute_psnr(a, b) for a, b in zip(run(frames, preroll=preroll), reference, strict=True))

    assert worst >= 100


def test_bf16_is_close_to_fp32_on_each_of_a_hundred_real_frames() -> None:
    frames = real_frames(100, 128, 72)

    worst = min(compute_psnr(a, b) for a, b in zip(run(frames, precision="bf16"), run(frames), strict=True))

    assert worst >= 53


def test_errors_of_bf16_do_not_accumulate() -> None:
    """Noise has no places where a small difference changes the result much. A slope of 0.1 in bfloat16 gives 49 dB."""
    frames = list(np.random.default_rng(0).random((12, 3, 60, 80), np.float32))

    each = [compute_psnr(a, b) for a, b in zip(run(frames, precision="bf16"), run(frames), strict=True)]

    assert min(each) >= 55


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_int8_is_close_to_fp32_on_each_of_a_hundred_real_frames(model: str) -> None:
    """Each precision has its own recurrent state. v1 amplifies small differences (bf16: 51 dB)."""
    frames = real_frames(100, 128, 72)

    both = zip(run(frames, model=model, precision="int8"), run(frames, model=model), strict=True)

    assert min(compute_psnr(a, b) for a, b in both) >= 45


def test_int8_on_black_and_white_frames() -> None:
    frames = [(frame > 0.5).astype(np.float32) for frame in real_frames(12, 128, 72)]

    worst = min(compute_psnr(a, b) for a, b in zip(run(frames, precision="int8"), run(frames), strict=True))

    assert worst >= 43


@pytest.mark.parametrize(("model", "least"), [("v1", 38), ("v2", 42), ("v2-fast", 42)])
def test_int8_on_hard_lines_is_within_its_ranges(model: str, least: float) -> None:
    """Values out of range are clipped: with ranges of film alone, lines have 28 to 33 dB."""
    frames = list(draw_lines(0, 128, 72))

    both = zip(run(frames, model=model, precision="int8"), run(frames, model=model), strict=True)

    assert min(compute_psnr(a, b) for a, b in both) >= least


def sizes() -> Iterable[tuple[int, int]]:
    # A fifth of all, and one more: every pair of remainders of the 4 to which sides are padded.
    yield from ((w, h) for w in range(1, 10) for h in range(1, 10) if (w + 2 * h) % 5 == 0)
    yield 3, 7
    yield from ((31, 17), (50, 33), (23, 46))


def test_every_size_equals_pytorch_on_the_padded_frame(weights_v2: dict[str, Picture]) -> None:
    random = np.random.default_rng(7)
    network = Network(weights_v2)
    for width, height in sizes():
        frames = list(random.random((3, 3, height, width), np.float32))

        for found, expected in zip(run(frames), network.run(frames), strict=True):
            assert np.abs(found - expected).max() < 2e-5, (width, height)


def test_the_input_is_clamped_to_0_to_1_and_the_output_is_not(weights_v2: dict[str, Picture]) -> None:
    frames = [np.linspace(-0.5, 1.5, 3 * 12 * 16, dtype=np.float32).reshape(3, 12, 16)] * 2
    clamped = [frame.clip(0, 1) for frame in frames]

    found, expected = list(run(frames)), list(run(clamped))

    assert np.array_equal(found, expected)
    assert float(np.max(found)) > 1.01


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_two_runs_give_the_same_bytes(precision: str) -> None:
    frames = real_frames(4, 72, 40)

    first, second = (np.stack(list(run(frames, precision=precision))).tobytes() for _ in range(2))

    assert first == second
