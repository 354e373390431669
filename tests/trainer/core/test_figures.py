"""Steps wait for nothing that the device computes, and still no wrong weights are saved."""

from __future__ import annotations

import csv
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.core import checkpoints, figures
from trainer.core.batch import Batch
from trainer.core.figures import LAG
from trainer.core.loop import StopSignals, fastest_kernels
from trainer.core.records import METRICS_FILE
from trainer.data.toy_clips import write_toy_clips
from trainer.errors import DivergedError
from trainer.settings import override
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.train import train

SMALL = (
    *("network.features=4", "discriminator.features=2", "discriminator.layers=[2,1]", "sampling.size=32"),
    *("sampling.frames=2", "records.log=4", "records.preview=0", "records.save=1000", "start=random", "batch=1"),
)
READS = ("tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__")
"""Methods of a tensor that wait for its device."""
ELSEWHERE = ("/torch/optim/", "core/loader.py", "core/checkpoints.py")
"""Where tensors are on the CPU in any case: Adam counts its steps there."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_toy_clips(folder, clips=1)
    return folder


@pytest.fixture
def small(clips: Path) -> Callable[..., VSRConfig]:
    def settings(*assignments: str, stage: str = "vsr-l1") -> VSRConfig:
        return override(preset(stage, "debug"), [*SMALL, f"data={clips}", *assignments])

    return settings


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read figures as late as on a GPU."""
    monkeypatch.setattr(figures, "_lag_on", lambda device: LAG)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / METRICS_FILE).open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name != "steps_per_second"} for row in csv.DictReader(file)
        ]


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes who reads the value of a tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.note("value")
        return func(*args, **(kwargs or {}))

    def note(self, name: str) -> None:
        files = [frame.filename for frame in traceback.extract_stack()]
        inside = [file for file in files if "/trainer/core/" in file]
        if any(file.endswith("core/loop.py") for file in inside) and not any(
            part in file for part in ELSEWHERE for file in files
        ):
            self.found.append(f"{name} in {Path(inside[-1]).name}")


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
def test_figures_of_a_step_are_read_later_or_where_they_are_written(
    stage: str, small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, began, read = Waits(), [0], list[tuple[int, int]]()
    each_read, add = figures._Copy.read, figures.Figures.add

    def note_read(self: figures._Copy) -> dict[str, float]:
        read.append((self.step, began[0]))
        found = list(waits.found)
        values = each_read(self)
        waits.found[:] = found  # this read is the one that is meant
        return values

    def note_step(self: figures.Figures, step: int, *args: Any, **kwargs: Any) -> None:
        began[0] = step
        add(self, step, *args, **kwargs)

    monkeypatch.setattr(figures._Copy, "read", note_read)
    monkeypatch.setattr(figures.Figures, "add", note_step)
    for name in READS:
        method = getattr(torch.Tensor, name)

        def noted(self: torch.Tensor, *args: Any, name: str = name, method: Any = method, **kwargs: Any) -> Any:
            waits.note(name)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, noted)
    with waits:
        train(small("steps=8", "records.save=8", "optimiser.clip=1", stage=stage), tmp_path)

    assert waits.found == []
    logged = {3, 7}
    assert [step for step, _ in read] == [*range(8)]
    assert all(now - step == LAG or now in logged for step, now in read)
    assert {(0, 2), (1, 3), (2, 3), (3, 3), (4, 6)} <= {*read}


@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
def test_reading_late_changes_no_record_and_no_weight(
    stage: str, small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small("steps=7", "records.log=3", "records.save=5", stage=stage)
    train(settings, tmp_path / "soon")
    monkeypatch.setattr(figures, "_lag_on", lambda device: LAG)
    train(settings, tmp_path / "late")

    assert rows(tmp_path / "late") == rows(tmp_path / "soon")
    for a, b in zip(*(checkpoints.paths_in(tmp_path / each) for each in ("soon", "late")), strict=True):
        soon, late = checkpoints.read(a), checkpoints.read(b)
        assert soon["means"] == late["means"]
        assert all(torch.equal(soon["ema"][name], weight) for name, weight in late["ema"].items())


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("save", [1, 1000])
def test_what_is_not_finite_is_found_late_and_not_saved(
    save: int, small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[torch.Tensor] = []
    each_to = Batch.to

    def spoil(self: Batch, device: torch.device) -> Batch:
        fed.append(each_to(self, device).target)
        return each_to(self, device)

    def norm(self: Any) -> dict[str, torch.Tensor]:
        return {"gradient_norm": torch.tensor(float("nan") if len(fed) == 3 else 1.0)}  # of step 2

    monkeypatch.setattr(Batch, "to", spoil)
    monkeypatch.setattr("trainer.core.train_state.TrainState.gradient_norm", norm)
    with pytest.raises(DivergedError, match=r"in step 2 gradient_norm=nan: the batch is in .*-00000002-rank-0"):
        train(small("steps=50", f"records.save={save}", "records.log=1000", "degrade_on=device"), tmp_path)

    (file,) = tmp_path.glob("diverged-*.safetensors")
    assert torch.equal(load_file(file)["target"], fed[2])
    steps = [checkpoints.read(path)["step"] for path in checkpoints.paths_in(tmp_path)]
    assert steps == ([1, 2] if save == 1 else [])


@pytest.mark.usefixtures("late")
def test_a_request_to_stop_is_followed_some_steps_later(
    small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enter(self: StopSignals) -> StopSignals:
        self.received = True
        return self

    monkeypatch.setattr(StopSignals, "__enter__", enter)
    monkeypatch.setattr(StopSignals, "__exit__", lambda self, *_: None)

    train(small("steps=50", "records.log=1"), tmp_path / "soon")
    train(small("steps=50", "records.log=1000"), tmp_path / "late")

    assert [checkpoints.read(path)["step"] for path in checkpoints.paths_in(tmp_path / "soon")] == [1]
    assert [checkpoints.read(path)["step"] for path in checkpoints.paths_in(tmp_path / "late")] == [LAG + 1]


@pytest.mark.parametrize("before", [False, True])
def test_kernels_are_tried_on_a_gpu_only_and_the_setting_is_put_back(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", before)
    with fastest_kernels(torch.device("cpu")):
        assert torch.backends.cudnn.benchmark is before
    with suppress(KeyError), fastest_kernels(torch.device("cuda")):
        assert torch.backends.cudnn.benchmark
        raise KeyError
    assert torch.backends.cudnn.benchmark is before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("stage", ["vsr-l1", "vsr-gan"])
@pytest.mark.parametrize("place", ["workers", "device"])
def test_no_step_waits_for_the_gpu(
    place: str, stage: str, small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first steps, which set things up, and the last one, which is saved."""
    add = figures.Figures.add

    def watch(self: figures.Figures, step: int, *args: Any, **kwargs: Any) -> None:
        torch.cuda.set_sync_debug_mode("error" if 3 <= step < 20 else "default")
        add(self, step, *args, **kwargs)

    monkeypatch.setattr(figures.Figures, "add", watch)
    try:
        settings = small("steps=24", "records.log=1000", f"degrade_on={place}", "optimiser.clip=1", stage=stage)
        train(settings, tmp_path)
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert checkpoints.read(checkpoints.paths_in(tmp_path)[-1])["step"] == 24
