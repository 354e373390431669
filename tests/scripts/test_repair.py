"""The script that shows what operators learn from episodes: what is hidden, who is told what, and its measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from trainer import checkpoints
from trainer.clips import Clip, find_clips, open_clip
from trainer.degradation.levels import rounded
from trainer.degradation.scaling import scaled_down
from trainer.drawn_clips import draw_clips
from trainer.evaluation import Score
from trainer.lbo.operator import NARROW
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import Scene
from trainer.lbo.stages import preset as operator_preset
from trainer.settings import changed
from trainer.stages import preset

from .sandbox import load

repair = load("repair")
episodes, factors, hidden, nearness, order, pages, plots, runs, unpaired = (
    import_module(f"repairing.{name}")
    for name in ("episodes", "factors", "hidden", "nearness", "order", "pages", "plots", "runs", "unpaired")
)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two of each title, of 17 frames of 128x128."""
    path = tmp_path / "train"
    draw_clips(path, clips=2 * len(hidden.HIDDEN))
    titles = [title for title in sorted(each.title for each in hidden.HIDDEN) for _ in range(2)]
    for number, title in enumerate(titles):
        (path / f"shapes-{number}").rename(path / f"{title}-{number}")
    return path


class Differences(nn.Module):
    """Sees pictures as they are; what differs is the distance."""

    def __init__(self) -> None:
        super().__init__()
        self.somewhere = nn.Parameter(torch.zeros(1))

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        return self.between(self.seen(sr), self.seen(hq))

    def seen(self, frames: Tensor) -> Sequence[Tensor]:
        return [frames]

    def between(self, sr: Sequence[Tensor], hq: Sequence[Tensor]) -> Tensor:
        return (sr[0] - hq[0]).abs().mean((1, 2, 3))


def test_every_other_clip_is_known_as_hq_and_the_others_as_an_episode_alone(clips: Path, tmp_path: Path) -> None:
    for _ in range(2):  # what is there is kept
        episodes.share_out(clips, tmp_path / "out")

    known = {clip.name: clip for clip in find_clips(tmp_path / "out" / "hq")}
    shown = find_clips(clips)[::2]
    assert set(known) == {f"{clip.name}-{place}" for clip in shown for place in episodes.PLACES}
    for clip in shown:
        assert len(known[f"{clip.name}-middle"]) == len(clip)
    for degradation in hidden.HIDDEN:
        (other,) = episodes.shown_by(degradation, clips)
        assert other not in shown
        episode = open_clip(episodes.episode(tmp_path / "out", degradation))
        assert episode is not None
        assert np.array_equal(episode.read(range(17)), degradation.lq(episodes.hq_of(other, range(17))))


def test_all_clips_are_seen_from_closer_episodes_in_the_middle(clips: Path, tmp_path: Path) -> None:
    episodes.share_out(clips, tmp_path)
    clip = find_clips(clips)[0]
    (picture,) = clip.read([3])
    third = 128 / episodes.CLOSER
    (hq,) = episodes.hq_of(clip, [3]).permute(0, 2, 3, 1).numpy()
    known = {each.name: each for each in find_clips(tmp_path / "hq")}

    found = {place: known[f"{clip.name}-{place}"].read([3])[0] for place in episodes.PLACES}

    assert np.array_equal(found["middle"], hq)
    for place, left in {"left": 0.0, "middle": third, "right": 2 * third}.items():
        again = np.array(Image.fromarray(found[place]).resize((43, 43), Image.Resampling.LANCZOS))
        box = (left, third, left + third, 2 * third)
        part = np.array(Image.fromarray(picture).resize((43, 43), Image.Resampling.LANCZOS, box))
        assert np.abs(again.astype(int) - part).mean() < 3


