"""Figures of training steps: they stay on the device until they are needed, so that no step waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import DivergedError
from .batch import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LAG = 2
"""Steps after which figures are looked at on a GPU. By then they have long been computed, and the next steps wait there
to be run: the GPU never stands still for it."""
_STOP = "stop"


@dataclass(frozen=True)
class _Copy:
    """Figures on their way to the CPU."""

    step: int
    names: tuple[str, ...]
    values: Tensor
    batch: Batch
    done: torch.cuda.Event | None

    def read(self) -> dict[str, float]:
        if self.done:
            self.done.synchronize()
        return dict(zip(self.names, self.values.numpy().tolist(), strict=True))


class Figures:
    """Figures of each step, averaged over all processes, so that each of them decides the same.

    On a CPU they can be read at once. On a GPU they are read `LAG` steps later.

    Args:
        folder: where the batch of a step is saved whose figures are not finite.
    """

    def __init__(self, fabric: Fabric, folder: Path) -> None:
        self._fabric = fabric
        self._folder = folder
        self._lag = _lag_on(fabric.device)
        self._copies: deque[_Copy] = deque()
        self.stop = False
        """Whether one of the processes was asked to stop, by the figures that were read."""

    def add(self, step: int, losses: Mapping[str, Tensor], batch: Batch, *, stop: bool) -> None:
        """Add the figures of a step.

        Args:
            losses: numbers on the device.
            batch: the batch of the step, as it was loaded.
            stop: whether this process is asked to stop.
        """
        values = torch.stack([each.detach().float() for each in losses.values()])
        others = torch.tensor([float(batch.failures), float(stop)])
        others = others.pin_memory() if values.is_cuda else others
        values = torch.cat([values, others.to(values.device, non_blocking=True)])
        if self._fabric.world_size > 1:
            self._fabric.all_reduce(values, reduce_op="mean")
        done = None
        if values.is_cuda:
            values = torch.empty(values.shape, pin_memory=True).copy_(values, non_blocking=True)
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record()
        self._copies.append(_Copy(step, (*losses, "failures", _STOP), values, batch, done))

    def read(self, *, everything: bool) -> list[dict[str, float]]:
        """Return the figures of steps that were not returned yet, in order.

        Args:
            everything: also those that the device is still computing.

        Raises:
            DivergedError: a figure is not finite. The batch of its step is saved.
        """
        found = []
        while len(self._copies) > (0 if everything else self._lag):
            copy = self._copies.popleft()
            figures = copy.read()
            self.stop |= figures.pop(_STOP) > 0
            self._require_finite(copy, figures)
            found.append(figures)
        return found

    def _require_finite(self, copy: _Copy, figures: dict[str, float]) -> None:
        wrong = ", ".join(f"{name}={figure}" for name, figure in figures.items() if figure - figure != 0)
        if not wrong:
            return
        file = self._folder / f"diverged-step-{copy.step:08}-rank-{self._fabric.global_rank}.safetensors"
        batch = copy.batch.to(self._fabric.device)
        save_file({"input": batch.input.contiguous(), "target": batch.target.contiguous()}, file)
        raise DivergedError(
            f"in step {copy.step} {wrong}: the batch is in {file}, the weights before it in the last checkpoint. Lower "
            "optimiser.rate, or use precision=fp32"
        )


def _lag_on(device: torch.device) -> int:
    return LAG if device.type == "cuda" else 0
