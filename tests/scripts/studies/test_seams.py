"""The study of seams: its schedules, its measures, its clips and its tables. The network is the backend null."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.studies.drawing.scene import Layer, Pose, Scene
from scripts.studies.seams import cutting, runs, settling, strips, tables
from scripts.studies.seams.clips import SOURCES, Clip, decode, encode, make_travelling
from scripts.studies.seams.cutting import WARMUPS
from scripts.studies.seams.runs import Runner, Step, choose_starts, make_hold, make_restart, make_scene
from scripts.studies.seams.steps import (
    BLOCK,
    Change,
    block_differences,
    find_held,
    list_neighbours,
    measure,
    stand,
)
from vsanimesr.bench.report import expected_cost
from vsanimesr.options import Options

WIDTH, HEIGHT = 48, 40
FRAMES = 84


def make_lr(frames: int = FRAMES) -> NDArray[np.uint8]:
    """Return frames of a still picture with some noise."""
    rng = np.random.default_rng(0)
    still = rng.integers(40, 200, (HEIGHT, WIDTH, 3))
    return (still + rng.integers(0, 9, (frames, HEIGHT, WIDTH, 3))).astype(np.uint8)


def make_clip(frames: int = FRAMES) -> Clip:
    lr = make_lr(frames)
    hq = np.repeat(lr[:1].repeat(4, 1).repeat(4, 2), frames, 0)
    return Clip(replace(SOURCES[0], frames=frames), lr, hq)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(runs, "Options", lambda model, **_: Options(model=model, backend="null"))
    return Runner("v2", tmp_path)


def test_a_scene_begins_with_its_first_frame_alone() -> None:
    assert make_scene(2, 3, 3) == (
        Step(0, 0, 0, False),
        Step(0, 0, 0, False),
        Step(0, 0, 1, True),
        Step(0, 1, 2, True),
        Step(1, 2, 2, True),
    )
    assert make_hold(5, 2) == (Step(5, 5, 5, True),) * 2


def test_a_restarted_run_sees_the_frame_before_it_only_after_its_preroll() -> None:
    assert make_restart(5, 1, 2, 7) == (Step(5, 5, 5, False), Step(4, 5, 6, True), Step(5, 6, 6, True))


@given(frames=st.integers(84, 2000))
def test_every_seam_has_its_neighbours(frames: int) -> None:
    starts = choose_starts(frames)

    assert len(set(starts)) == len(starts) >= 2
    for start in starts:
        for warmup in WARMUPS:
            at = start + warmup
            assert at - 10 > 0
            assert at + 10 < frames
            assert at + cutting.AFTER <= frames


def test_outputs_are_kept_and_not_those_of_another_run(runner: Runner) -> None:
    lr, schedule = make_lr(), make_restart(20, 2, 3, FRAMES)

    first = runner.run(lr, schedule)
    assert first.shape == (3, 4 * HEIGHT, 4 * WIDTH, 3)
    assert runner.steps == 5
    assert np.array_equal(runner.run(lr, schedule), first)
    assert runner.steps == 5

    changed = lr.copy()
    changed[19] += 1  # the frame before, which the first step sees
    unseen = lr.copy()
    unseen[18] += 1
    assert runner.is_kept(unseen, schedule)
    assert not runner.is_kept(changed, schedule)
    assert not runner.is_kept(lr, make_restart(20, 3, 3, FRAMES))
    assert not Runner("v1", runner.folder).is_kept(lr, schedule)


def test_outputs_are_those_of_the_frames_of_the_schedule(runner: Runner) -> None:
    lr = make_lr()
    outputs = runs.levels(runner.run(lr, make_restart(20, 2, 3, FRAMES)))

    for n, output in zip(range(20, 23), outputs, strict=True):
        # The backend null repeats each pixel four times; it writes a digest into the first one.
        assert np.abs(output[4:, 4:] - lr[n].repeat(4, 0).repeat(4, 1)[4:, 4:]).max() < 0.01


def test_blocks_of_a_difference() -> None:
    a = np.zeros((2 * BLOCK + 3, 3 * BLOCK, 3), np.float32)
    b = a.copy()
    b[BLOCK : 2 * BLOCK, :BLOCK, 0] = 30
    b[2 * BLOCK :] = 200  # an incomplete row

    assert block_differences(a, b).tolist() == [[0, 0, 0], [10, 0, 0]]


def test_held_blocks_are_away_from_what_changes() -> None:
    a = np.zeros((5 * BLOCK, 5 * BLOCK, 3), np.uint8)
    b = a.copy()
    b[2 * BLOCK, 2 * BLOCK, 1] = 1

    held = find_held(a, b)

    assert not held[1:4, 1:4].any()
    assert held.sum() == 16
    assert find_held(a, a).all()


def test_an_area_is_measured_without_the_rest() -> None:
    blocks = np.arange(20, dtype=np.float32).reshape(4, 5)
    area = blocks < 4

    assert measure(blocks, area) == Change(1.5, 3)
    assert measure(blocks, blocks < 1) is None  # one block of twenty


def test_places_and_distances() -> None:
    assert stand(5, [1, 2, 3]).place == 1
    assert stand(5, [1, 2, 3]).z == pytest.approx(3)
    assert stand(2, [1, 2, 3]).place == 3  # equal values come before it
    assert stand(0, [1, 2, 3]).place == 4


def make_steps(seed: int, count: int = 41) -> dict[int, float]:
    rng = np.random.default_rng(seed)
    return dict(enumerate(rng.normal(1, 0.05, count).tolist()))


@given(seed=st.integers(0, 2**32 - 1))
def test_a_planted_pop_ranks_first_among_its_neighbours_only(seed: int) -> None:
    steps = make_steps(seed)
    far = {**steps, 20: 1.3, 5: 9.0, 35: 9.0}  # larger steps beyond the neighbours

    standing = stand(1.3, [far[n] for n in list_neighbours(20)])

    assert standing.place == 1
    assert standing.z > 3


def test_ordinary_steps_rank_first_as_often_as_chance() -> None:
    every = [make_steps(seed) for seed in range(400)]
    first = sum(stand(steps[20], [steps[n] for n in list_neighbours(20)]).place == 1 for steps in every)

    assert 5 <= first <= 38  # 400 / 21 = 19


def test_what_a_scene_does_not_hold_has_no_held_step(runner: Runner) -> None:
    clip = make_clip()
    assert clip.hq is not None
    hq = clip.hq.copy()
    hq[::2] ^= 1

    seams = list(cutting.measure_seams(runner, replace(clip, hq=hq), 2, None))

    assert all(seam.held is None and seam.changing is not None for seam in seams)
    assert all(seam.held is None for seam in cutting.measure_seams(runner, replace(clip, hq=None), 2, None))


@dataclass
class PoppingRunner(Runner):
    """In restarted runs, one block is brighter by 20 grey levels."""

    def run(self, lr: NDArray[np.uint8], schedule: runs.Schedule) -> runs.Outputs:
        outputs = super().run(lr, schedule).copy()
        if len(outputs) < FRAMES:
            outputs[:, BLOCK : 2 * BLOCK, BLOCK : 2 * BLOCK] += 20 * runs.FULL // 255
        return outputs


def test_a_local_pop_at_a_seam_ranks_first(runner: Runner) -> None:
    clip = make_clip()

    seamless = list(cutting.measure_seams(runner, clip, 2, None))
    popped = list(cutting.measure_seams(PoppingRunner("v2", runner.folder), clip, 2, None))

    assert len(seamless) == len(popped) == 2 * len(WARMUPS)
    for seam in popped:
        assert seam.held is not None
        assert seam.held.largest.place == 1
        assert seam.held.pop == pytest.approx(18, abs=3)
        assert seam.psnr < 0
    for seam in seamless:  # the backend null forgets: cut and uncut frames are equal but for its digest
        assert seam.held is not None
        assert seam.held.seam.mean == pytest.approx(seam.held.uncut.mean, rel=0.02)
        assert seam.held.pop < 1.1  # the digest
        assert min(seam.to_uncut) > 45  # of one frame to the next: 37


def test_the_cost_is_that_of_drawn_scenes() -> None:
    lengths = np.ceil(np.random.default_rng(0).exponential(96, 100_000)).astype(int)
    ends = lengths.cumsum()
    first = ends - lengths + 120  # where a scene is cut first, if it is long enough
    seams = np.where(first < ends, 1 + (ends - 1) // 120 - first // 120, 0).sum()

    assert expected_cost(120, 12, 96) == pytest.approx(12 * seams / lengths.sum(), rel=0.03)


def test_the_camera_goes_there_and_back() -> None:
    scene = Scene("pan", (Layer((), Pose(0), Pose(60), every=1, exposure="0"),))
    (slow,) = make_travelling(scene, 30).layers
    (still,) = make_travelling(scene, None).layers

    assert [slow.pose(n).x for n in (0, 15, 30, 45, 60, 90)] == pytest.approx([0, 30, 60, 30, 0, 60])
    assert still.pose(50) == Pose(0)


@pytest.mark.parametrize("codec", ["mpeg2", "h264"])
def test_an_encoded_clip_keeps_its_frames_and_order(codec: str) -> None:
    frames = np.empty((20, 48, 64, 3), np.uint8)
    for n, frame in enumerate(frames):
        frame[:] = 40 + 9 * n

    decoded = decode(encode(frames, codec))  # type: ignore[arg-type]

    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int).mean((1, 2, 3)) - frames.mean((1, 2, 3))).max() < 5


def test_the_tables_and_strips_of_a_clip(runner: Runner) -> None:
    clip = make_clip()

    settled = list(settling.measure_settling(runner, clip))
    seams = list(cutting.measure_seams(runner, clip, 2, None))
    results = [
        *tables.format_settling(settled),
        *tables.format_seams(seams),
        tables.format_costs(4),
        tables.format_first_steps(settled),
    ]

    assert [row.preroll for row in settled] == [*settling.PREROLLS, settling.HOLD - 2]
    assert all(len(row.quality) == 4 for row in settled[:-1])
    for table in results:
        assert all(len(row) == len(table.columns) for row in table.rows)
    uncut, fresh, *_ = (runner.run(clip.lr, each) for each in cutting.list_schedules(clip, 2))
    strip = strips.draw_strip("name", uncut, fresh, 36, 8)
    assert strip.width == 5 * strips.ENLARGED * strips.CROP
