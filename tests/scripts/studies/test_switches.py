"""The study of switches: pairs of runs, what is measured, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.studies.switches import __main__ as switches
from scripts.studies.switches.pictures import draw_clips
from scripts.studies.switches.scores import DEGRADATIONS, MEASURES, Limits, Scores, read_hq, score
from scripts.studies.switches.variants import SEEDS, STEPS, VARIANTS, Variant
from tests.scripts.studies.measures import MeanDifference
from trainer.data.clips import find_clips
from trainer.data.toy_clips import write_toy_clips
from trainer.dataset.clean import clean_set
from trainer.previews import SIDE
from trainer.settings import override
from trainer.vsr.config import preset
from vsanimesr.network.torch_network import AnimeSR

LIMITS = Limits(clips=2, frames=3, width=96, height=64)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    write_toy_clips(tmp_path / "train")
    write_toy_clips(tmp_path / "held-out", seed=1)
    return tmp_path


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_trainer_accepts_the_settings_and_a_pair_differs_by_its_switch_alone(variant: Variant) -> None:
    study = switches.Study(Path("clips"), Path("out"), quick=False)
    stage, name, *assignments = study.arguments(variant, 2)
    settings = override(preset(stage, name), assignments)

    assert (settings.steps, settings.seed) == (STEPS, 2)
    if variant.partner:
        (partner,) = (each for each in VARIANTS if each.name == variant.partner)
        assert not partner.partner
        differing = set(study.arguments(variant, 2)) ^ set(study.arguments(partner, 2))
        switch = {*variant.settings} or {f"data={study.out / each.data}" for each in (variant, partner)}
        assert differing == switch


def test_scores_are_to_hq_to_sharpened_hq_and_without_reference(clips: Path) -> None:
    torch.manual_seed(0)
    network = AnimeSR(features=4, blocks=(2, 1, 1)).eval()

    found, bicubic = (score(each, find_clips(clips / "held-out"), LIMITS, MeanDifference()) for each in (network, None))

    assert found.keys() == bicubic.keys() == DEGRADATIONS.keys()
    for kind, own in found.items():
        assert list(own) == list(MEASURES)
        assert all(len(values) == 2 for values in own.values())
        assert all(value == value for values in own.values() for value in values)
        assert all(hq > lines for hq, lines in zip(own["PSNR-Y"], own["PSNR-Y to lines"], strict=True))
        assert all(own[measure] != bicubic[kind][measure] for measure in MEASURES)
    assert found["as video"] != found["frames coded alone"]


def test_the_page_has_a_row_for_each_clip(clips: Path) -> None:
    network = AnimeSR(features=4, blocks=(2, 1, 1)).eval()
    held_out = find_clips(clips / "held-out")[:2]

    page = draw_clips({"one": network, "two": network}, held_out, Limits(2, 3, 128, 128))

    width, height = page.size
    cells = 5  # bicubic, two networks, HQ, sharpened HQ
    assert (width // SIDE, height // SIDE) == (cells, 2)
    assert np.asarray(page)[:, -SIDE:].std() > 10


def test_compressed_clips_are_parts_that_can_be_cleaned(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.dataset.clean.load_network", lambda *_: AnimeSR(features=4, blocks=(2, 1, 1)).eval())

    switches.compress(clips / "train", clips / "compressed", LIMITS)
    assert not switches.is_whole(clips / "compressed", clips / "cleaned")
    clean_set(clips / "compressed", clips / "cleaned")

    assert switches.is_whole(clips / "compressed", clips / "cleaned")
    for hq, made in zip(find_clips(clips / "train"), find_clips(clips / "compressed"), strict=True):
        part = read_hq(hq, LIMITS).permute(0, 2, 3, 1).float()
        frames = torch.stack([torch.tensor(frame) for frame in made.read(range(len(made)))]).float()
        assert part.shape == frames.shape == (3, 64, 96, 3)
        assert 0.2 < (part - frames).abs().mean() < 15


def test_scores_after_a_missing_seed_are_left_out(clips: Path) -> None:
    study = switches.Study(clips, clips / "out", quick=False)
    (clips / "out" / "scores").mkdir(parents=True)
    for name in ("plain-0", "plain-2", "lines-0", "lines-1", "lines-2"):
        (clips / "out" / "scores" / f"{name}.json").write_text(f'"{name}"')

    found: dict[str, Any] = dict(study.read_scores())

    assert (found["plain"], found["lines"]) == (["plain-0"], ["lines-0", "lines-1", "lines-2"])
    assert found["bicubic"] == []


def test_tables_show_means_and_the_difference_of_each_seed_to_its_partner() -> None:
    def rows(*seeds: tuple[float, float]) -> list[Scores]:
        return [{kind: {each: list(clips) for each in MEASURES} for kind in DEGRADATIONS} for clips in seeds]

    found = {
        "bicubic": rows((20, 20)),
        "plain": rows((20, 22), (23, 25)),
        "lines": rows((22, 24), (25, 27)),
        "intra": rows((21, float("nan")), (23, float("nan"))),
        "compressed": rows((1, 2)),
        "cleaned": [],
    }
    tables = switches.format_tables(found)

    assert len(tables) == 2 * len(DEGRADATIONS)
    means, changes = ({row[0]: row[1:] for row in table.rows} for table in tables[:2])
    assert means["plain"][:2] == ("2", "22.50")
    assert means["intra"][:2] == ("2", "22.00")  # of the clip that has a value
    assert means["bicubic"][:3] == ("1", "20.00", "20.0000")
    assert changes["lines - plain"][:2] == ("2", "**+2.00 (+2.00 to +2.00)**")
    assert changes["intra - plain"][1].startswith("+0.50 (-5.85 to +6.85")  # two seeds: 12.71 deviations of the mean
    assert set(changes) == {"lines - plain", "intra - plain"}
    assert SEEDS >= 2
