"""An evaluation goes on after a stop, measures again only what is made of something else, and takes results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from tests.trainer.evaluation.pictures import draw_picture
from trainer.data.toy_clips import write_toy_clips
from trainer.data.uint8 import UINT8_MAX
from trainer.degradation.settings import PRESETS
from trainer.errors import ClipError
from trainer.evaluation import measures, run
from trainer.evaluation.measures import DEFAULT, NIQE, PSNR, FrameMeasures
from trainer.evaluation.models import HQ, LR, Fixed, Model, Results, Running, is_results
from trainer.evaluation.niqe import NiqeParameters, niqe
from trainer.evaluation.run import Record, Work, evaluate, measure_speed
from trainer.evaluation.sets import SetClip, open_set
from trainer.evaluation.temporal import FLICKER, LINES, WARPING
from trainer.evaluation.upscaler import Bicubic
from trainer.losses.metrics import psnr_y
from trainer.vsr.evaluation import upscale_bicubic

CPU = torch.device("cpu")
MEASURES = [PSNR, WARPING, FLICKER, LINES]
FRAMES = 3


class Counting(Bicubic):
    """Bicubic that counts frames, and can fail at one."""

    def __init__(self, name: str = "mine", *, fail_at: int = -1, shift: float = 0) -> None:
        self.name = name
        self.seen = 0
        self._fail_at, self._shift = fail_at, shift

    def __call__(self, lr: Tensor) -> Tensor:
        return upscale_bicubic(lr) + self._shift

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        for frame in torch.split(lr, 1):
            if self.seen == self._fail_at:
                raise KeyboardInterrupt
            self.seen += 1
            yield self(frame)


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    write_toy_clips(tmp_path / "set")
    return tmp_path / "set"


def clips_of(folder: Path) -> Sequence[SetClip]:
    return open_set(folder, FRAMES, PRESETS["paper"])


def work(every: int = 10, measures: Sequence[str] = MEASURES) -> Work:
    return Work(measures, FrameMeasures(measures, CPU), CPU, every)


def run_on(folder: Path, upscaler: Counting) -> run.Records:
    return evaluate([Running(upscaler)], clips_of(folder), work())


def test_a_stopped_evaluation_goes_on(folder: Path) -> None:
    stopped = Counting(fail_at=FRAMES + 1)  # in the second clip
    with pytest.raises(KeyboardInterrupt):
        run_on(folder, stopped)
    rest, again = Counting(), Counting()
    found = run_on(folder, rest)
    assert rest.seen == FRAMES
    assert run_on(folder, again) == found
    assert again.seen == 0


def test_a_result_belongs_to_its_content(folder: Path) -> None:
    first = run_on(folder, Counting())
    other = Counting(shift=0.1)
    assert run_on(folder, other) != first
    assert other.seen == 2 * FRAMES
    renamed = Counting("other")
    folder.rename(folder.with_name("moved"))
    folder = folder.with_name("moved")
    (folder / "shapes-0").rename(folder / "a")
    run_on(folder, renamed)
    assert renamed.seen == 0
    picture = folder / "a" / "00000001.png"
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(picture)
    changed = Counting()
    run_on(folder, changed)
    assert changed.seen == FRAMES  # of one clip
    evaluate([Running(changed)], clips_of(folder), work(measures=[PSNR]))
    assert changed.seen == 3 * FRAMES


def test_a_result_belongs_to_pytorch_and_the_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_on(folder, Counting())
    with monkeypatch.context() as other:
        other.setattr(torch, "__version__", "0")
        run_on(folder, changed := Counting())
        assert changed.seen == 2 * FRAMES
    with monkeypatch.context() as other:
        other.setattr(run, "name_device", lambda _: "another processor")
        run_on(folder, moved := Counting())
        assert moved.seen == 2 * FRAMES
    run_on(folder, again := Counting())
    assert again.seen == 0


def test_a_name_counts_where_it_decides_crops(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameMeasures, "origin", {"MANIQA": "some weights"})
    run_on(folder, Counting())
    (folder / "shapes-0").rename(folder / "a")
    again = Counting()
    run_on(folder, again)
    assert again.seen == FRAMES


def test_a_damaged_result_is_measured_again(folder: Path, tmp_path: Path) -> None:
    expected = run_on(folder, Counting())
    for file in (tmp_path / "cache" / "evaluations").glob("*.json"):
        file.write_bytes(file.read_bytes()[:50])
    again = Counting()
    assert run_on(folder, again) == expected
    assert again.seen == 2 * FRAMES


def test_values_are_means_of_frames(folder: Path) -> None:
    clip = clips_of(folder)[0]
    content = clip.load()
    assert content.hq is not None
    sr, hq = upscale_bicubic(content.lr.float() / UINT8_MAX), content.hq.float() / UINT8_MAX
    values = run_on(folder, Counting())["shapes-0", "mine"].values
    assert next(iter(values)) == PSNR
    assert values[PSNR] == pytest.approx(psnr_y(sr, hq).mean().item(), abs=1e-4)


def test_a_clip_with_a_flat_frame_has_no_niqe(
    tmp_path: Path, empty_cache: Path, parameters: NiqeParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be a mean over other frames than that of a model whose frame is nearly flat."""
    monkeypatch.setattr(measures, "read_niqe_parameters", lambda: parameters)
    frames = [draw_picture(n)[:192, :192] for n in (4, 8)]
    for name, shown in (("whole", frames), ("flat", [frames[0], np.zeros_like(frames[0])])):
        (tmp_path / "set" / name).mkdir(parents=True)
        for n, frame in enumerate(shown):
            Image.fromarray(frame).save(tmp_path / "set" / name / f"{n}.png")
    found = evaluate([Fixed(HQ)], clips_of(tmp_path / "set"), work(every=1, measures=[NIQE, WARPING]))
    assert found["whole", HQ].values[NIQE] == pytest.approx(np.mean([niqe(frame, parameters) for frame in frames]))
    assert found["flat", HQ].values.keys() == {WARPING}


