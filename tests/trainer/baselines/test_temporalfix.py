"""vs_temporalfix gets the frames of a baseline in their order, and no more of them than it sees."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainer.baselines import temporalfix
from trainer.baselines.compact import Compact
from trainer.baselines.load import is_baseline
from trainer.baselines.network import Baseline, BaselineNetwork
from trainer.baselines.temporalfix import STRENGTH, VERSION, TemporalFix
from trainer.errors import BaselineError
from trainer.evaluation.upscaler import FrameByFrame, Movable, Upscaler
from vsanimesr.errors import MissingDependencyError


def averaged(clip: Any, **arguments: object) -> Any:
    """Stands in for the model: the mean of seven frames, those outside of the clip mirrored."""
    assert arguments == {"strength": STRENGTH, "backend": "cpu", "gpu_id": 0}
    longer = clip[1:4][::-1] + clip + clip[-2:-5:-1]
    return longer.std.AverageFrames([1] * 7)[3 : 3 + len(clip)]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package."""
    monkeypatch.setitem(sys.modules, "vs_temporalfix", SimpleNamespace(model=averaged))
    monkeypatch.setattr(temporalfix, "version", lambda name: VERSION)


def baseline() -> Baseline:
    torch.manual_seed(0)
    return Baseline("small", Compact(features=2, blocks=0))


@pytest.mark.parametrize("frames", [4, 5, 12, 30])
def test_frames_in_their_order(frames: int, installed: None) -> None:
    lr = torch.rand(frames, 3, 6, 8)
    upscaler: Upscaler = TemporalFix(baseline())

    found = upscaler(lr)

    plain = baseline()(lr)
    longer = torch.cat([plain[1:4].flip(0), plain, plain[-4:-1].flip(0)])
    expected = torch.stack([longer[n : n + 7].mean(0) for n in range(frames)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert isinstance(upscaler, FrameByFrame)
    assert isinstance(upscaler, Movable)
    assert upscaler.name == "small+temporalfix"


class Counting(BaselineNetwork):
    """Counts the frames that were computed."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = 0

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        for frame in torch.split(lr, 1):
            self.computed += 1
            yield frame.repeat_interleave(4, 2).repeat_interleave(4, 3)


@given(st.data())
def test_a_window_in_any_order(data: st.DataObject) -> None:
    """VapourSynth's threads may ask for the seven frames of a window in any order, and for some of them again."""
    served = temporalfix._Source(iter(torch.arange(12.0).view(12, 1, 1, 1, 1)))
    for middle in range(3, 9):
        for n in data.draw(st.permutations(range(middle - 3, middle + 4))):
            assert served.read(n).item() == n


def test_a_frame_at_a_time(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Counting()
    upscaler = TemporalFix(Baseline("counting", network))
    network.computed = 0

    for n, _ in enumerate(upscaler.frames(torch.rand(20, 3, 4, 4))):
        assert network.computed == min(n + 4, 20)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_short_clip_goes_on_with_its_last_frame(frames: int, installed: None) -> None:
    lr = torch.rand(frames, 3, 4, 4)
    longer = lr[[*range(frames), *[-1] * (4 - frames)]]

    assert torch.equal(TemporalFix(baseline())(lr), TemporalFix(baseline())(longer)[:frames])


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(temporalfix, "version", missing)
    with pytest.raises(MissingDependencyError, match=r"run: pip install --no-deps vs_temporalfix==2\.4\.1"):
        TemporalFix(baseline())


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporalfix, "version", lambda name: "2.5.0")
    with pytest.raises(BaselineError, match=r"needs vs_temporalfix 2\.4\.1, and 2\.5\.0 is installed"):
        TemporalFix(baseline())


def test_the_name() -> None:
    assert is_baseline("realesr-animevideov3+temporalfix")
    assert is_baseline("bsrgan=x.pth+temporalfix")
    assert not is_baseline("v2+temporalfix")


def test_the_real_package_calms_noise() -> None:
    """Slow on a CPU, so it is not among what tests install."""
    pytest.importorskip("vs_temporalfix", reason="the package vs_temporalfix is not installed")
    upscaler = TemporalFix(Baseline("counting", Counting()))
    still = torch.rand(1, 3, 12, 16).expand(5, -1, -1, -1)
    noisy = (still + torch.randn(5, 3, 12, 16) / 50).clamp(0, 1)

    plain, fixed = noisy, upscaler(noisy)[:, :, ::4, ::4]

    assert fixed.std(0).mean() < 0.8 * plain.std(0).mean()
