"""The study of operators: its synthetic faults, the data that training sees, its measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from scripts.studies.commands import train
from scripts.studies.learning import __main__ as learning
from scripts.studies.repairing import __main__ as repairing
from scripts.studies.repairing import degradation_distance, episodes, factors, pages, plots, runs, table2
from scripts.studies.repairing.degradation_distance import AREA, BICUBIC, SETTINGS, Halving, Setting
from scripts.studies.repairing.factors import FactorScore
from scripts.studies.repairing.synthetic_faults import FAULTS, REACH, SyntheticFault, add_ringing
from tests.scripts.studies.measures import MeanDifference
from trainer.core import checkpoints
from trainer.data.clips import Clip, find_clips, open_clip
from trainer.data.toy_clips import write_toy_clips
from trainer.data.uint8 import quantize, to_uint8
from trainer.degradation.learned.operator import NARROW_FEATURES
from trainer.degradation.scaling import downscale
from trainer.lbo.config import preset as operator_preset
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import SCENE_FRAMES, Scene
from trainer.losses.metrics import Lpips
from trainer.settings import override
from trainer.table2 import nn_only
from trainer.table2.rows import NN_ONLY
from trainer.vsr.config import preset
from trainer.vsr.evaluation import Score


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Write two clips of each show, of 17 frames of 128x128."""
    path = tmp_path / "train"
    write_toy_clips(path, clips=2 * len(FAULTS))
    shows = [show for show in sorted(fault.show for fault in FAULTS) for _ in range(2)]
    for number, show in enumerate(shows):
        (path / f"shapes-{number}").rename(path / f"{show}-{number}")
    return path


def test_every_other_clip_is_hq_and_the_others_are_episodes_only(clips: Path, tmp_path: Path) -> None:
    for _ in range(2):  # existing files are kept
        episodes.write_data(clips, tmp_path / "out")

    written = {clip.name: clip for clip in find_clips(tmp_path / "out" / "hq")}
    hq_clips = find_clips(clips)[::2]
    assert set(written) == {f"{clip.name}-{place}" for clip in hq_clips for place in episodes.PLACES}
    for clip in hq_clips:
        assert len(written[f"{clip.name}-middle"]) == len(clip)
    for fault in FAULTS:
        (other,) = episodes.episode_clips(fault, clips)
        assert other not in hq_clips
        episode = open_clip(episodes.episode_file(tmp_path / "out", fault))
        assert episode is not None
        assert np.array_equal(episode.read(range(17)), fault.degrade(episodes.read_hq(other, range(17))))


def test_all_clips_are_enlarged_crops_and_episodes_show_the_middle(clips: Path, tmp_path: Path) -> None:
    episodes.write_data(clips, tmp_path)
    clip = find_clips(clips)[0]
    (picture,) = clip.read([3])
    third = 128 / episodes.ZOOM
    (hq,) = episodes.read_hq(clip, [3]).permute(0, 2, 3, 1).numpy()
    written = {each.name: each for each in find_clips(tmp_path / "hq")}

    pictures = {place: written[f"{clip.name}-{place}"].read([3])[0] for place in episodes.PLACES}

    assert np.array_equal(pictures["middle"], hq)
    for place, left in {"left": 0.0, "middle": third, "right": 2 * third}.items():
        again = np.array(Image.fromarray(pictures[place]).resize((43, 43), Image.Resampling.LANCZOS))
        box = (left, third, left + third, 2 * third)
        part = np.array(Image.fromarray(picture).resize((43, 43), Image.Resampling.LANCZOS, box))
        assert np.abs(again.astype(int) - part).mean() < 3


