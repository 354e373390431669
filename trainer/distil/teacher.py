"""The teacher in a training step: its frames and states, and the losses of a student that should have the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from vsanimesr.network.shapes import SCALE, SR_CHANNELS
from vsanimesr.network.torch_network import AnimeSR

from ..core.batch import Batch
from ..losses.discriminator import MultiScaleDiscriminator
from ..losses.objective import LossValues, Objective, l1, mse
from ..losses.perceptual import PerceptualLoss
from ..origin import Origin, digest_tensors
from ..vsr.config import DistilConfig
from ..vsr.recurrence import StateRecurrence
from .student import Student

STILL = 1e-3
"""Smallest deviation of a channel of the hidden state that counts: one that never changes teaches nothing."""


class TeacherRun:
    """A teacher over clips, in the precision and memory layout of the training.

    Args:
        network: the teacher. It is changed: to the layout, and to need no gradients.
    """

    def __init__(self, settings: DistilConfig, network: AnimeSR) -> None:
        network = network.requires_grad_(False).eval().to(memory_format=settings.layout)
        self.recurrence = StateRecurrence(network, layout=settings.layout)
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(settings.precision)

    @torch.no_grad()
    def __call__(self, lr: Tensor) -> Tensor:
        """Return the states after each frame. See `StateRecurrence`."""
        with torch.autocast(lr.device.type, self._dtype, enabled=self._dtype is not None):
            states: Tensor = self.recurrence(lr)
        return states


class Teacher:
    """A network whose states are learned.

    Args:
        student: what the student was cut as: the channels of the hidden state that it has.
    """

    def __init__(self, settings: DistilConfig, network: AnimeSR, student: Student) -> None:
        self._settings = settings
        self._student = student
        self._run = TeacherRun(settings, network)

    def sources(self) -> Origin:
        """Return the weights of the teacher, and how the student was cut."""
        return {"teacher": digest_tensors(self._run.recurrence.network.state_dict()), "cut": self._student.digest}

    def to(self, device: torch.device) -> object:
        """Move the network to a device."""
        return self._run.recurrence.to(device)

    def teach(self, batch: Batch) -> Batch:
        """Return a batch whose target is the part of the teacher's states that the student has.

        Samples with answers have it already.
        """
        if self._settings.distillation.kept:
            return batch
        sr, hidden = _split(self._run(batch.input))
        kept = hidden[:, :, torch.tensor(self._student.hidden, device=hidden.device)]
        return replace(batch, target=torch.cat([sr, kept], 2))

    def objective(self, perceptual: PerceptualLoss | None) -> Objective:
        """Return the losses of states."""
        return StateObjective(self._settings, perceptual, self._student.deviations)


class StateObjective(Objective):
    """Compares the states of a student with its teacher's: SR frames, hidden states, and features of some frames.

    Args:
        deviations: of the channels of the teacher's hidden state that the student has.
    """

    def __init__(
        self, settings: DistilConfig, perceptual: PerceptualLoss | None, deviations: tuple[float, ...]
    ) -> None:
        super().__init__(settings.losses, perceptual)
        self._settings = settings.distillation
        self._units = torch.tensor(deviations).clamp(min=STILL).view(1, 1, -1, 1, 1)

    def generator_losses(
        self, output: Tensor, target: Tensor, discriminator: MultiScaleDiscriminator | None
    ) -> LossValues:
        """Compute the losses of a student's states.

        Args:
            output, target: (batch, frames, 48 + features, height, width).
            discriminator: there is none.
        """
        (sr, hidden), (expected_sr, expected_hidden) = map(_split, (output, target))
        weights = self._weights
        losses: LossValues = {}
        if weights.l1:
            losses["l1"] = weights.l1 * l1(sr, expected_sr)
        if weights.mse:
            losses["mse"] = weights.mse * mse(sr, expected_sr)
        if self._settings.state:
            units = self._units.to(hidden.device)
            losses["state"] = self._settings.state * l1(hidden / units, expected_hidden / units)
        if self._perceptual:
            count, last = self._settings.perceptual_frames, sr.shape[1] - 1
            chosen = sorted({last - n * (last + 1) // count for n in range(count) if n <= last})
            frames = [functional.pixel_shuffle(each[:, chosen].flatten(0, 1), SCALE) for each in (sr, expected_sr)]
            losses["perceptual"] = weights.perceptual.weight * self._perceptual(*frames)
        return losses


def _split(states: Tensor) -> tuple[Tensor, Tensor]:
    return states[:, :, :SR_CHANNELS], states[:, :, SR_CHANNELS:]
