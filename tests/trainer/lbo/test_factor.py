"""Measures of a factor, and the suggested factor."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trainer.lbo.factor import Measure, measure, suggest_factor
from trainer.lbo.rescaling import FACTORS


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


def test_the_suggested_factor_has_few_artefacts_and_is_sharp() -> None:
    sharpness = dict(zip(FACTORS, (1, 1, 0.98, 0.97, 0.95, 0.9, 0.6, 0.3), strict=True))
    artefacts = dict(zip(FACTORS, (4, 3.6, 3, 2, 1.2, 0.4, 0.35, 0.3), strict=True))

    assert suggest_factor({f: Measure(sharpness[f], artefacts[f]) for f in FACTORS}) == 0.5
    assert suggest_factor({f: Measure(sharpness[f], 1) for f in FACTORS}) == 1  # artefacts are the same everywhere