def test_the_faults_differ(clips: Path) -> None:
    clip = episodes.read_hq(find_clips(clips)[0], range(17))
    degraded = [fault.degrade(clip) for fault in FAULTS]

    for number, lq in enumerate(degraded):
        assert lq.shape == (17, 32, 32, 3)
        assert lq.dtype == np.uint8
        assert np.array_equal(lq, FAULTS[number].degrade(clip))
        assert all(not np.array_equal(lq, other) for other in degraded[number + 1 :])
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("change", [{"bleed": 0.0}, {"shift": 0.0}, {"ringing": 0.0}, {"period": 3.8}, {"scale": 2}])
def test_each_parameter_of_a_fault_has_an_effect(change: dict[str, Any], clips: Path) -> None:
    tape = FAULTS[0]
    clip = episodes.read_hq(find_clips(clips)[0], range(2))

    assert np.abs(replace(tape, **change).degrade(clip).astype(int) - tape.degrade(clip)).mean() > 0.2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
def test_waves_are_behind_edges_and_downscaling_removes_them(fault: SyntheticFault) -> None:
    edge = torch.full((1, 3, 16, 64), 0.2)
    edge[..., 32:] = 0.4

    wave = add_ringing(edge, fault.ringing, fault.period) - edge

    assert wave[..., :32].abs().max() < 1e-6
    assert wave[..., 32 + REACH :].abs().max() < 1e-6
    assert torch.equal(wave, wave[:, :1, :1].expand_as(wave))  # the same for all colours and lines
    behind = wave[0, 0, 0, 32:]
    assert behind.abs().max() > 0.1 * fault.ringing
    assert behind.sum().abs() < 0.02  # the edge stays in place
    half = functional.interpolate(wave, scale_factor=0.5, mode="bicubic", antialias=True)
    assert half.square().mean() < 0.25 * wave.square().mean()


@pytest.mark.parametrize("halving", [AREA, BICUBIC])
def test_the_setting_of_a_basic_degradation_is_the_nearest(clips: Path, halving: Halving) -> None:
    settings = [Setting(blur, noise, rate) for blur in (0.5, 1.1) for noise in (0.0, 3.0) for rate in (None, 28.0)]

    for setting in settings:

        def degrade(hq: Tensor, setting: Setting = setting) -> NDArray[np.uint8]:
            return to_uint8(setting.degrade(quantize(downscale(hq.float() / 255, 2, "area")), halving))

        cases = degradation_distance.make_cases(degrade, find_clips(clips)[:2])
        distances = list(degradation_distance.measure_distances(halving, cases, settings, MeanDifference()))
        for best in degradation_distance.nearest(distances):
            assert (best.setting, best.psnr, best.lpips) == (setting, 100, 0)


def test_there_are_40_settings() -> None:
    assert len(set(SETTINGS)) == len(SETTINGS) == 5 * 2 * 4
    assert str(SETTINGS[0]) == "blur 0.2, noise 0"
    assert str(SETTINGS[-1]) == "blur 1.5, noise 3, crf 28"


