"""Degradation by batches equals that of each clip, on every device."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.trainer.clips import cartoon_clip
from tests.trainer.degradation.learned.operators import random_operator
from tests.trainer.degradation.samples import PAPER, sample
from trainer.data.uint8 import round_to_8_bits, to_uint8
from trainer.degradation import pipeline
from trainer.degradation.batch import collate, degrade_batch, draw
from trainer.degradation.learned.operator import Operator
from trainer.degradation.pipeline import LearnedOperator, degrade
from trainer.degradation.sampling import DegradationSample
from trainer.degradation.settings import PRESETS, Degradation
from trainer.settings import override

CLOSE = 1e-4
FAULTS = tuple(f"analogue.{name}=0.5" for name in ("chroma_bleed", "dot_crawl", "halo", "interlace"))
on_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_gpu)])


def one_by_one(
    clips: list[Tensor],
    degradation: Degradation,
    samples: list[DegradationSample],
    operators: Sequence[LearnedOperator],
    monkeypatch: pytest.MonkeyPatch,
) -> Tensor:
    """Return what `degrade` rounds to 8 bits."""
    found: list[Tensor] = []

    def note(clip: Tensor, *, truncate: bool = False) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        found.append(clip)
        return to_uint8(clip, truncate=truncate)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "to_uint8", note)
        patch.setattr(pipeline, "transcode", lambda frames, name, options: frames)
        for clip, each in zip(clips, samples, strict=True):
            degrade(clip, degradation, each, operators)
    return torch.stack(found)


def clip(seed: int, frames: int, size: int) -> Tensor:
    torch.manual_seed(seed)
    return cartoon_clip(frames, size, size).roll(seed, -1) // 2 + torch.randint(0, 99, (frames, 3, size, size)).byte()


@devices
@pytest.mark.parametrize("preset", [*PRESETS, "operators that follow", "operators that replace"])
def test_a_batch_of_different_clips_equals_each_of_them(
    preset: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    degradation, operators = PRESETS.get(preset, PAPER), list[Operator]()
    if preset not in PRESETS:
        mode = "replace" if preset.endswith("replace") else "after_down"
        degradation = override(PAPER, ["down.lbo=0.7", f"down.lbo_mode={mode}"])
        operators = [random_operator(halves=mode == "replace", features=4, seed=seed) for seed in range(2)]
    degradation = override(degradation, FAULTS)
    samples = [sample(degradation, seed, 3, len(operators)) for seed in range(12)]
    clips = [clip(seed, 3, 40) for seed in range(12)]
    assert len({each.sigma_x == each.sigma_y for each in samples}) == (1 if preset == "clean" else 2)
    assert len({each.stages for each in samples}) > 2
    assert len({len(each.faults) for each in samples}) > 2

    batch = collate([draw(each, parameters) for each, parameters in zip(clips, samples, strict=True)])
    moved = [copy.deepcopy(each).to(device) for each in operators]
    with torch.no_grad():
        found = degrade_batch(batch.to(torch.device(device)), degradation, moved).cpu()

    expected = one_by_one(clips, degradation, samples, operators, monkeypatch)
    assert found.shape == (12, 3, 3, 10, 10)
    assert (found - expected).abs().max() < CLOSE * max(1, expected.abs().max().item())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 999), min_size=1, max_size=6),
    st.integers(1, 4),
    st.sampled_from([16, 24, 48]),
    st.booleans(),
)
def test_a_clip_is_the_same_in_any_batch(seeds: list[int], frames: int, size: int, frozen: bool) -> None:
    degradation = override(PAPER, [f"noise.frozen_grey={str(frozen).lower()}"])
    clips = [draw(clip(seed, frames, size), sample(degradation, seed, frames)) for seed in seeds]

    together = degrade_batch(collate(clips), degradation)

    for n, each in enumerate(clips):
        assert torch.allclose(together[n], degrade_batch(collate([each]), degradation)[0], rtol=0, atol=1e-6)


def test_the_same_seeds_give_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without blur nothing is rounded before the noise is added, so even small noise has to agree."""
    still = override(PAPER, ["blur.isotropic=1", "blur.sigma=[0.01,0.01]", "noise.sigma=[1,1]"])
    parameters = sample(still, 1, 4)
    grey = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)

    found = degrade_batch(collate([draw(grey, parameters)]), still)

    expected = one_by_one([grey], still, [parameters], [], monkeypatch)
    noise = expected - 128 / 255
    assert len({*parameters.noise_grey}) == 2
    assert noise.std() > 5e-4
    assert (found - expected).abs().max() < 1e-3 * noise.std()


@pytest.mark.parametrize("truncate", [False, True])
def test_8_bits_are_those_of_one_clip(truncate: bool) -> None:
    clips = 1.2 * torch.rand(2, 3, 3, 8, 12) - 0.1

    found = round_to_8_bits(clips, truncate=truncate)

    assert all(np.array_equal(a.numpy(), to_uint8(b, truncate=truncate)) for a, b in zip(found, clips, strict=True))


def test_more_clips_than_are_degraded_at_once_keep_their_order() -> None:
    parameters = [replace(sample(PAPER, seed, 1), noise_sigmas=(0.0,)) for seed in range(11)]
    greys = [torch.full((1, 3, 16, 16), 20 * n, dtype=torch.uint8) for n in range(11)]

    found = degrade_batch(collate([draw(*pair) for pair in zip(greys, parameters, strict=True)]), PAPER)

    assert torch.allclose(255 * found.mean((1, 2, 3, 4)), 20.0 * torch.arange(11), atol=0.1)
