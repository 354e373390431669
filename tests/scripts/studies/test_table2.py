"""The command that the study runs, its episodes and its set. Nothing is trained."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scripts.studies import table2
from trainer.cli.table2 import add_arguments
from trainer.data.clips import find_clips
from trainer.evaluation.sets import open_set
from trainer.evaluation.upscaler import Bicubic
from trainer.table2.inputs import Inputs

FRAMES = 6
TINT = 0.02, -0.01, 0.04


class Tinted(Bicubic):
    """Bicubic that shifts colours by TINT, whole range 1."""

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        for frame in super().frames(lr):
            yield frame + torch.tensor(TINT)[:, None, None]


def draw(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(FRAMES):
        picture = Image.fromarray(random.integers(0, 256, (9, 16, 3), np.uint8)).resize((640, 360))
        picture.save(folder / f"{number:08}.png")


def test_the_command_trains_on_episodes_and_scores_what_is_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(table2, "train", lambda *arguments: calls.append(arguments))
    shown: list[Path] = []
    monkeypatch.setattr(table2, "write_shifts", lambda results, _: shown.append(results))
    drawn = ("train/green-1", *(f"{kind}/{show}-{n}" for n, kind in enumerate(("hidden-episodes", "hidden-scenes"), 1)
                                for show in ("island", "line", "garden")))  # fmt: skip
    for seed, name in enumerate(drawn):
        draw(tmp_path / "drawn" / name, seed)
    draw(tmp_path / table2.OTHER / "art-1", 99)

    for _ in range(2):  # the second time, nothing is written
        assert table2.main(["--data", str(tmp_path), "-o", str(tmp_path / "out"), "--minutes", "30"]) == 0
    assert table2.main(["--data", str(tmp_path), "-o", str(tmp_path / "out"), "--minutes", "0"]) == 0

    assert calls[0] == calls[1]
    assert shown == []  # with --minutes, networks may be unfinished
    for more in (["--dry-run"], []):
        assert table2.main(["--data", str(tmp_path), "-o", str(tmp_path / "out"), *more]) == 0
    assert shown == [tmp_path / "out" / "results"]
    assert "--minutes 0.0" in " ".join(calls[2])  # which the trainer refuses
    (name, *arguments) = calls[0]
    assert name == "table2"
    parser = ArgumentParser()
    add_arguments(parser)
    args, assignments = parser.parse_known_args(arguments)
    assert (args.minutes, args.dry_run, args.pseudo_hq_colour) == (30, False, "source")
    inputs = Inputs(
        args.episodes, args.data, args.folder, args.other, args.steps, args.l1_steps, assignments=assignments
    )
    inputs.check(as_is=False)
    assert len(inputs.rows.variants) == 8
    lq, hq = (find_clips(args.scored / kind) for kind in ("lq", "hq"))
    assert [clip.name for clip in lq] == [clip.name for clip in hq] == ["garden-2", "island-2", "line-2"]
    assert {clip.check() for clip in lq} == {(192, 108)}
    assert {clip.check() for clip in hq} == {(768, 432)}
    assert not {clip.digest() for clip in hq} & {clip.digest() for clip in find_clips(args.data)}


def test_the_shift_of_colours_is_that_of_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, size in (("lq", (32, 24)), ("hq", (128, 96))):
        for scene in ("one", "two"):
            folder = tmp_path / "set" / kind / scene
            folder.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", size, (100, 120, 140)).save(folder / f"{number}.png")
    clips = open_set(tmp_path / "set", 2, None)

    expected = 255 * np.array([*TINT, np.abs(TINT).mean()])
    assert table2.measure_shift(Tinted(), clips) == pytest.approx(expected, abs=0.01)
    assert table2.measure_shift(Bicubic(), clips) == pytest.approx(np.zeros(4), abs=0.01)

    results = tmp_path / "results"
    (results / "scores").mkdir(parents=True)
    (results / "scores" / "bicubic-0.json").write_text("{}")
    table2.write_shifts(results, tmp_path / "set")
    assert "| bicubic | 1 | " in (results / "shifts.md").read_text()
    assert (results / "shifts.md").read_text() in capsys.readouterr().out
