"""The pipeline: its operators, their order and scale, and codecs that fail."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainer.clips import cartoon_clip
from tests.trainer.degradation.samples import PAPER, sample
from trainer.data.uint8 import Frames
from trainer.degradation import pipeline
from trainer.degradation.blur import blur
from trainer.degradation.codec import transcode
from trainer.degradation.noise import add_noise
from trainer.degradation.pipeline import degrade
from trainer.degradation.sampling import ATTEMPTS, DegradationSample
from trainer.degradation.scaling import downscale
from trainer.degradation.settings import PRESETS
from trainer.errors import CodecError
from trainer.settings import override


@pytest.fixture
def without_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "transcode", lambda frames, name, options: frames)


@pytest.mark.usefixtures("without_codec")
@pytest.mark.parametrize("preset", ["clean", "paper", "release"])  # without analogue faults
def test_the_order_is_blur_noise_downscaling_8_bits(preset: str) -> None:
    settings = PRESETS[preset]
    clip, parameters = cartoon_clip(7), sample(settings, 4, 7)

    found, failures = degrade(clip, settings, parameters)

    frames = blur(clip.float() / 255, parameters.sigma_x, parameters.sigma_y, parameters.angle)
    frames = add_noise(frames, parameters.noise_sigmas, parameters.noise_grey, parameters.noise_seeds)
    for stage in parameters.stages:
        frames = downscale(frames, stage.factor, stage.mode)
    levels = 255 * frames.clamp(0, 1)
    levels = levels.floor() if preset == "release" else levels.round()
    assert failures == 0
    assert (found.shape, found.dtype) == ((7, 3, 32, 32), torch.float32)
    assert torch.allclose(255 * found, levels, atol=1e-3)


def test_the_lr_clip_is_smaller_and_looks_like_the_hq_clip(caplog: pytest.LogCaptureFixture) -> None:
    clip = cartoon_clip()
    small = downscale(clip.float() / 255, 4, "area")
    for preset, seed in itertools.product(sorted(PRESETS), range(4)):
        found, failures = degrade(clip, PRESETS[preset], sample(PRESETS[preset], seed))
        assert failures == 0
        assert torch.equal((255 * found).round() / 255, found)  # 8-bit values
        assert 0.01 < (found - small).abs().mean() < 0.15
    assert not caplog.records


def test_a_failed_encoding_is_logged_counted_and_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[dict[str, str]] = []

    def failing(frames: Frames, name: str, options: dict[str, str]) -> Frames:
        calls.append(options)
        if len(calls) < 3:
            raise CodecError(f"number {len(calls)}")
        return transcode(frames, name, options)

    monkeypatch.setattr(pipeline, "transcode", failing)
    parameters = sample(PAPER)
    with caplog.at_level(logging.WARNING):
        found, failures = degrade(cartoon_clip(), PAPER, parameters)

    assert failures == 2
    assert calls == [encoding.options for encoding in parameters.encodings[:3]]
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["number 1", "number 2"]
    assert 0 < found.mean() < 1


def test_a_clip_that_cannot_be_encoded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(frames: Frames, name: str, options: dict[str, str]) -> Frames:
        raise CodecError("no")

    monkeypatch.setattr(pipeline, "transcode", failing)
    with pytest.raises(CodecError, match=f"all {ATTEMPTS} encodings of a clip failed"):
        degrade(cartoon_clip(), PAPER, sample(PAPER))


def test_swapped_colours_affect_the_codec_alone() -> None:
    clip = cartoon_clip()
    swapped = override(PAPER, ["codec.swapped=true"])
    exchanged, _ = degrade(clip.flip(1), PAPER, _with_grey_noise(sample(PAPER)))
    found, _ = degrade(clip, swapped, _with_grey_noise(sample(PAPER)))

    assert torch.equal(found, exchanged.flip(1))


def _with_grey_noise(parameters: DegradationSample) -> DegradationSample:
    return replace(parameters, noise_grey=tuple(True for _ in parameters.noise_grey))


@pytest.mark.usefixtures("without_codec")
def test_analogue_faults_are_applied_to_lr_frames() -> None:
    always = override(PAPER, [f"analogue.{name}=1" for name in ("chroma_bleed", "dot_crawl", "halo", "interlace")])
    clip, parameters = cartoon_clip(3), sample(always, 4, 3)
    lr, _ = degrade(clip, always, replace(parameters, faults=()))

    found, _ = degrade(clip, always, parameters)

    for fault in parameters.faults:
        lr = pipeline.FAULTS[fault.name](lr, **fault.arguments)
    assert len(parameters.faults) == 4
    assert (found - lr.clamp(0, 1)).abs().max() < 4 / 255  # `lr` was rounded once more


@pytest.mark.usefixtures("without_codec")
@pytest.mark.parametrize("mode", ["after_down", "replace"])
def test_a_learned_operator_follows_or_replaces_a_stage(mode: str) -> None:
    settings = override(PAPER, ["down.lbo=1", f"down.lbo_mode={mode}"])
    parameters = sample(settings, 3, 2, operators=2)
    calls: list[tuple[int, int]] = []

    def operator(number: int, clip: Tensor) -> Tensor:
        calls.append((number, clip.shape[-1]))
        return 1 - (clip if mode == "after_down" else downscale(clip, 2, "area"))

    operators = [lambda clip: operator(0, clip), lambda clip: operator(1, clip)]
    degrade(cartoon_clip(2), settings, parameters, operators)

    sizes = [64, 32] if mode == "after_down" else [128, 64]
    assert calls == [(stage.lbo, size) for stage, size in zip(parameters.stages, sizes, strict=True)]
