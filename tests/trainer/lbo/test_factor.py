"""Measures of a factor, and the file of a choice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trainer.lbo.factor import FactorChoice, Measure, Suggestion, measure, read_choice
from trainer.lbo.folder import CHOICE_FILE


def flat_areas(noise: float = 0, blur: float = 0) -> Image.Image:
    """Draw flat areas with hard edges."""
    levels = np.full((120, 160), 200.0)
    levels[:, 40:80] = 60
    levels[30:34] = 20
    levels[70:, 120:] = 120
    levels += np.random.default_rng(0).normal(0, noise, levels.shape) if noise else 0
    grey = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")
    return grey.filter(ImageFilter.GaussianBlur(blur)) if blur else grey


def test_sharpness_falls_with_blur_and_artefacts_rise_with_noise() -> None:
    sharpness = [measure([flat_areas(blur=blur)]).sharpness for blur in (0, 0.7, 1.5, 3)]
    artefacts = [measure([flat_areas(noise=noise)]).artefacts for noise in (0, 1, 2, 3)]

    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 0.95
    assert sharpness[3] < 0.4
    assert artefacts == sorted(artefacts)
    assert artefacts[0] < 0.01
    assert artefacts[3] == pytest.approx(3, rel=0.15)
    both = measure([flat_areas(), flat_areas(blur=3)])
    assert both.sharpness == pytest.approx((sharpness[0] + sharpness[3]) / 2)


def test_a_picture_of_one_colour_has_measures_of_0() -> None:
    assert measure([Image.new("RGB", (64, 64), "grey")]) == Measure(0, 0)


def test_a_choice_keeps_its_suggestion(tmp_path: Path) -> None:
    suggestion = Suggestion(factor=0.6, confidence="medium", runner_up=1.0, about_as_good=(0.6, 1.0))
    choice = FactorChoice(factor=0.7, by="page", model="v2", suggestion=suggestion, origin={"format": "2"})

    choice.save(tmp_path)

    assert read_choice(tmp_path) == choice


def test_a_choice_of_the_first_format_is_read_for_its_origin(tmp_path: Path) -> None:
    (tmp_path / CHOICE_FILE).write_text(
        '{"factor": 0.9, "by": "suggestion", "model": "v2", "suggested": 0.9, "origin": {"format": "1"}, '
        '"hints": [{"factor": 0.9, "sharpness": 0.5, "artefacts": 1.0}]}'
    )

    choice = read_choice(tmp_path)

    assert choice is not None
    assert (choice.factor, choice.suggestion, choice.origin) == (0.9, None, {"format": "1"})


def test_a_suggestion_is_told_in_words() -> None:
    sure = Suggestion(factor=1.0, confidence="high", runner_up=0.9, about_as_good=(1.0, 1.0))
    unsure = Suggestion(factor=0.6, confidence="low", runner_up=1.0, about_as_good=(0.5, 1.0))

    assert sure.describe() == "x1 is suggested with high confidence; the next best is x0.9"
    assert unsure.describe() == (
        "x0.6 is suggested with low confidence; the next best is x1; x0.5 to x1 may be as good"
    )