def scenes_in(path: Path, clips: Path) -> tuple[list[Scene], Sequence[Clip]]:
    """Write scenes whose pseudo-HQ is HQ at one factor, and its negative at the others. Return them and their clips."""
    hq_clips = find_clips(clips)[:2]
    scenes = []
    for first in (3, 20):  # one in each clip
        number = first + SCENE_FRAMES - 1
        right = episodes.read_hq(hq_clips[number // 17], [number % 17]).float() / 255
        half = downscale(right, 2, "area")[0]
        folder = path / f"{first:06}"
        folder.mkdir(parents=True)
        quarter = downscale(half[None], 2, "area")[0]
        for name, picture in {"lq": quarter, **{f"x{f:.1f}": half if f == 0.5 else 1 - half for f in FACTORS}}.items():
            levels = (255 * picture).round().byte().permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(levels).save(folder / f"{name}.png")
        files = {factor: folder / f"x{factor:.1f}.png" for factor in FACTORS}
        scenes.append(Scene(folder.name, folder / "lq.png", files))
    return scenes, hq_clips


def test_each_scene_is_compared_with_its_own_hq_frame(clips: Path, tmp_path: Path) -> None:
    scenes, hq_clips = scenes_in(tmp_path, clips)

    scores = factors.measure_factors(scenes, hq_clips, MeanDifference())

    for best in (max(scores, key=lambda each: each.psnr), min(scores, key=lambda each: each.lpips)):
        assert best.factor == 0.5
        assert best.psnr > 55  # rounded to 8 bits
        assert best.lpips < 1 / 255
    assert all(each.psnr < 30 for each in scores if each.factor != 0.5)


def test_the_page_of_factors_shows_lq_pseudo_hq_and_hq(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PATCH", 64)
    scenes, hq_clips = scenes_in(tmp_path, clips)

    page = np.asarray(pages.draw_rescaling_page({"tape": (scenes[0], hq_clips)}))

    cells = [page[8 + 22 : 8 + 22 + 256, 8 + n * 264 : 8 + n * 264 + 256].astype(int) for n in range(10)]
    assert page.shape[1] == 10 * 264 + 8
    assert np.abs(cells[1 + FACTORS.index(0.5)] - cells[-1]).max() <= 1
    assert np.abs(cells[1] + cells[-1] - 255).max() <= 2  # x1 is the negative
    assert np.abs(cells[0] - cells[-1]).mean() < 20


def test_the_runs_differ_only_in_their_operators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    operator = override(operator_preset("lbo-l1", "paper"), runs.OPERATOR)
    assert operator.operator.halves
    started: list[list[str]] = []
    monkeypatch.setattr(runs, "train", lambda *arguments: started.append(list(arguments)))

    runs.train_base(tmp_path, runs.QUICK)
    runs.train_operator(tmp_path, tmp_path / "tape.mkv", ())
    (tmp_path / "lbo-tape" / "pairs").mkdir(parents=True)
    runs.train_narrow_operator(tmp_path, "tape", ())
    for name, operators in {"basic": (), "lbo-tape": ("tape",), "pool": ("tape", "rip")}.items():
        runs.finetune(tmp_path, name, [runs.operator_folder(tmp_path, each) for each in operators], ())

    stages = [command[0] for command in started]
    assert stages == ["vsr-l1", "vsr-l1", "lbo", "lbo", "lbo", "vsr-gan", "vsr-final", "vsr-final"]
    short, base = (override(preset("vsr-l1", "paper"), command[2:-2]) for command in started[:2])
    assert short.degradation == base.degradation == preset("vsr-l1", "paper").degradation  # basic operators only
    assert (short.start, base.start) == ("", started[0][-1])
    assert base.sampling.frames > short.sampling.frames
    assert all(str(tmp_path / "lbo-tape") in command for command in started[2:4])
    wide, narrow = started[3:5]
    assert narrow[2] == str(runs.narrow_operator_folder(tmp_path, "tape")) != wide[2]
    assert narrow[-2:] == [f"operator.features={NARROW_FEATURES}", f"steps={runs.NARROW_STEPS}"]
    assert [*narrow[:2], *narrow[3:-2]] == [*wide[:2], *wide[3:]]  # the rest is the same
    assert (runs.narrow_operator_folder(tmp_path, "tape") / "pairs").is_dir()
    basic, one, pool = (override(preset(command[0], "paper"), command[2:-2]) for command in started[5:])
    assert {each.start for each in (basic, one, pool)} == {started[1][-1]}
    assert [each.lbo_pool for each in (basic, one)] == [(), (str(tmp_path / "lbo-tape"),)]
    assert pool.lbo_pool == (str(tmp_path / "lbo-tape"), str(tmp_path / "lbo-rip"))
    plain = {"stage": "vsr-gan", "lbo_pool": (), "degradation": basic.degradation}
    assert one.model_copy(update=plain) == pool.model_copy(update=plain) == basic
    down = one.degradation.down.model_copy(update={"lbo": 0.0, "lbo_mode": "after_down", "lbo_choice": "clip"})
    assert one.degradation.model_copy(update={"down": down}) == basic.degradation
    assert (basic.losses.gan, basic.losses.perceptual.weight) == (0, 0)


def test_nn_only_trains_a_network(clips: Path, tmp_path: Path) -> None:
    write_toy_clips(tmp_path / "hq")
    tiny = (
        "network.features=4",
        "network.blocks=[1,1,1]",
        "workers=0",
        "sampling.size=64",
        "steps=1",
    )
    train("vsr-l1", "paper", f"data={tmp_path / 'hq'}", *runs.BASE, *tiny, "-o", str(tmp_path / "base"))

    table2.finetune_with_nn_only(tmp_path, nn_only.NNOnly(), tiny)

    assert checkpoints.read_newest(tmp_path / "final-nn-only")["step"] == 1
    networks = table2.load_networks(tmp_path, [NN_ONLY])
    assert list(networks) == ["base", NN_ONLY]
    scores = list(table2.score_networks(networks, FAULTS[0], find_clips(clips)[:1], MeanDifference()))
    assert [score.upscaler for score in scores] == ["bicubic", "base", "nn-only"]
    assert all(5 < score.psnr_y < 60 and 0 < score.lpips < 1 for score in scores)
    page = np.asarray(pages.draw_repair_page(networks, find_clips(clips)[:1])).astype(int)
    assert page.shape[1] == 4 * 264 + 8  # bicubic, two networks, HQ
    bicubic, *_, hq_cell = (page[30:286, 8 + n * 264 : 264 + n * 264] for n in range(4))
    (hq,) = episodes.read_hq(find_clips(clips)[0], [pages.FRAMES - 1])
    right = hq.permute(1, 2, 0).numpy().repeat(2, 0).repeat(2, 1)
    assert np.abs(hq_cell - right).max() <= 1
    assert 0.5 < np.abs(bicubic - right).mean() < 30


def test_networks_are_compared_on_the_middle_of_the_pictures(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Tensor, Tensor]] = []

    def score_clip(networks: object, name: str, lr: Tensor, hq: Tensor, lpips: Lpips, *, every: int) -> list[Score]:
        calls.append((lr, hq))
        return []

    monkeypatch.setattr(table2, "score_clip", score_clip)
    clip = find_clips(clips)[0]

    assert not list(table2.score_networks({}, FAULTS[0], [clip], MeanDifference()))

    ((lr, hq),) = calls
    assert torch.equal(hq, episodes.read_hq(clip, range(17))[..., 32:96, 32:96])
    assert torch.equal(lr, torch.from_numpy(FAULTS[0].degrade(hq)).permute(0, 3, 1, 2) / 255)


def test_means_are_over_clips_then_over_all_faults() -> None:
    scores = {
        "tape": [Score("a", "net", 20.0, 0.2), Score("b", "net", 30.0, 0.4)],
        "rip": [Score("a", "net", 40.0, 0.6), Score("b", "net", 50.0, 0.8)],
    }

    means = table2.average(scores)

    assert list(means) == ["tape", "rip", "all"]
    assert [own["net"].psnr_y for own in means.values()] == [25, 45, 35]
    assert [own["net"].lpips for own in means.values()] == pytest.approx([0.3, 0.7, 0.5])


def test_plots_show_the_values_of_the_tables(tmp_path: Path) -> None:
    scores = {"tape": [FactorScore(1.0, 20.0, 0.3, 0.5, 2.0), FactorScore(0.5, 25.0, 0.2, 0.4, 1.0)]}
    means = {"tape": {"basic": Score("all", "basic", 20.0, 0.4), "pool": Score("all", "pool", 22.0, 0.3)}}

    figures = plots.plot_factors(scores), plots.plot_table2(means)
    for number, figure in enumerate(figures):
        plots.save(figure, tmp_path / f"{number}.png")

    lines = [[[np.asarray(line.get_ydata()).tolist() for line in axes.lines] for axes in each.axes] for each in figures]
    assert lines[0] == [[[20.0, 25.0]], [[0.3, 0.2]], [[0.5, 0.4]], [[2.0, 1.0]]]
    assert lines[1] == [[[20.0, 22.0]], [[0.4, 0.3]]]
    with Image.open(tmp_path / "0.png") as picture:
        assert picture.size[0] > 1000


def test_a_part_may_follow_an_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for study in (repairing, learning):
        with pytest.raises(SystemExit):
            study.main([str(tmp_path), "-o", str(tmp_path), "nonsense"])
        assert "'nonsense' is not a part" in capsys.readouterr().err