def test_hq_is_measured_without_a_reference_and_lr_only_shown(folder: Path) -> None:
    found = evaluate([Fixed(LR), Fixed(HQ)], clips_of(folder), work())
    assert found["shapes-0", LR].values == {}
    assert PSNR not in found["shapes-0", HQ].values
    assert found["shapes-0", HQ].values[WARPING] >= 0
    assert all(record.picture.startswith("data:image/webp;base64,") for record in found.values())


def test_lq_without_hq(folder: Path) -> None:
    clips = open_set(folder, FRAMES, None)
    found = evaluate([Running(Bicubic())], clips, work(measures=[WARPING, LINES]))
    assert found["shapes-0", "bicubic"].values.keys() == {WARPING, LINES}
    assert clips[0].load().hq is None


def write_results(folder: Path, clips: Sequence[SetClip], side: int = 128) -> Path:
    """What another program makes of a set: each frame, enlarged by nearest neighbour."""
    for clip in clips:
        (folder / clip.name).mkdir(parents=True)
        for n, frame in enumerate(clip.load().lr.movedim(1, -1).numpy()):
            Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST).save(folder / clip.name / f"{n}.png")
    return folder


def test_a_folder_of_results_is_measured_like_an_upscaler(folder: Path, tmp_path: Path) -> None:
    class Nearest(Counting):
        def __call__(self, lr: Tensor) -> Tensor:
            return lr.repeat_interleave(4, -1).repeat_interleave(4, -2)

    clips = clips_of(folder)
    results = write_results(tmp_path / "results", clips)
    (results / "notes").mkdir()
    assert is_results(results, clips)
    assert not is_results(folder.parent, clips)
    models: list[Model] = [Results(results, "files"), Running(Nearest("network"))]
    found = evaluate(models, clips, work())
    for clip in clips:
        assert found[clip.name, "files"] == found[clip.name, "network"]


def test_results_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    clips = clips_of(folder)
    small = Results(write_results(tmp_path / "small", clips, side=64), "small")
    with pytest.raises(ClipError, match=r"3 frames of 64x64, and 3 of 128x128 are needed"):
        small.identity(clips[0])
    shutil.rmtree(tmp_path / "small" / "shapes-1")
    with pytest.raises(ClipError, match="no results of the clip 'shapes-1'"):
        small.identity(clips[1])


@given(st.integers(1, 20), st.integers(1, 120))
def test_slow_measures_are_of_the_frames_of_the_release(every: int, length: int) -> None:
    samples = Work([], None, CPU, every).samples(length)  # type: ignore[arg-type]
    assert all(0 <= n < length for n in samples)
    assert len(samples) == max(1, length // every)
    if every == 10 and length == 100:
        assert list(samples) == [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]


def test_the_release_takes_460_frames_of_46_clips() -> None:
    assert list(Work([], None, CPU).samples(100)) == list(range(9, 100, 10))  # type: ignore[arg-type]


def test_a_time_is_measured_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TIMED", (1, 3, 8, 8))
    first = Counting()
    time = measure_speed(Running(first), CPU)
    assert time > 0
    assert first.seen == run.RUNS + 1
    again = Counting()
    assert measure_speed(Running(again), CPU) == time
    assert again.seen == 0
    other = Counting(shift=0.5)
    measure_speed(Running(other), CPU)
    assert other.seen > 0


def test_every_measure_but_maniqa_is_a_default() -> None:
    assert {"niqe", "psnr_y", "ssim", "lpips_alex", "lpips_vgg", "dists", WARPING, FLICKER, LINES} <= set(DEFAULT)
    assert Record({}, "").values == {}
