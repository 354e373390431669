"""Memory of a training step, as it is computed without running it, and settings that fit into it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.advice import memory
from trainer.advice.memory import GIGABYTE, memory_assignments, step_memory
from trainer.bench.data import draw_clip
from trainer.bench.plan import time_stage
from trainer.bench.steps import DEPTH
from trainer.cli import main
from trainer.errors import SettingError
from trainer.losses.vgg.network import expected_shapes
from trainer.settings import override
from trainer.vsr.config import VSRConfig, preset

SMALL = ["sampling.frames=2", "sampling.size=96", "network.blocks=[2,1,1]"]


def small(*assignments: str, stage: str = "vsr-l1") -> VSRConfig:
    return override(preset(stage, "paper"), [*SMALL, "losses.perceptual.weight=0", *assignments])


def test_a_single_kind_of_tensor_is_counted_exactly() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(), memory._Peak() as peak:
        kept = torch.empty(1000)
        for _ in range(5):
            torch.empty(2000)  # freed at once
        view = kept[:10].view(2, 5)
        view.add_(1)
    assert peak.most == 4 * (1000 + 2000)


def test_memory_grows_as_training_does() -> None:
    one, four, parts = (step_memory(small(*each)) for each in (["batch=1"], ["batch=4"], ["batch=4", "parts=4"]))

    assert one < parts < four
    assert step_memory(small("batch=4", "precision=bf16")) < 0.8 * four
    longer = step_memory(small("batch=4", "sampling.frames=4"))
    assert longer > 1.5 * four
    assert step_memory(small("batch=4", "sampling.frames=4", "recompute=true")) < 0.75 * longer


def test_a_gan_needs_more() -> None:
    assert step_memory(small("batch=1", "losses.gan=1", stage="vsr-gan")) > 1.5 * step_memory(small("batch=1"))


@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
def test_parts_are_computed_from_two_steps(stage: str) -> None:
    config = small(f"losses.gan={int(stage == 'vsr-gan')}", "batch=16", "parts=4", stage=stage)

    assert memory._memory_of_parts(config)(config) == pytest.approx(step_memory(config), rel=0.08)


def test_the_fastest_settings_that_fit_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_parts(settings: VSRConfig) -> object:
        clip = GIGABYTE if settings.recompute else 2 * GIGABYTE
        return lambda config: clip * config.batch // config.parts

    monkeypatch.setattr(memory, "_memory_of_parts", of_parts)

    def chosen(gigabytes: float, *own: str) -> tuple[int, int, bool]:
        config = override(small(), [*memory_assignments(small(), own, gigabytes, "bf16"), *own])
        assert (config.precision, config.channels_last) == ("bf16", True)
        return config.batch, config.parts, config.recompute

    assert chosen(48) == (16, 1, False)
    assert chosen(24) == (16, 2, False)
    assert chosen(12) == (16, 4, False)
    assert chosen(4) == (16, 16, False)
    assert chosen(2.5) == (16, 16, True)
    assert chosen(12, "batch=4") == (4, 1, False)
    assert chosen(4, "batch=6") == (6, 6, False)
    assert chosen(2.5, "batch=4") == (4, 4, True)
    with pytest.raises(SettingError, match="--gpu-memory 2 does not hold a step of vsr-l1"):
        chosen(2)


def test_without_a_gpu_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert main(["vsr-l1", "paper", f"data={tmp_path}", "--gpu-memory", "8", "-o", str(tmp_path / "out")]) == 1
    assert "--gpu-memory 8 is the memory of a GPU, and there is none here" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("gigabytes", [8, 12, 24])
@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
def test_a_step_stays_below_the_memory_of_the_card(stage: str, gigabytes: float, tmp_path: Path) -> None:
    draw_clip(tmp_path)
    vgg = tmp_path / "vgg.pth"  # of the depth that the bench takes, so nothing is fetched
    torch.save({name: torch.zeros(shape) for name, shape in expected_shapes(DEPTH).items()}, vgg)
    settings = override(preset(stage, "paper"), [f"data={tmp_path / 'clips'}", f"losses.perceptual.weights={vgg}"])
    config = override(settings, memory_assignments(settings, [], gigabytes, "bf16"))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    time_stage(config, 5)

    reserved = torch.cuda.max_memory_reserved()
    assert reserved < (gigabytes - memory.RESERVED) * GIGABYTE
    assert torch.cuda.max_memory_allocated() == pytest.approx(step_memory(config), rel=0.15)
