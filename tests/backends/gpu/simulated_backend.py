"""A backend for the filter: the pipeline on the simulated device, with a network that costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import vapoursynth as vs

from tests.backends.gpu.simulator import Array, SimulatedDevice, SimulatedProgram
from tests.video import core
from vsanimesr import bridge
from vsanimesr.backends import null
from vsanimesr.backends.base import Availability, Frame, Setup, SteppedBackend, Ticket
from vsanimesr.backends.gpu.formats import choose_formats
from vsanimesr.backends.gpu.pipeline import Pipeline
from vsanimesr.network.tensors import WINDOW, step_tensors
from vsanimesr.pixels import RGBS

FEATURES = 8


class MixingProgram(SimulatedProgram):
    """The enlarged frames of the window, with a share of the level of all windows before.

    Inputs that differ little make outputs that differ little. So frames that are converted elsewhere, and thus rounded
    in another way, can be compared.
    """

    def compute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        prev, cur, next_ = (inputs[name] for name in WINDOW)
        means = [float(np.nan_to_num(picture, posinf=0, neginf=0).mean()) for picture in (prev, cur, next_)]
        level = 0.5 * float(inputs["sr"].flat[0]) + 0.2 * means[0] + 0.3 * means[1] - 0.1 * means[2]
        mixed = 0.15 * prev + 0.9 * cur - 0.1 * next_ + np.float32(0.1 * level)
        outputs = {"frame": mixed.repeat(4, 2).repeat(4, 3)}
        return outputs | {f"{name}_out": np.full_like(inputs[name], level) for name in ("sr", "hidden")}


class CountingPipeline(Pipeline):
    """A pipeline that counts."""

    steps = 0
    """Number of steps since it was opened."""

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        self.steps += 1
        return super().submit(prev, cur, next, output=output)


class SimulatedBackend(SteppedBackend):
    """The pipeline. Each instance has its own order of execution."""

    converts: ClassVar = True
    """Whether it takes own formats."""
    device_class: ClassVar[type[SimulatedDevice]] = SimulatedDevice
    opened: ClassVar = 0

    def _open(self, setup: Setup) -> CountingPipeline:
        SimulatedBackend.opened += 1
        device = self.device_class(seed=SimulatedBackend.opened, lag=0.7)
        program = MixingProgram(device, step_tensors(setup.width, setup.height, "fp32", FEATURES))
        source, target = choose_formats(setup, device) if self.converts else (RGBS, None)
        self.pipeline = CountingPipeline(
            device, program, backend="simulated", graphs=True, source=source, target=target
        )
        return self.pipeline

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True, "a simulation")


class RGBBackend(SimulatedBackend):
    """The same, of which VapourSynth's `resize` converts the frames."""

    converts = False


def upscale(
    clip: vs.VideoNode, backend: type[SimulatedBackend] = SimulatedBackend, **arguments: Any
) -> tuple[vs.VideoNode, SimulatedBackend]:
    """Open the filter with a backend. Return its node and the backend, or that of its tiles."""
    with _installed(backend):
        node = core.animesr.Upscale(clip, backend="null", **arguments)
    opened = bridge._sessions[max(bridge._sessions)]._backend
    assert bridge._sessions[max(bridge._sessions)].own_formats == opened.own_formats
    inner = getattr(opened, "_backend", opened)
    assert isinstance(inner, backend)
    return node, inner


@contextmanager
def _installed(backend: type[SimulatedBackend]) -> Iterator[None]:
    """Give the name `null` to a backend."""
    before = null.NullBackend
    null.NullBackend = backend  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        null.NullBackend = before  # type: ignore[misc]
