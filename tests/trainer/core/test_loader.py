"""Workers: the memory that they free, and their end."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader

from trainer.core import loader
from trainer.core.loader import load_batches, worker_count
from trainer.data.samples import Position, Sample, Samples
from trainer.vsr.config import preset
from vsanimesr.machine import cores

CPU = torch.device("cpu")
ROUNDS = 10
PAGES = 5 * 3 * 512 * 512 * 4 // 4096
"""Pages of the clip, and of each of the four blocks that blurring it allocates."""
PROGRAM = f"""
import resource
import torch
from trainer.core.loader import tune_malloc
from trainer.degradation.blur import blur

tune_malloc()
torch.set_num_threads(1)
clip = torch.rand(5, 3, 512, 512)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range({ROUNDS}):
    blur(clip, 2, 2, 0)
before = faults()
for _ in range({ROUNDS}):
    blur(clip, 2, 2, 0)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to keep freed memory")
def test_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)

    assert int(done.stdout) < PAGES * ROUNDS / 2  # 4 * PAGES in each round if memory is given back


END = """
import atexit
from trainer.core.loader import _prepare_worker

atexit.register(print, "the interpreter ends")
_prepare_worker(0)
"""


def test_a_worker_ends_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Numbers(Samples):
    """Samples that are their own position."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, position: Position) -> Sample:
        return Sample(torch.full((1, 3, 1, 1), float(position[1])), torch.zeros(1, 3, 4, 4, dtype=torch.uint8))

    def check(self) -> None:
        pass

    def digests(self) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("step", [0, 2, 4])
def test_batches_end_with_the_run(step: int) -> None:
    settings = preset("vsr-l1", "debug").model_copy(update={"steps": 4, "batch": 3})

    def load(step: int) -> list[torch.Tensor]:
        return [each.input for each in load_batches(Numbers(), settings, step=step, rank=0, ranks=1, device=CPU)]

    found = load(step)

    assert [each.shape[0] for each in found] == [3] * (4 - step)
    assert all(torch.equal(each, other) for each, other in zip(found, load(0)[step:], strict=True))


class Steps(Numbers):
    """Samples that show the step that they are for."""

    def at_step(self, position: Position, step: int) -> Sample:
        return Sample(torch.full((1, 3, 1, 1), float(step)), torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize(("ranks", "first"), [(1, 0), (1, 3), (2, 0), (2, 3)])
def test_samples_know_the_step_they_are_for(ranks: int, first: int) -> None:
    settings = preset("vsr-l1", "debug").model_copy(update={"steps": 6, "batch": 3})

    for rank in range(ranks):
        batches = load_batches(Steps(), settings, step=first, rank=rank, ranks=ranks, device=CPU)
        assert [{*each.input.flatten().tolist()} for each in batches] == [{step} for step in range(first, 6)]


@pytest.mark.parametrize(
    ("cores", "processes", "device", "expected"),
    [
        (2, 1, "cpu", 1),
        (16, 1, "cpu", 4),
        (1, 1, "cuda", 1),
        (16, 1, "cuda", 15),
        (64, 4, "cuda", 15),
        (2, 4, "cuda", 1),
    ],
)
def test_the_number_of_workers_follows_the_cores(
    cores: int, processes: int, device: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))

    assert worker_count("auto", torch.device(device)) == expected
    assert worker_count(0, torch.device(device)) == 0


def test_more_workers_than_cores_are_told_in_our_words(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning of PyTorch would be an error here."""
    many = cores() + 1
    settings = preset("vsr-l1", "debug").model_copy(update={"workers": many})
    monkeypatch.setattr(DataLoader, "__iter__", lambda self: iter(()))  # no process is started

    assert not list(load_batches(Numbers(), settings, step=0, rank=0, ranks=1, device=CPU))

    (record,) = caplog.records
    found = record.getMessage()
    assert found == f"workers={many} are more than the {cores()} cores for them; workers=auto sets what fits"
