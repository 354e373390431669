"""Samples: windows, crops and flips as set, and the same samples for any number of workers and ranks."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import SeedSequence
from torch import Tensor
from torch.utils.data import DataLoader

from tests.trainer.clips import cartoon_clip
from tests.trainer.degradation.learned.operators import random_operator
from trainer.core.loader import ShuffledSampler
from trainer.data.augment import flip, sample_flips
from trainer.data.clips import Clip, Frame
from trainer.data.lines import sharpen_lines
from trainer.data.samples import Position, Sample
from trainer.data.uint8 import to_float
from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.settings import PRESETS
from trainer.errors import ClipError, SettingError
from trainer.settings import override
from trainer.vsr.dataset import DegradedClips, DrawnClips, Sampling, _sample_window

SMALL = Sampling(frames=3, size=32)


class GridClip:
    """Frames that show position and number: red is the column, green the row, blue the number of the frame."""

    def __init__(self, name: str, length: int, height: int = 48, width: int = 64) -> None:
        self.name = name
        self._length = length
        self._size = (height, width)

    def __len__(self) -> int:
        return self._length

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        rows, columns = np.indices(self._size, np.uint8)
        return [np.stack([columns, rows, np.full(self._size, n, np.uint8)], -1) for n in numbers]

    def check(self) -> tuple[int, int]:
        return self._size[1], self._size[0]

    def digest(self) -> str:
        return f"{self.name} {self._size}"


CLIPS: list[Clip] = [GridClip("a", 9), GridClip("b", 5), GridClip("c", 30)]


def dataset(sampling: Sampling = SMALL, seed: int = 0, clips: Sequence[Clip] = CLIPS) -> DegradedClips:
    return DegradedClips(clips, sampling, PRESETS["paper"], seed)


def equal(a: Sample, b: Sample) -> bool:
    return torch.equal(a.target, b.target) and torch.equal(a.input, b.input)


def first(batch: list[Sample]) -> Sample:
    return batch[0]


def test_each_index_gives_a_window_with_its_frame() -> None:
    plain = override(SMALL, ["strides=[1]", "reverse=false", "flip=false"])
    data = dataset(plain)

    assert len(data) == 9 + 5 + 30
    for index, (length, n) in enumerate((clip, n) for clip in (9, 5, 30) for n in range(clip)):
        numbers = data[0, index].target[:, 2, 0, 0].tolist()
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        assert numbers[-1] < length
        assert n in numbers or n in (0, length - 1)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 15), st.sets(st.integers(1, 4), min_size=1), st.integers(0, 60), st.data())
def test_a_window_is_evenly_spaced_and_within_the_clip(
    frames: int, strides: set[int], more: int, data: st.DataObject
) -> None:
    sampling = Sampling(frames=frames, strides=tuple(strides))
    length = (frames - 1) * min(strides) + 1 + more
    around = data.draw(st.integers(0, length - 1))

    numbers = _sample_window(sampling, np.random.default_rng(data.draw(st.integers(0, 99))), around, length)

    assert len(numbers) == frames
    assert 0 <= min(numbers) <= max(numbers) < length
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    assert len(steps) <= 1
    assert all(abs(step) in strides for step in steps)


def test_strides_and_directions_have_equal_shares() -> None:
    sampling = Sampling(frames=5)
    steps = Counter[int]()
    for seed in range(1200):
        numbers = _sample_window(sampling, np.random.default_rng(seed), 50, 100)
        steps[numbers[1] - numbers[0]] += 1
        assert numbers[2] == 50

    assert set(steps) == {-3, -2, -1, 1, 2, 3}
    assert all(count == pytest.approx(200, abs=60) for count in steps.values())


def test_all_frames_have_the_same_crop_anywhere_in_the_frame() -> None:
    still = override(SMALL, ["flip=false"])
    places = set()
    for epoch in range(200):
        hq = dataset(still)[epoch, 20].target
        left, top = int(hq[0, 0, 0, 0]), int(hq[0, 1, 0, 0])
        assert torch.equal(hq[:, 0], torch.arange(left, left + 32, dtype=torch.uint8).expand(3, 32, 32))
        assert torch.equal(hq[:, 1], torch.arange(top, top + 32, dtype=torch.uint8)[:, None].expand(3, 32, 32))
        places.add((left, top))

    columns, rows = ({place[axis] for place in places} for axis in (0, 1))
    assert (min(columns), max(columns), min(rows), max(rows)) == (0, 32, 0, 16)


def test_all_eight_flips_occur_and_all_frames_flip_alike() -> None:
    clip = torch.arange(2 * 3 * 16 * 16).reshape(2, 3, 16, 16)
    seen = Counter[tuple[int, int, int]]()
    for seed in range(800):
        found = flip(clip, sample_flips(np.random.default_rng(seed)))
        corner, right, below = (int(value) for value in (found[0, 0, 0, 0], found[0, 0, 0, 1], found[0, 0, 1, 0]))
        seen[corner, right, below] += 1
        assert torch.equal(found[1] - found[0], clip[1] - clip[0])
        assert sorted(found[0, 0].flatten().tolist()) == list(range(256))

    assert len(seen) == 8
    assert all(count == pytest.approx(100, abs=40) for count in seen.values())


def test_lr_has_a_quarter_of_the_size_and_shows_the_same_crop() -> None:
    sample = dataset()[0, 3]

    assert (sample.target.shape, sample.target.dtype) == ((3, 3, 32, 32), torch.uint8)
    assert (sample.input.shape, sample.input.dtype) == ((3, 3, 8, 8), torch.float32)
    small = torch.nn.functional.avg_pool2d(sample.target.float() / 255, 4)
    assert (sample.input - small).abs().mean() < 0.05


def test_a_sample_is_a_function_of_seed_epoch_and_index() -> None:
    data = dataset()

    assert equal(data[2, 7], dataset()[2, 7])
    for other in (data[3, 7], data[2, 8], dataset(seed=1)[2, 7]):
        assert not equal(data[2, 7], other)


@pytest.mark.parametrize(("workers", "ranks"), [(0, 2), (1, 1), (2, 2)])
def test_workers_and_ranks_do_not_change_the_samples(workers: int, ranks: int) -> None:
    alone = [dataset()[position] for position in itertools.islice(ShuffledSampler(44, 5), 12)]

    shared: list[Sample] = []
    loaders = [
        iter(
            DataLoader(
                dataset(),
                sampler=FixedSampler(
                    list(itertools.islice(ShuffledSampler(44, 5, rank=rank, ranks=ranks), 12 // ranks))
                ),
                batch_size=1,
                num_workers=workers,
                collate_fn=first,
            )
        )
        for rank in range(ranks)
    ]
    for _ in range(12 // ranks):
        shared += [next(loader) for loader in loaders]

    assert len(shared) == 12
    assert all(equal(a, b) for a, b in zip(alone, shared, strict=True))


class FixedSampler(torch.utils.data.Sampler[Position]):
    """Given positions, for a loader without the sampler of a run."""

    def __init__(self, positions: list[Position]) -> None:
        self._positions = positions

    def __iter__(self) -> itertools.chain[Position]:
        return itertools.chain(self._positions)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 100))
def test_ranks_share_each_epoch_and_a_resume_continues(length: int, ranks: int, begin: int) -> None:
    whole = list(itertools.islice(ShuffledSampler(length, 3), 3 * length + 200))

    for epoch in range(3):
        assert sorted(whole[epoch * length : (epoch + 1) * length]) == [(epoch, index) for index in range(length)]
    for rank in range(ranks):
        resumed = ShuffledSampler(length, 3, rank=rank, ranks=ranks, begin=begin)
        assert list(itertools.islice(resumed, 10)) == whole[begin + rank :: ranks][:10]


def test_epochs_and_seeds_differ_in_order() -> None:
    orders = [tuple(index for _, index in itertools.islice(ShuffledSampler(50, seed), 100)) for seed in (0, 1)]

    assert len({orders[0][:50], orders[0][50:], orders[1][:50]}) == 3
    assert SeedSequence((0, 1)).entropy != SeedSequence((1, 0)).entropy


def test_clips_that_are_too_short_or_too_small_are_named() -> None:
    with pytest.raises(ClipError, match="clip 'a' has 9 frames, and 15 at every 1 take 15; leave it out, or set fewer"):
        dataset(Sampling(size=32))
    with pytest.raises(ClipError, match=r"'a' has 64x48 pixels, and sampling.size=64 is larger; leave it out, or set"):
        dataset(Sampling(frames=3, size=64))[0, 0]
    for assignment in ("size=20", "size=8", "frames=0", "strides=[]", "strides=[0]"):
        with pytest.raises(SettingError, match=assignment.partition("=")[0]):
            override(SMALL, [assignment])


def test_sharpened_lines_change_the_target_and_nothing_else() -> None:
    drawn = [ImageOf(cartoon_clip(9, 48, 64))]
    sharp = override(SMALL, ["sharpen_lines=true"])

    for index in range(9):
        plain, other = dataset(clips=drawn)[1, index], dataset(sharp, clips=drawn)[1, index]
        assert torch.equal(plain.input, other.input)
        assert torch.equal(sharpen_lines(plain.target), other.target)
        assert not torch.equal(plain.target, other.target)


def test_sharpened_lines_are_the_same_where_batches_are_degraded_on_a_device() -> None:
    drawn = [ImageOf(cartoon_clip(9, 48, 64))]
    targets, encodings = {}, {}
    for on in (False, True):
        sampling = SMALL.model_copy(update={"sharpen_lines": on})
        data = DrawnClips(drawn, sampling, PRESETS["paper"], 0)
        batch = data.collate([data.draw((1, index), 0) for index in (2, 5)])
        targets[on], encode = data.finish_on(torch.device("cpu"))(batch)
        encodings[on] = [each()[0] for each in encode]

    assert torch.equal(targets[True], sharpen_lines(targets[False]))
    assert not torch.equal(targets[True], targets[False])
    assert all(np.array_equal(a, b) for a, b in zip(*encodings.values(), strict=True))


class ImageOf(GridClip):
    """Given frames, uint8 (frames, 3, height, width)."""

    def __init__(self, frames: Tensor) -> None:
        super().__init__("drawn", len(frames), *frames.shape[-2:])
        self._frames = frames.permute(0, 2, 3, 1).numpy()

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [self._frames[n] for n in numbers]


POOL = [Degrader(random_operator(halves=False, features=2, seed=seed)) for seed in range(3)]


def chosen(data: DrawnClips, step: int, count: int = 12) -> list[set[int | None]]:
    """Return the operators of each of some clips of a step."""
    drawn = [data.draw((0, index), step) for index in range(count)]
    return [{stage.lbo for stage in each.sample.stages} for each in drawn]


def with_pool(choice: str, seed: int = 0) -> DrawnClips:
    degradation = override(PRESETS["paper"], ["down.lbo=1", f"down.lbo_choice={choice}"])
    return DrawnClips(CLIPS, SMALL, degradation, seed, POOL)


def test_one_operator_is_chosen_for_all_clips_of_a_step() -> None:
    data = with_pool("iteration")

    steps = [chosen(data, step, 4) for step in range(60)]

    assert all(each == [each[0]] * 4 and len(each[0]) == 1 for each in steps)
    counts = Counter(operator for each in steps for operator in each[0])
    assert {*counts} == {0, 1, 2}
    assert all(count >= 10 for count in counts.values())
    assert [chosen(with_pool("iteration"), step, 1) for step in (40, 41)] == [each[:1] for each in steps[40:42]]
    assert [chosen(with_pool("iteration", seed=1), step, 1) for step in range(60)] != [each[:1] for each in steps]


def test_one_operator_is_chosen_for_each_clip_whatever_the_step() -> None:
    data = with_pool("clip")

    assert len({operator for each in chosen(data, 0, 40) for operator in each}) == 3
    assert chosen(data, 0) == chosen(data, 7)


def test_the_choice_of_a_step_changes_nothing_else_in_its_samples() -> None:
    by_step, by_clip = with_pool("iteration"), with_pool("clip")
    for index in range(8):
        a, b = (each.draw((3, index), 5) for each in (by_step, by_clip))
        assert torch.equal(a.hq, b.hq)
        assert torch.equal(a.words, b.words)
        assert replace(a.sample, stages=()) == replace(b.sample, stages=())
        assert [(stage.factor, stage.mode) for stage in a.sample.stages] == [
            (stage.factor, stage.mode) for stage in b.sample.stages
        ]


def test_a_drawn_batch_has_the_samples_of_the_same_positions() -> None:
    data = DrawnClips(CLIPS, SMALL, PRESETS["paper"], 0)
    positions = [(1, 3), (0, 20), (1, 9)]

    target, jobs = data.finish_on(torch.device("cpu"))(data.collate([data.draw(each, 0) for each in positions]))

    for n, position in enumerate(positions):
        expected = data[position]
        frames, failures = jobs[n]()
        assert torch.equal(target[n], expected.target)
        assert failures == expected.failures
        close = (to_float(frames) - expected.input).abs() < 1.5 / 255  # a value between two levels is seldom
        assert close.float().mean() > 0.98
