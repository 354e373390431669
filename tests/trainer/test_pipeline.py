"""What is drawn for a clip, and that it goes through all of it, in order, in the right scale."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.degradation import pipeline
from trainer.degradation.blur import blurred
from trainer.degradation.codec import transcoded
from trainer.degradation.draw import ATTEMPTS, Draw, drawn
from trainer.degradation.levels import Pictures
from trainer.degradation.noise import noisy
from trainer.degradation.pipeline import degraded
from trainer.degradation.scaling import scaled_down
from trainer.degradation.settings import PRESETS, Degradation
from trainer.errors import CodecError
from trainer.settings import changed

from .clips import drawn_clip

PAPER = PRESETS["paper"]


def draws(settings: Degradation, count: int = 2000, operators: int = 0) -> list[Draw]:
    return [drawn(settings, np.random.default_rng(n), 15, operators) for n in range(count)]


def draw_of(settings: Degradation, seed: int = 0, frames: int = 15, operators: int = 0) -> Draw:
    return drawn(settings, np.random.default_rng(seed), frames, operators)


@pytest.fixture
def without_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "transcoded", lambda pictures, name, options: pictures)


def test_draws_have_the_ranges_and_shares_of_the_settings() -> None:
    found = draws(PRESETS["release"])

    isotropic = [draw for draw in found if draw.angle == 0 and draw.sigma_x == draw.sigma_y]
    elongated = [draw for draw in found if draw not in isotropic]
    assert len(isotropic) / len(found) == pytest.approx(0.7, abs=0.03)
    assert 0.2 <= min(draw.sigma_x for draw in found) < 0.25 < 3.95 < max(draw.sigma_x for draw in found) <= 4
    assert 0.8 <= min(draw.sigma_y for draw in elongated) < 0.85 < 2.95 < max(draw.sigma_y for draw in elongated) <= 3
    sigmas = [255 * sigma for draw in found for sigma in draw.sigmas]
    assert 0 <= min(sigmas) < 0.1 < 9.9 < max(sigmas) <= 10
    assert np.mean([grey for draw in found for grey in draw.grey]) == pytest.approx(0.5, abs=0.01)
    modes = [stage.mode for draw in found for stage in draw.stages]
    assert modes.count("bicubic") / len(modes) == pytest.approx(0.4, abs=0.03)
    options = [draw.encodings[0].options for draw in found]
    assert [each["profile"] for each in options].count("high") / len(found) == pytest.approx(0.7, abs=0.03)
    rates = [float(each["crf"]) for each in options]
    assert 18 <= min(rates) < 18.2 < 34.8 < max(rates) <= 35
    assert len({seed for draw in found for seed in draw.seeds}) == 15 * len(found)


def test_codecs_come_as_often_as_they_should() -> None:
    names = [draw.encodings[0].name for draw in draws(changed(PAPER, ["codec.names.mpeg2=1", "codec.names.mpeg4=2"]))]

    assert names.count("h264") / len(names) == pytest.approx(1 / 4, abs=0.03)
    assert names.count("mpeg4") / len(names) == pytest.approx(1 / 2, abs=0.03)


def test_frozen_noise_is_one_pattern_for_all_grey_frames_and_no_coloured_one() -> None:
    for draw in draws(changed(PAPER, ["noise.frozen_grey=true"]), 50):
        grey = {seed for seed, same in zip(draw.seeds, draw.grey, strict=True) if same}
        coloured = [seed for seed, same in zip(draw.seeds, draw.grey, strict=True) if not same]
        assert len(grey) <= 1
        assert len(set(coloured)) == len(coloured)
        assert not grey & set(coloured)


def test_a_draw_follows_from_the_generator_alone() -> None:
    assert draw_of(PAPER, 5) == draw_of(PAPER, 5)
    assert draw_of(PAPER, 5) != draw_of(PAPER, 6)


def test_as_many_numbers_are_drawn_whatever_comes_out() -> None:
    """So that changing one setting leaves what follows it as it is."""
    always, never = (changed(PAPER, [f"blur.isotropic={p}", "codec.names.mpeg2=1", "down.lbo=0.5"]) for p in (1, 0))
    for seed in range(20):
        for operators in (0, 3):
            one, other = draw_of(always, seed, operators=operators), draw_of(never, seed, operators=operators)
            assert one.angle != other.angle
            assert one.encodings == other.encodings
            assert one.seeds == other.seeds
        alone, among = draw_of(always, seed), draw_of(always, seed, operators=3)
        assert alone.encodings == among.encodings


@pytest.mark.usefixtures("without_codec")
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_order_is_blur_noise_down_bytes(preset: str) -> None:
    settings = PRESETS[preset]
    clip, draw = drawn_clip(7), draw_of(settings, 4, 7)

    found, failures = degraded(clip, settings, draw)

    picture = blurred(clip.float() / 255, draw.sigma_x, draw.sigma_y, draw.angle)
    picture = noisy(picture, draw.sigmas, draw.grey, draw.seeds)
    for stage in draw.stages:
        picture = scaled_down(picture, stage.factor, stage.mode)
    levels = 255 * picture.clamp(0, 1)
    levels = levels.floor() if preset == "release" else levels.round()
    assert failures == 0
    assert (found.shape, found.dtype) == ((7, 3, 32, 32), torch.float32)
    assert torch.allclose(255 * found, levels, atol=1e-3)


def test_a_clip_comes_out_smaller_and_alike(caplog: pytest.LogCaptureFixture) -> None:
    clip = drawn_clip()
    small = scaled_down(clip.float() / 255, 4, "area")
    for preset, seed in itertools.product(sorted(PRESETS), range(4)):
        found, failures = degraded(clip, PRESETS[preset], draw_of(PRESETS[preset], seed))
        assert failures == 0
        assert torch.equal((255 * found).round() / 255, found)  # values of 8 bits
        assert 0.01 < (found - small).abs().mean() < 0.15
    assert not caplog.records


def test_a_codec_that_fails_is_tried_again_counted_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[dict[str, str]] = []

    def failing(pictures: Pictures, name: str, options: dict[str, str]) -> Pictures:
        calls.append(options)
        if len(calls) < 3:
            raise CodecError(f"number {len(calls)}")
        return transcoded(pictures, name, options)

    monkeypatch.setattr(pipeline, "transcoded", failing)
    draw = draw_of(PAPER)
    with caplog.at_level(logging.WARNING):
        found, failures = degraded(drawn_clip(), PAPER, draw)

    assert failures == 2
    assert calls == [encoding.options for encoding in draw.encodings[:3]]
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["number 1", "number 2"]
    assert 0 < found.mean() < 1


def test_a_clip_that_no_codec_takes_is_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(pictures: Pictures, name: str, options: dict[str, str]) -> Pictures:
        raise CodecError("no")

    monkeypatch.setattr(pipeline, "transcoded", failing)
    with pytest.raises(CodecError, match=f"could not be encoded in any of {ATTEMPTS} ways"):
        degraded(drawn_clip(), PAPER, draw_of(PAPER))


def test_swapped_channels_are_the_codecs_and_nobody_elses() -> None:
    clip = drawn_clip()
    swapped = changed(PAPER, ["codec.swapped=true"])
    flipped, _ = degraded(clip.flip(1), PAPER, _without_coloured_noise(draw_of(PAPER)))
    found, _ = degraded(clip, swapped, _without_coloured_noise(draw_of(PAPER)))

    assert torch.equal(found, flipped.flip(1))


def _without_coloured_noise(draw: Draw) -> Draw:
    return replace(draw, grey=tuple(True for _ in draw.grey))


def test_analogue_faults_come_as_often_as_they_should_and_within_their_ranges() -> None:
    some = changed(PAPER, [f"analogue.{name}=0.25" for name in ("chroma_bleed", "dot_crawl", "halo", "interlace")])
    found = [fault for draw in draws(some) for fault in draw.faults]

    ends: dict[str, dict[str, tuple[float, float]]] = {
        "chroma_bleed": {"width": (1, 5), "shift": (0, 3)},
        "dot_crawl": {"strength": (0.2, 0.9), "phase": (0, 2 * math.pi), "rainbow": (0, 0.5), "comb": (0, 1)},
        "halo": {"strength": (0.05, 0.3), "radius": (1, 2.5)},
        "interlace_residue": {"strength": (0.1, 0.6), "parity": (0, 1)},
    }
    for name, ranges in ends.items():
        alike = [fault.arguments for fault in found if fault.name == name]
        assert len(alike) / 2000 == pytest.approx(0.25, abs=0.03)
        for argument, (low, high) in ranges.items():
            values = [arguments[argument] for arguments in alike]
            assert low <= min(values) < low + 0.03 * (high - low)
            assert high - 0.03 * (high - low) < max(values) <= high
    for draw in draws(PAPER, 100) + draws(PRESETS["release"], 100):
        assert draw.faults == ()
    assert all(len(draw.faults) < 2 or _in_order(draw) for draw in draws(some))


def _in_order(draw: Draw) -> bool:
    order = ["chroma_bleed", "dot_crawl", "halo", "interlace_residue"]
    places = [order.index(fault.name) for fault in draw.faults]
    return places == sorted(places)


@pytest.mark.usefixtures("without_codec")
def test_analogue_faults_are_on_lr_frames() -> None:
    always = changed(PAPER, [f"analogue.{name}=1" for name in ("chroma_bleed", "dot_crawl", "halo", "interlace")])
    clip, draw = drawn_clip(3), draw_of(always, 4, 3)
    picture, _ = degraded(clip, always, replace(draw, faults=()))

    found, _ = degraded(clip, always, draw)

    for fault in draw.faults:
        picture = pipeline.FAULTS[fault.name](picture, **fault.arguments)
    assert len(draw.faults) == 4
    assert (found - picture.clamp(0, 1)).abs().max() < 4 / 255  # this one was rounded once more


@pytest.mark.usefixtures("without_codec")
@pytest.mark.parametrize("mode", ["after_down", "replace"])
def test_a_learned_operator_has_its_place(mode: str) -> None:
    settings = changed(PAPER, ["down.lbo=1", f"down.lbo_mode={mode}"])
    draw = draw_of(settings, 3, 2, operators=2)
    seen: list[tuple[int, int]] = []

    def operator(number: int, clip: Tensor) -> Tensor:
        seen.append((number, clip.shape[-1]))
        return 1 - (clip if mode == "after_down" else scaled_down(clip, 2, "area"))

    operators = [lambda clip: operator(0, clip), lambda clip: operator(1, clip)]
    degraded(drawn_clip(2), settings, draw, operators)

    sizes = [64, 32] if mode == "after_down" else [128, 64]
    assert seen == [(stage.lbo, size) for stage, size in zip(draw.stages, sizes, strict=True)]


def test_a_clip_has_one_operator_drawn_evenly_and_only_where_there_are_any() -> None:
    half = changed(PAPER, ["down.lbo=0.5"])
    clips = draws(half, operators=3)
    found = [stage.lbo for draw in clips for stage in draw.stages]
    assert all(len({stage.lbo for stage in draw.stages} - {None}) <= 1 for draw in clips)
    assert {len({stage.lbo for stage in draw.stages}) for draw in clips} == {1, 2}  # each stage by itself has it or not

    assert found.count(None) / len(found) == pytest.approx(1 / 2, abs=0.03)
    for number in range(3):
        assert found.count(number) / len(found) == pytest.approx(1 / 6, abs=0.02)
    assert all(stage.lbo is None for draw in draws(half, 50) for stage in draw.stages)
