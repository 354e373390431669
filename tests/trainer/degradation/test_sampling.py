"""Samples of degradations: ranges, frequencies, and the random numbers they use."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.degradation.samples import PAPER, many_samples, sample
from trainer.degradation.sampling import DegradationSample, DownStage
from trainer.degradation.settings import LBO_PRESETS, PRESETS
from trainer.settings import override


def test_samples_have_the_ranges_and_frequencies_of_the_settings() -> None:
    found = many_samples(PRESETS["release"])

    isotropic = [each for each in found if each.angle == 0 and each.sigma_x == each.sigma_y]
    anisotropic = [each for each in found if each not in isotropic]
    assert len(isotropic) / len(found) == pytest.approx(0.7, abs=0.03)
    assert 0.2 <= min(each.sigma_x for each in found) < 0.25 < 3.95 < max(each.sigma_x for each in found) <= 4
    sigmas_y = [each.sigma_y for each in anisotropic]
    assert 0.8 <= min(sigmas_y) < 0.85 < 2.95 < max(sigmas_y) <= 3
    sigmas = [255 * sigma for each in found for sigma in each.noise_sigmas]
    assert 0 <= min(sigmas) < 0.1 < 9.9 < max(sigmas) <= 10
    assert np.mean([grey for each in found for grey in each.noise_grey]) == pytest.approx(0.5, abs=0.01)
    modes = [stage.mode for each in found for stage in each.stages]
    assert modes.count("bicubic") / len(modes) == pytest.approx(0.4, abs=0.03)
    options = [each.encodings[0].options for each in found]
    assert [each["profile"] for each in options].count("high") / len(found) == pytest.approx(0.7, abs=0.03)
    rates = [float(each["crf"]) for each in options]
    assert 18 <= min(rates) < 18.2 < 34.8 < max(rates) <= 35
    assert len({seed for each in found for seed in each.noise_seeds}) == 15 * len(found)


def test_codecs_have_their_frequencies() -> None:
    settings = override(PAPER, ["codec.names.mpeg2=1", "codec.names.mpeg4=2"])
    names = [each.encodings[0].name for each in many_samples(settings)]

    assert names.count("h264") / len(names) == pytest.approx(1 / 4, abs=0.03)
    assert names.count("mpeg4") / len(names) == pytest.approx(1 / 2, abs=0.03)


def test_frozen_noise_is_one_pattern_for_all_grey_frames_and_no_colour_frame() -> None:
    for each in many_samples(override(PAPER, ["noise.frozen_grey=true"]), 50):
        grey = {seed for seed, is_grey in zip(each.noise_seeds, each.noise_grey, strict=True) if is_grey}
        colour = [seed for seed, is_grey in zip(each.noise_seeds, each.noise_grey, strict=True) if not is_grey]
        assert len(grey) <= 1
        assert len(set(colour)) == len(colour)
        assert not grey & set(colour)


def test_a_sample_depends_on_the_generator_alone() -> None:
    assert sample(PAPER, 5) == sample(PAPER, 5)
    assert sample(PAPER, 5) != sample(PAPER, 6)


def test_a_seed_gives_the_same_sample_in_every_version() -> None:
    """So runs resume with the same samples. The order of random values must not change."""
    faults = ("chroma_bleed", "dot_crawl", "halo", "interlace")
    settings = override(PAPER, [*(f"analogue.{name}=1" for name in faults), "down.lbo=0.5", "codec.names.mpeg2=1"])

    found = sample(settings, 42, frames=2, operators=3)

    assert (found.sigma_x, found.sigma_y, found.angle) == pytest.approx((3.462672, 2.334210, -2.549859), abs=1e-6)
    assert found.noise_sigmas == pytest.approx((0.038260, 0.029849), abs=1e-6)
    assert found.noise_grey == (False, True)
    assert found.noise_seeds == (3420008128027789332, 8547898282882222423)
    assert found.stages == (DownStage(2, "bicubic", 1), DownStage(2, "area", None))
    bleed, dots, halo, interlace = (fault.arguments for fault in found.faults)
    assert bleed == pytest.approx({"width": 1.255269, "shift": 2.482894}, abs=1e-6)
    assert dots == pytest.approx(
        {"strength": 0.642165, "phase": 4.763206, "rainbow": 0.177263, "comb": 0.970698}, abs=1e-6
    )
    assert halo == pytest.approx({"strength": 0.273280, "radius": 2.167575}, abs=1e-6)
    assert interlace == pytest.approx({"strength": 0.197319, "parity": 1}, abs=1e-6)
    first, second = found.encodings[:2]
    assert (first.name, first.options["qmin"]) == ("mpeg2", "7")
    assert (second.name, second.options["crf"], second.options["profile"]) == ("h264", "26.0870", "main")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("paper", "6323789334a02e0a"),
        ("release", "defc473cffb0c3fc"),
        ("dvd", "d9978eacc62aad6d"),
        ("clean", "2aeb6df3fef154e6"),
        ("paper with operators", "aa361f163e95d859"),
        ("release with operators", "3a77bcd60674266b"),
    ],
)
def test_presets_draw_what_they_drew_before_frames_could_be_coded_alone(kind: str, digest: str) -> None:
    """Of each bit. The digests are of the version before that one."""
    name, _, pool = kind.partition(" with ")
    settings = (LBO_PRESETS if pool else PRESETS)[name]
    found = hashlib.sha256()
    for seed in range(50):
        each = sample(settings, seed, frames=3, operators=2)
        parts = (each.sigma_x, each.sigma_y, each.angle, each.noise_sigmas, each.noise_grey, each.noise_seeds)
        stages = [(stage.factor, stage.mode, stage.lbo) for stage in each.stages]
        faults = [(fault.name, dict(fault.arguments)) for fault in each.faults]
        encodings = [(encoding.name, dict(encoding.options)) for encoding in each.encodings]
        found.update(repr((*parts, stages, faults, encodings)).encode())
        assert not any(encoding.alone for encoding in each.encodings)

    assert found.hexdigest()[:16] == digest


def test_frames_are_coded_alone_with_their_probability_codecs_and_qualities_and_nothing_else_changes() -> None:
    settings = override(PAPER, ["codec.intra.probability=0.5", "codec.intra.names.webp=3"])
    found = many_samples(settings)

    alone = [each.encodings[0] for each in found if each.encodings[0].alone]
    assert len(alone) / len(found) == pytest.approx(0.5, abs=0.03)
    assert [each.name for each in alone].count("webp") / len(alone) == pytest.approx(0.5, abs=0.04)
    for name in ("avif", "h264", "hevc"):
        assert [each.name for each in alone].count(name) / len(alone) == pytest.approx(1 / 6, abs=0.04)
    for name, option in (("webp", "quality"), ("avif", "quality"), ("h264", "crf"), ("hevc", "crf")):
        values = [float(each.options[option]) for each in alone if each.name == name]
        low, high = getattr(settings.codec.intra, name)
        margin = 0.1 * (high - low)
        assert low <= min(values) < low + margin < high - margin < max(values) <= high
    for each, before in zip(found, many_samples(PAPER), strict=True):
        assert {encoding.alone for encoding in each.encodings} in ({False}, {True})
        if each.encodings[0].alone:
            each = replace(each, encodings=before.encodings)
        assert each == before


def test_the_number_of_random_values_does_not_depend_on_their_outcome() -> None:
    """A changed setting leaves the samples of the following ones unchanged."""
    always, never = (override(PAPER, [f"blur.isotropic={p}", "codec.names.mpeg2=1", "down.lbo=0.5"]) for p in (1, 0))
    for seed in range(20):
        for operators in (0, 3):
            one, other = sample(always, seed, operators=operators), sample(never, seed, operators=operators)
            assert one.angle != other.angle
            assert one.encodings == other.encodings
            assert one.noise_seeds == other.noise_seeds
        without_pool, with_pool = sample(always, seed), sample(always, seed, operators=3)
        assert without_pool.encodings == with_pool.encodings


def test_analogue_faults_have_their_frequencies_ranges_and_order() -> None:
    some = override(PAPER, [f"analogue.{name}=0.25" for name in ("chroma_bleed", "dot_crawl", "halo", "interlace")])
    found = [fault for each in many_samples(some) for fault in each.faults]

    ends: dict[str, dict[str, tuple[float, float]]] = {
        "chroma_bleed": {"width": (1, 5), "shift": (0, 3)},
        "dot_crawl": {"strength": (0.2, 0.9), "phase": (0, 2 * math.pi), "rainbow": (0, 0.5), "comb": (0, 1)},
        "halo": {"strength": (0.05, 0.3), "radius": (1, 2.5)},
        "interlace_residue": {"strength": (0.1, 0.6), "parity": (0, 1)},
    }
    for name, ranges in ends.items():
        of_this_name = [fault.arguments for fault in found if fault.name == name]
        assert len(of_this_name) / 2000 == pytest.approx(0.25, abs=0.03)
        for argument, (low, high) in ranges.items():
            values = [arguments[argument] for arguments in of_this_name]
            assert low <= min(values) < low + 0.03 * (high - low)
            assert high - 0.03 * (high - low) < max(values) <= high
    for each in many_samples(PAPER, 100) + many_samples(PRESETS["release"], 100):
        assert each.faults == ()
    assert all(len(each.faults) < 2 or _in_order(each) for each in many_samples(some))


def _in_order(each: DegradationSample) -> bool:
    order = ["chroma_bleed", "dot_crawl", "halo", "interlace_residue"]
    places = [order.index(fault.name) for fault in each.faults]
    return places == sorted(places)


def test_a_clip_has_one_operator_all_equally_frequent_and_none_without_a_pool() -> None:
    half = override(PAPER, ["down.lbo=0.5"])
    clips = many_samples(half, operators=3)
    found = [stage.lbo for each in clips for stage in each.stages]
    assert all(len({stage.lbo for stage in each.stages} - {None}) <= 1 for each in clips)
    assert {len({stage.lbo for stage in each.stages}) for each in clips} == {1, 2}  # stages are independent

    assert found.count(None) / len(found) == pytest.approx(1 / 2, abs=0.03)
    for number in range(3):
        assert found.count(number) / len(found) == pytest.approx(1 / 6, abs=0.02)
    assert all(stage.lbo is None for each in many_samples(half, 50) for stage in each.stages)