def test_what_is_hidden_differs_from_every_other(clips: Path) -> None:
    clip = episodes.hq_of(find_clips(clips)[0], range(17))
    found = [degradation.lq(clip) for degradation in hidden.HIDDEN]

    for one, lq in enumerate(found):
        assert (lq.shape, lq.dtype) == ((17, 32, 32, 3), np.uint8)
        assert np.array_equal(lq, hidden.HIDDEN[one].lq(clip))
        assert all(not np.array_equal(lq, other) for other in found[one + 1 :])
    assert len({degradation.name for degradation in hidden.HIDDEN}) == len(hidden.HIDDEN)


@pytest.mark.parametrize("less", [{"bleed": 0.0}, {"shift": 0.0}, {"ringing": 0.0}, {"period": 3.8}, {"scale": 2}])
def test_all_of_what_is_hidden_shows(less: dict[str, Any], clips: Path) -> None:
    tape = hidden.HIDDEN[0]
    clip = episodes.hq_of(find_clips(clips)[0], range(2))

    assert np.abs(replace(tape, **less).lq(clip).astype(int) - tape.lq(clip)).mean() > 0.2


@pytest.mark.parametrize("degradation", hidden.HIDDEN, ids=lambda each: each.name)
def test_waves_are_behind_edges_and_go_when_a_picture_is_shrunk(degradation: Any) -> None:
    edge = torch.full((1, 3, 16, 64), 0.2)
    edge[..., 32:] = 0.4

    wave = hidden.ringing(edge, degradation.ringing, degradation.period) - edge

    assert wave[..., :32].abs().max() < 1e-6
    assert wave[..., 32 + hidden.REACH :].abs().max() < 1e-6
    assert torch.equal(wave, wave[:, :1, :1].expand_as(wave))  # all colours and lines alike
    behind = wave[0, 0, 0, 32:]
    assert behind.abs().max() > 0.1 * degradation.ringing
    assert behind.sum().abs() < 0.02  # the edge stays where it is
    half = functional.interpolate(wave, scale_factor=0.5, mode="bicubic", antialias=True)
    assert half.square().mean() < 0.25 * wave.square().mean()


@dataclass
class AsBasic:
    """Hides nothing but basic operators."""

    setting: object
    halves: object

    def lq(self, hq: Tensor) -> NDArray[np.uint8]:
        half = rounded(scaled_down(hq.float() / 255, 2, "area"))
        pictures = self.setting.degraded(half, self.halves)  # type: ignore[attr-defined]
        return (255 * pictures).round().byte().permute(0, 2, 3, 1).numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("halves", [nearness.AREA, nearness.BICUBIC])
def test_the_setting_that_was_hidden_is_the_nearest(clips: Path, halves: object) -> None:
    tried = [
        nearness.Setting(blur, noise, rate) for blur in (0.5, 1.1) for noise in (0.0, 3.0) for rate in (None, 28.0)
    ]

    for right in tried:
        shown = nearness.cases(AsBasic(right, halves), find_clips(clips)[:2])
        found = list(nearness.nearnesses(halves, shown, tried, Differences()))
        for best in nearness.nearest(found):
            assert (best.setting, best.psnr, best.lpips) == (right, 100, 0)


def test_as_many_settings_are_tried_as_it_says() -> None:
    tried = list(nearness.settings())

    assert len(set(tried)) == len(tried) == 5 * 2 * 4
    assert str(tried[0]) == "blur 0.2, noise 0"
    assert str(tried[-1]) == "blur 1.5, noise 3, crf 28"


