"""The comparison of two source frames, against plain numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.studies.holds.comparison import Comparison, Difference, Planes
from scripts.studies.holds.groups import Limits
from tests.native.driver import CHECKS

BLOCK, REGION = 8, 64


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = Path(tmp_path_factory.mktemp("holds"))
    return Comparison(folder, "-fsanitize=undefined", "-fno-sanitize-recover", *CHECKS)


@dataclass(frozen=True)
class Format:
    dtype: np.dtype[np.generic]
    bits: int
    shapes: tuple[tuple[int, int], ...]  # of the planes
    has_chroma: bool

    @property
    def unit(self) -> float:
        """Code values of 8 bits per unit of a sample."""
        return 255.0 if self.dtype.kind == "f" else 2.0 ** (8 - self.bits)

    def planes(self, rng: np.random.Generator) -> list[NDArray[np.generic]]:
        top = 1.0 if self.dtype.kind == "f" else 2**self.bits - 1
        return [(rng.uniform(0, top, shape)).astype(self.dtype) for shape in self.shapes]

    def change(
        self, planes: Planes, rng: np.random.Generator, amount: float, share: float
    ) -> list[NDArray[np.generic]]:
        """Change a share of the samples by up to `amount` code values of 8 bits, with a bias."""
        top = 1.0 if self.dtype.kind == "f" else 2**self.bits - 1
        changed = []
        for plane in planes:
            by = rng.uniform(-amount, 1.5 * amount, plane.shape) * (rng.random(plane.shape) < share) / self.unit
            changed.append(np.clip(plane.astype(np.float64) + by, 0, top).astype(self.dtype))
        return changed


@st.composite
def formats(draw: st.DrawFn) -> Format:
    dtype, bits = draw(st.sampled_from([("u1", 8), ("f2", 16), ("f4", 32), *(("u2", bits) for bits in range(9, 17))]))
    height, width = draw(st.integers(1, 140)), draw(st.integers(1, 140))
    kind = draw(st.sampled_from(["gray", "rgb", "yuv"]))
    if kind == "gray":
        return Format(np.dtype(dtype), bits, ((height, width),), has_chroma=False)
    if kind == "rgb":
        return Format(np.dtype(dtype), bits, ((height, width),) * 3, has_chroma=False)
    down, across = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    chroma = (math.ceil(height / 2**down), math.ceil(width / 2**across))
    return Format(np.dtype(dtype), bits, ((height, width), chroma, chroma), has_chroma=True)


def measure(format_: Format, kept: Planes, frame: Planes) -> Difference:
    """Return what native/holds.h describes."""
    changes = [(b.astype(np.float64) - a.astype(np.float64)) * format_.unit for a, b in zip(kept, frame, strict=True)]

    def blocks(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
        """Return the means of all blocks, or of every second one; only samples of the plane count."""

        def sums(plane: NDArray[np.float64]) -> NDArray[np.float64]:
            padded = np.pad(plane, [(0, max(-side % 4, BLOCK - side)) for side in plane.shape])
            cells = padded.reshape(padded.shape[0] // 4, 4, padded.shape[1] // 4, 4).sum((1, 3))
            pairs = cells[1:] + cells[:-1]
            return (pairs[:, 1:] + pairs[:, :-1])[:: step // 4, :: step // 4]

        return (sums(values) / sums(np.ones_like(values))).ravel()

    def unmasked(a: NDArray[np.generic], b: NDArray[np.generic], change: NDArray[np.float64]) -> float:
        contrasts = [
            np.sqrt(np.maximum(blocks(plane**2, BLOCK // 2) - blocks(plane, BLOCK // 2) ** 2, 0))
            for plane in (each.astype(np.float64) * format_.unit for each in (a, b))
        ]
        masked = 0.15 * np.maximum(np.minimum(*contrasts) - 15, 0)
        return float(np.max(np.sqrt(blocks(change**2, BLOCK // 2)) - masked, initial=0))

    def shift(a: NDArray[np.generic], b: NDArray[np.generic], change: NDArray[np.float64]) -> float:
        mean = (a.astype(np.float64) + b.astype(np.float64)) * (format_.unit / 2)
        shifts, (height, width) = [0.0], mean.shape
        for top in {max(0, min(y, height - REGION)) for y in range(0, height, REGION)}:
            rows = np.arange(top + 1, min(top + REGION, height - 1), 2)
            for left in {max(0, min(x, width - REGION)) for x in range(0, width, REGION)}:
                begin, end = max(left, 1), min(left + REGION, width - 1)
                samples = len(rows) * min(REGION, width)
                if not samples:
                    continue
                across = (mean[rows, begin + 1 : end + 1] - mean[rows, begin - 1 : end - 1]) / 2
                down = (mean[rows + 1, begin:end] - mean[rows - 1, begin:end]) / 2
                slopes = np.stack([across.ravel(), down.ravel()])
                solved = np.linalg.solve(
                    slopes @ slopes.T + 2**2 * samples * np.eye(2), slopes @ change[rows, begin:end].ravel()
                )
                shifts.append(float(np.hypot(*solved)))
        return max(shifts)

    def drift(change: NDArray[np.float64]) -> float:
        cells = [-(-side // 4) for side in change.shape]
        tops, lefts = (
            {max(0, min(begin, 4 * count - REGION)) for begin in range(0, 4 * count, REGION)} for count in cells
        )
        return max(abs(float(change[y : y + REGION, x : x + REGION].mean())) for y in tops for x in lefts)

    chroma = changes[1:] if format_.has_chroma else []
    apart = sorted(blocks(changes[0] ** 2, BLOCK))
    return Difference(
        peak=math.sqrt(max(blocks(change**2, BLOCK // 2).max() for change in changes)),
        unmasked=max(map(unmasked, kept, frame, changes)),
        chroma=max((float(abs(blocks(change, BLOCK // 2)).max()) for change in chroma), default=0),
        drift=max(map(drift, changes)),
        typical=math.sqrt(apart[len(apart) // 2]),
        shift=shift(kept[0], frame[0], changes[0]),
    )


def pad(plane: NDArray[np.generic], rng: np.random.Generator, most: int) -> NDArray[np.generic]:
    """Return the plane in other memory: rows further apart, at another address, random bytes between."""
    before, after = (int(n) for n in rng.integers(0, most + 1, 2))
    height, width = plane.shape
    bytes_ = rng.integers(0, 256, height * (before + width + after) * plane.itemsize, np.uint8)
    rows: NDArray[np.generic] = bytes_.view(plane.dtype).reshape(height, before + width + after)
    room = rows[:, before : before + width]
    room[:] = plane
    return room


@settings(max_examples=150, deadline=None)
@given(format_=formats(), seed=st.integers(0, 2**32), amount=st.sampled_from([0.0, 0.4, 3, 40, 255]), data=st.data())
def test_the_differences_are_those_of_numpy(
    comparison: Comparison, format_: Format, seed: int, amount: float, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    kept = format_.planes(rng)
    frame = format_.change(kept, rng, amount, data.draw(st.sampled_from([0.003, 0.1, 1])))

    result = comparison.measure(kept, frame, format_.bits, has_chroma=format_.has_chroma)

    assert result == pytest.approx(measure(format_, kept, frame), rel=1e-4, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(format_=formats(), seed=st.integers(0, 2**32), amount=st.sampled_from([0.4, 3, 255]))
def test_only_samples_count(comparison: Comparison, format_: Format, seed: int, amount: float) -> None:
    rng = np.random.default_rng(seed)
    kept = format_.planes(rng)
    frame = format_.change(kept, rng, amount, 0.5)
    results = [
        comparison.measure(*frames, format_.bits, has_chroma=format_.has_chroma)
        for frames in (
            (kept, frame),
            ([pad(plane, rng, 5) for plane in kept], [pad(plane, rng, 70) for plane in frame]),
            (frame, kept),
        )
    ]

    assert results[0] == results[1], "strides, addresses or padding matter"
    assert results[0] == results[2], "the order of the frames matters"


@settings(max_examples=100, deadline=None)
@given(format_=formats(), seed=st.integers(0, 2**32), amount=st.floats(0.2, 15), share=st.sampled_from([0.02, 0.2, 1]))
def test_the_study_judges_by_the_same_limits(
    comparison: Comparison, format_: Format, seed: int, amount: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    kept = format_.planes(rng)
    frame = format_.change(kept, rng, amount, share)

    difference = comparison.measure(kept, frame, format_.bits, has_chroma=format_.has_chroma)

    is_held = comparison.is_held(kept, frame, format_.bits, has_chroma=format_.has_chroma)
    assert is_held == Limits().allow(difference)


@settings(max_examples=100, deadline=None)
@given(format_=formats(), seed=st.integers(0, 2**32))
def test_an_equal_frame_is_held(comparison: Comparison, format_: Format, seed: int) -> None:
    kept = format_.planes(np.random.default_rng(seed))
    equal = [plane.copy() for plane in kept]

    assert comparison.measure(kept, equal, format_.bits, has_chroma=format_.has_chroma) == (0, 0, 0, 0, 0, 0)
    assert comparison.is_held(kept, equal, format_.bits, has_chroma=format_.has_chroma)


@settings(max_examples=100, deadline=None)
@given(format_=formats(), seed=st.integers(0, 2**32), value=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_sample_without_a_value_ends_a_hold(comparison: Comparison, format_: Format, seed: int, value: float) -> None:
    rng = np.random.default_rng(seed)
    format_ = Format(np.dtype("f2" if seed % 2 else "f4"), 32, format_.shapes, format_.has_chroma)
    kept = format_.planes(rng)
    frame = [plane.copy() for plane in kept]
    plane = frame[rng.integers(len(frame))]
    plane[rng.integers(plane.shape[0]), rng.integers(plane.shape[1])] = value

    for frames in ((kept, frame), (frame, kept), (frame, frame)):
        assert not comparison.is_held(*frames, has_chroma=format_.has_chroma)


@settings(max_examples=150, deadline=None)
@given(
    x=st.integers(0, 114),
    y=st.integers(0, 77),
    noise=st.sampled_from([0, 1, 2]),
    depth=st.sampled_from([("u1", 8), ("u2", 10), ("u2", 16), ("f2", 16), ("f4", 32)]),
    rgb=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_a_mouth_of_6x3_pixels_is_never_held(
    comparison: Comparison, x: int, y: int, noise: int, depth: tuple[str, int], rgb: bool, seed: int
) -> None:
    """It opens by 30 code values of 8 bits, wherever it is, in noise of up to 2; the noise alone is held."""
    rng = np.random.default_rng(seed)
    shapes = ((80, 120),) * 3 if rgb else ((80, 120), (40, 60), (40, 60))
    format_ = Format(np.dtype(depth[0]), depth[1], shapes, has_chroma=not rgb)
    base = [np.full(shape, 150 / 255 if depth[0][0] == "f" else 150 / format_.unit, np.float64) for shape in shapes]
    shut, still, open_ = (
        [plane + rng.normal(0, noise / format_.unit, plane.shape) for plane in base] for _ in range(3)
    )
    open_[0][y : y + 3, x : x + 6] -= 30 / format_.unit
    frames = [[plane.astype(format_.dtype) for plane in planes] for planes in (shut, still, open_)]

    assert not comparison.is_held(frames[0], frames[2], format_.bits, has_chroma=format_.has_chroma)
    assert comparison.is_held(frames[0], frames[1], format_.bits, has_chroma=format_.has_chroma)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_a_slow_fade_is_not_held(comparison: Comparison, plane: int) -> None:
    """Half of the samples of any plane become brighter by one: half a code value on average."""
    rng = np.random.default_rng(plane)
    kept = [rng.integers(30, 200, shape, np.uint8) for shape in ((480, 720), (240, 360), (240, 360))]
    frame = [each.copy() for each in kept]
    frame[plane] += rng.integers(0, 2, frame[plane].shape, np.uint8)

    assert not comparison.is_held(kept, frame)


def stripes(shift: float, angle: float) -> NDArray[np.float64]:
    """Return soft stripes of a strong contrast, 16 pixels wide, moved by `shift` pixels."""
    y, x = np.mgrid[:96, :160]
    waves: NDArray[np.float64] = np.sin((np.cos(angle) * x + np.sin(angle) * y - shift) * math.tau / 16)
    return 128 + 110 * waves


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(0, math.pi), seed=st.integers(0, 2**32))
def test_strong_contrast_hides_errors_but_no_motion(comparison: Comparison, angle: float, seed: int) -> None:
    """Errors of 8 code values in one place are held on stripes, not on plain ground; a quarter pixel never is."""
    rng = np.random.default_rng(seed)
    errors = np.zeros((96, 160))
    errors[32:48, 64:80] = rng.permuted(np.tile([8, -8], 128)).reshape(16, 16)

    def is_held(kept: NDArray[np.float64], frame: NDArray[np.float64]) -> bool:
        return comparison.is_held([np.rint(kept).astype(np.uint8)], [np.rint(frame).astype(np.uint8)], has_chroma=False)

    still, plain = stripes(0, angle), np.full((96, 160), 128.0)
    assert is_held(still, still + errors)
    assert not is_held(plain, plain + errors)
    assert not is_held(still, stripes(0.25, angle))


@settings(max_examples=100, deadline=None)
@given(
    x=st.integers(32, 35),
    y=st.integers(32, 35),
    contrast=st.sampled_from([30, 50, 90]),
    apart=st.integers(0, 6),
    thick=st.sampled_from([2, 32]),
)
def test_a_mouth_beside_a_dark_line_is_never_held(
    comparison: Comparison, x: int, y: int, contrast: int, apart: int, thick: int
) -> None:
    ground = np.full((96, 96), 200, np.uint8)
    ground[:, max(x - apart - thick, 0) : x - apart] = 40
    shut, open_ = ground.copy(), ground.copy()
    shut[y + 1, x : x + 6] -= np.uint8(contrast)
    open_[y : y + 3, x : x + 6] -= np.uint8(contrast)

    assert not comparison.is_held([shut], [open_], has_chroma=False)
