"""The rows that inputs allow, the results of their networks, and the paper's orders."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.table2.rows import MULTI, NN_ONLY, OTHER, POOL, SINGLE, Rows
from trainer.table2.tables import Results

CLIPS = [f"clip {number}" for number in range(6)]
MEASURES = ("maniqa", "niqe")


@given(st.integers(1, 5), st.booleans(), st.booleans())
def test_every_row_has_a_network_and_every_order_is_that_of_the_paper(
    episodes: int, other: bool, started: bool
) -> None:
    rows = Rows(episodes, other=other, started=started)
    networks = {variant.name: variant for variant in rows.variants}

    assert len(networks) == len(rows.variants)
    assert {row.network for row in rows} == networks.keys()
    assert all(networks.keys() >= set(order) for order in rows.orders)
    paper = {row.network: row.paper for row in rows if row.paper}
    for worse, better in rows.orders:
        if worse in paper and better in paper:
            assert paper[worse] < paper[better]
    ordered = {frozenset(order) for order in rows.orders}
    for ablation in {row.ablation for row in rows}:
        own = {row.network for row in rows if row.ablation == ablation} - set(rows.singles[1:])
        for pair in combinations(sorted(own), 2):
            assert frozenset(pair) in ordered or NN_ONLY in pair, pair
    for name in networks:
        assert len({row.paper for row in rows if row.network == name}) == 1, "one network, one figure"
    assert (POOL in paper) == (episodes == 3)
    assert (POOL in networks) == (episodes > 1)
    assert (OTHER in networks) == other
    assert len(rows.left_out) == (episodes == 1) + (not other)
    assert [networks[name].from_random for name in (SINGLE, MULTI) if name in networks] == [True] * (1 + started)


def results(effects: dict[str, float], seeds: dict[str, int]) -> Results:
    """Networks whose MANIQA is higher by their effect, and whose NIQE is lower."""
    generator = np.random.default_rng(0)

    def score(effect: float) -> dict[str, dict[str, float]]:
        own = {clip: number / 50 + effect + 0.002 * generator.standard_normal() for number, clip in enumerate(CLIPS)}
        return {"maniqa": own, "niqe": {clip: 9 - value for clip, value in own.items()}}

    scores = {name: {seed: score(effect) for seed in range(seeds.get(name, 3))} for name, effect in effects.items()}
    return Results(Rows(2, other=False, started=False), scores, MEASURES, ["a note"])


EFFECTS = {"basic": 0.2, "nn-only": 0.1, "lbo-1": 0.3, "lbo-2": 0.2, "pool": 0.3, "single-scale": 0.4}


def test_an_order_holds_or_not_by_every_measure_in_its_own_direction() -> None:
    found = list(csv.DictReader(io.StringIO(results(EFFECTS, {}).to_csv()["orders.csv"])))

    verdicts: dict[tuple[str, str], set[str]] = {(row["worse"], row["better"]): set() for row in found}
    for row in found:
        verdicts[row["worse"], row["better"]].add(row["verdict"])
        assert row["measure"] in MEASURES
    assert verdicts == {
        ("nn-only", "basic"): {"holds"},
        ("basic", "lbo-1"): {"holds"},
        ("basic", "lbo-2"): {"within chance"},
        ("lbo-1", "pool"): {"within chance"},
        ("lbo-2", "pool"): {"holds"},
        ("basic", "pool"): {"holds"},
        ("single-scale", "lbo-1"): {"the opposite holds"},
    }


def test_networks_are_compared_on_the_seeds_and_clips_that_both_have() -> None:
    some = results(EFFECTS, {"pool": 1, "lbo-2": 0})
    without = {clip: value for clip, value in some.scores["basic"][0]["niqe"].items() if clip != CLIPS[0]}
    basic = {**some.scores["basic"], 0: {**some.scores["basic"][0], "niqe": without}}
    some = replace(some, scores={**some.scores, "basic": basic})
    files = {name: list(csv.DictReader(io.StringIO(text))) for name, text in some.to_csv().items()}

    seeds = {(row["worse"], row["better"], row["measure"]): row["seeds"] for row in files["orders.csv"]}
    assert seeds["basic", "pool", "niqe"] == "1"
    assert {row["verdict"] for row in files["orders.csv"] if row["seeds"] == "1"} == {"one seed"}
    assert {(row["low"], row["high"]) for row in files["results.csv"] if row["seeds"] == "1"} == {("", "")}
    assert seeds["basic", "lbo-1", "niqe"] == "3"
    assert not any("lbo-2" in key for key in seeds)
    clips = {(row["row"], row["measure"]): row["clips"] for row in files["results.csv"]}
    assert (clips["BasicOP-only", "niqe"], clips["NN-only", "niqe"]) == ("5", "5")
    assert clips["BasicOP-only", "maniqa"] == "6"


def test_each_row_has_its_mean_between_the_ends_of_its_interval_and_rows_of_one_network_the_same() -> None:
    own = results(EFFECTS, {})
    means = list(csv.DictReader(io.StringIO(own.to_csv()["results.csv"])))

    for row in means:
        assert float(row["low"]) < float(row["mean"]) < float(row["high"])
        values = [value for each in own.scores[row["network"]].values() for value in each[row["measure"]].values()]
        assert float(row["mean"]) == pytest.approx(np.mean(values))
    same = {tuple(row[name] for name in ("mean", "low", "high")) for row in means if row["network"] == "lbo-1"}
    assert len(same) == len(MEASURES)


def test_the_table_says_what_is_missing_and_has_a_row_for_what_is_not_known_yet() -> None:
    text = results({"basic": 0.2}, {"basic": 1}).to_markdown()

    assert "(--other)" in text
    assert "* a note" in text
    assert "| degradation | BasicOP-only | basic | 0.3554 | 1 |" in text
    assert "| degradation | NN-only | nn-only | 0.3034 | 0 |  |  |" in text
    assert "0 of 0 hold beyond chance" in text
    assert Results(Rows(1, other=True, started=True), {}, MEASURES, []).to_csv()["orders.csv"].count("\n") == 1