def scenes_in(path: Path, clips: Path) -> tuple[list[Scene], Sequence[Clip]]:
    """Pseudo-HQ that is HQ at one factor, and something else at the others; and the clips that it shows."""
    shown = find_clips(clips)[:2]
    scenes = []
    for first in (3, 20):  # one in each clip
        number = first + factors.FRAMES - 1
        right = episodes.hq_of(shown[number // 17], [number % 17]).float() / 255
        half = scaled_down(right, 2, "area")[0]
        folder = path / f"{first:06}"
        folder.mkdir(parents=True)
        quarter = scaled_down(half[None], 2, "area")[0]
        for name, picture in {"lq": quarter, **{f"x{f:.1f}": half if f == 0.5 else 1 - half for f in FACTORS}}.items():
            levels = (255 * picture).round().byte().permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(levels).save(folder / f"{name}.png")
        files = {factor: folder / f"x{factor:.1f}.png" for factor in FACTORS}
        scenes.append(Scene(folder.name, folder / "lq.png", files))
    return scenes, shown


def test_each_scene_is_measured_against_its_own_hq_frame(clips: Path, tmp_path: Path) -> None:
    scenes, shown = scenes_in(tmp_path, clips)

    found = factors.factors(scenes, shown, Differences())

    for best in (max(found, key=lambda each: each.psnr), min(found, key=lambda each: each.lpips)):
        assert best.factor == 0.5
        assert best.psnr > 55  # rounded to 8 bits
        assert best.lpips < 1 / 255
    assert all(each.psnr < 30 for each in found if each.factor != 0.5)


def test_the_page_of_factors_shows_lq_pseudo_hq_and_hq(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PATCH", 64)
    scenes, shown = scenes_in(tmp_path, clips)

    page = np.asarray(pages.rescaled({"tape": (scenes[0], shown)}))

    cells = [page[8 + 22 : 8 + 22 + 256, 8 + n * 264 : 8 + n * 264 + 256].astype(int) for n in range(10)]
    assert page.shape[1] == 10 * 264 + 8
    assert np.abs(cells[1 + FACTORS.index(0.5)] - cells[-1]).max() <= 1
    assert np.abs(cells[1] + cells[-1] - 255).max() <= 2  # what stands at x1 is its negative
    assert np.abs(cells[0] - cells[-1]).mean() < 20


def test_the_runs_differ_in_their_operators_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    operator = changed(operator_preset("lbo-l1", "paper"), runs.OPERATOR)
    assert operator.operator.halves
    started: list[list[str]] = []
    monkeypatch.setattr(runs, "subprocess", SimpleNamespace(run=lambda command, check: started.append(command[3:])))

    runs.base(tmp_path, runs.QUICK)
    runs.operator(tmp_path, tmp_path / "tape.mkv", ())
    (tmp_path / "lbo-tape" / "pairs").mkdir(parents=True)
    runs.narrow(tmp_path, "tape", ())
    for name, operators in {"basic": (), "lbo-tape": ("tape",), "pool": ("tape", "rip")}.items():
        runs.finetuned(tmp_path, name, [runs.lbo(tmp_path, each) for each in operators], ())

    stages = [command[0] for command in started]
    assert stages == ["vsr-l1", "vsr-l1", "lbo", "lbo", "lbo", "vsr-gan", "vsr-final", "vsr-final"]
    short, base = (changed(preset("vsr-l1", "paper"), command[2:-2]) for command in started[:2])
    assert short.degradation == base.degradation == preset("vsr-l1", "paper").degradation  # basic operators only
    assert (short.start, base.start) == ("", started[0][-1])
    assert base.sampling.frames > short.sampling.frames
    assert all(str(tmp_path / "lbo-tape") in command for command in started[2:4])
    wide, narrow = started[3:5]
    assert narrow[2] == str(runs.narrow_lbo(tmp_path, "tape")) != wide[2]
    assert narrow[-2:] == [f"operator.features={NARROW}", f"steps={runs.NARROW_STEPS}"]
    assert [*narrow[:2], *narrow[3:-2]] == [*wide[:2], *wide[3:]]  # all else is the same
    assert (runs.narrow_lbo(tmp_path, "tape") / "pairs").is_dir()
    basic, one, pool = (changed(preset(command[0], "paper"), command[2:-2]) for command in started[5:])
    assert {each.start for each in (basic, one, pool)} == {started[1][-1]}
    assert [each.lbo_pool for each in (basic, one)] == [(), (str(tmp_path / "lbo-tape"),)]
    assert pool.lbo_pool == (str(tmp_path / "lbo-tape"), str(tmp_path / "lbo-rip"))
    plain = {"stage": "vsr-gan", "lbo_pool": (), "degradation": basic.degradation}
    assert one.model_copy(update=plain) == pool.model_copy(update=plain) == basic
    down = one.degradation.down.model_copy(update={"lbo": 0.0, "lbo_mode": "after_down"})
    assert one.degradation.model_copy(update={"down": down}) == basic.degradation
    assert (basic.losses.gan, basic.losses.perceptual.weight) == (0, 0)


def test_nn_only_has_the_papers_size_and_begins_by_changing_nothing() -> None:
    large = unpaired.Large()
    picture = torch.rand(2, 3, 12, 16)

    assert round(sum(weight.numel() for weight in large.parameters()) / 1000) == 594
    assert torch.allclose(large(picture), picture, atol=0.1)  # but for the last bias, which is drawn


def test_nn_only_learns_from_pictures_that_are_no_pairs(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Episodes are black here, drawings are not: what it makes turns darker where it is fine, or does not; it moves."""
    monkeypatch.setattr(unpaired, "SIZE", 32)
    episodes.share_out(clips, tmp_path)
    pictures = unpaired.Unpaired.found(
        tmp_path / "hq", [episodes.episode(tmp_path, each) for each in hidden.HIDDEN[:2]]
    )
    assert [len(kind) for kind in (pictures.clean, pictures.real)] == [3 * 3 * 17, 2 * 17]
    assert {picture.shape for picture in (*pictures.clean, *pictures.real)} == {(32, 32, 3)}
    (first, *_) = find_clips(tmp_path / "hq")
    small = scaled_down(torch.from_numpy(first.read([0])[0].copy()).permute(2, 0, 1)[None].float() / 255, 4, "area")
    assert np.abs(pictures.clean[0] / 255 - small[0].permute(1, 2, 0).numpy()).max() < 1 / 255
    torch.manual_seed(0)
    before = unpaired.Large().state_dict()

    made = unpaired.learned(lambda: pictures, tmp_path / "large.safetensors", 2)
    again = unpaired.learned(lambda: pytest.fail("it is trained already"), tmp_path / "large.safetensors", 2)

    assert any(not torch.equal(weight, before[name]) for name, weight in made.state_dict().items())
    assert all(torch.equal(weight, made.state_dict()[name]) for name, weight in again.state_dict().items())


def test_what_is_coarse_and_what_is_fine_is_the_picture() -> None:
    picture = torch.rand(1, 3, 20, 24)
    even = torch.full((1, 3, 20, 24), 0.3)

    assert torch.allclose(unpaired._coarse(picture) + unpaired._fine(picture), picture, atol=1e-6)
    assert unpaired._fine(even).abs().max() < 1e-6
    assert unpaired._fine(picture).mean((2, 3)).abs().max() < 0.02


class Darker(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures / 2


def test_nn_only_is_all_that_degrades(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_clips(tmp_path / "hq")
    seen: list[tuple[object, Path, object]] = []
    monkeypatch.setattr(order, "train_on", lambda samples, _, path, names: seen.append((samples, path, names)))

    order.with_nn_only(tmp_path, Darker(), ())

    ((samples, path, names),) = seen
    assert (path, names) == (tmp_path / "final-nn-only", ["nn-only"])
    grey = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # colours have half the size in the codec
    for index in range(5, 40, 7):
        sample = samples[0, index]  # type: ignore[index]
        small = scaled_down(sample.target.float() / 255, 4, "area") / 2
        assert ((sample.given - small) * grey).sum(-3).abs().mean() < 0.007
    plain = changed(preset("vsr-gan", "paper"), [f"data={tmp_path}", *runs.FINETUNE])
    assert plain.steps == changed(preset("vsr-final", "paper"), [*runs.FINETUNE, *order.ALONE]).steps


def test_nn_only_trains_a_network(clips: Path, tmp_path: Path) -> None:
    draw_clips(tmp_path / "hq")
    tiny = ("network.features=4", "network.blocks=[1,1,1]", "workers=0", "sampling.size=64", "steps=1", "memory=10")
    runs.train("vsr-l1", "paper", f"data={tmp_path / 'hq'}", *runs.BASE, *tiny, "-o", str(tmp_path / "base"))

    order.with_nn_only(tmp_path, unpaired.Large(), tiny)

    assert checkpoints.newest(tmp_path / "final-nn-only")["step"] == 1
    network = order.networks(tmp_path, [order.NN_ONLY])
    assert list(network) == ["base", order.NN_ONLY]
    found = list(order.order(network, hidden.HIDDEN[0], find_clips(clips)[:1], Differences()))
    assert [score.upscaler for score in found] == ["bicubic", "base", "nn-only"]
    assert all(5 < score.psnr_y < 60 and 0 < score.lpips < 1 for score in found)
    page = np.asarray(pages.repaired(network, find_clips(clips)[:1])).astype(int)
    assert page.shape[1] == 4 * 264 + 8  # bicubic, two networks, HQ
    bicubic, *_, shown = (page[30:286, 8 + n * 264 : 264 + n * 264] for n in range(4))
    (hq,) = episodes.hq_of(find_clips(clips)[0], [pages.FRAMES - 1])
    right = hq.permute(1, 2, 0).numpy().repeat(2, 0).repeat(2, 1)
    assert np.abs(shown - right).max() <= 1
    assert 0.5 < np.abs(bicubic - right).mean() < 30


def test_what_is_compared_is_the_middle_of_the_pictures(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "scores_of", lambda _networks, _name, lr, hq, *_, **__: [(lr, hq)])
    clip = find_clips(clips)[0]

    ((lr, hq),) = order.order({}, hidden.HIDDEN[0], [clip], Differences())

    assert torch.equal(hq, episodes.hq_of(clip, range(17))[..., 32:96, 32:96])
    assert torch.equal(lr, torch.from_numpy(hidden.HIDDEN[0].lq(hq)).permute(0, 3, 1, 2) / 255)


def test_means_are_over_clips_then_over_all_that_was_hidden() -> None:
    found = {
        "tape": [Score("a", "net", 20.0, 0.2), Score("b", "net", 30.0, 0.4)],
        "rip": [Score("a", "net", 40.0, 0.6), Score("b", "net", 50.0, 0.8)],
    }

    means = order.means_of(found)

    assert {name: (own["net"].psnr_y, own["net"].lpips) for name, own in means.items()} == {
        "tape": (25, pytest.approx(0.3)),
        "rip": (45, pytest.approx(0.7)),
        "all": (35, pytest.approx(0.5)),
    }


def test_plots_show_the_figures_of_the_tables(tmp_path: Path) -> None:
    found = {"tape": [factors.Factor(1.0, 20.0, 0.3, 0.5, 2.0), factors.Factor(0.5, 25.0, 0.2, 0.4, 1.0)]}
    means = {"tape": {"basic": Score("all", "basic", 20.0, 0.4), "pool": Score("all", "pool", 22.0, 0.3)}}

    of_factors, of_order = plots.factors_plot(found), plots.order_plot(means)
    for number, figure in enumerate((of_factors, of_order)):
        plots.save(figure, tmp_path / f"{number}.png")

    drawn = [[list(line.get_ydata()) for line in axes.lines] for axes in of_factors.axes]
    assert drawn == [[[20.0, 25.0]], [[0.3, 0.2]], [[0.5, 0.4]], [[2.0, 1.0]]]
    assert [[list(line.get_ydata()) for line in axes.lines] for axes in of_order.axes] == [[[20.0, 22.0]], [[0.4, 0.3]]]
    with Image.open(tmp_path / "0.png") as picture:
        assert picture.size[0] > 1000


def test_a_part_may_be_named_after_an_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for script in (repair, load("learn")):
        with pytest.raises(SystemExit):
            script.main([str(tmp_path), "-o", str(tmp_path), "nonsense"])
        assert "'nonsense' is not a part" in capsys.readouterr().err
