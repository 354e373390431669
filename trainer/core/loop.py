"""The training loop: the parts of a training step, in order.

There is one loop for every stage: a loss with weight 0 is left out, and without the GAN loss there is no discriminator.
Any number of processes can train, one for each GPU. Each takes its own samples, and gradients are averaged over all.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from ..data.samples import Samples
from ..losses.objective import LossValues, Objective, total_loss
from .batch import Batch
from .config import RunConfig
from .figures import Figures
from .loader import load_batches
from .run import Run
from .train_state import TrainState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_log = logging.getLogger(__name__)


def run_loop(
    settings: RunConfig,
    fabric: Fabric,
    samples: Samples,
    state: TrainState,
    objective: Objective,
    run: Run,
    teach: Callable[[Batch], Batch] | None = None,
) -> None:
    """Train from the step that the run has reached to its end, or until a signal asks to stop.

    Args:
        teach: puts the outputs of a teacher into a batch, which is on the device.

    Raises:
        DivergedError: a loss or gradient is not finite. The batch is saved; no weights from this step on are.
        TrainerError: a clip cannot be read, or a checkpoint cannot be written.
    """
    batches = load_batches(
        samples,
        settings,
        step=run.step,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
        device=fabric.device,
    )
    figures = Figures(fabric, run.folder)
    with StopSignals() as signals, closing(batches), fastest_kernels(fabric.device), run:
        while not (run.ended or figures.stop):
            loaded = next(batches)
            state.set_rates(run.step)
            batch = loaded.to(fabric.device)
            losses = train_step(fabric, state, objective, teach(batch) if teach else batch, settings.parts)
            # Nothing is written before all figures are known to be finite. The last step is always saved, also after a
            # request to stop.
            figures.add(run.step, losses, loaded, stop=signals.received)
            read = figures.read(everything=run.writes_next)
            read += figures.read(everything=figures.stop)
            run.advance(read, last=figures.stop)
    if not run.ended:
        _log.info("stopped after step %d as requested; the same command resumes the run", run.step)
    elif run.step < settings.steps:
        _log.info("%s ended after step %d: it no longer improved", run.folder, run.step)
    else:
        _log.info("%s has its %d steps", run.folder, run.step)


def train_step(fabric: Fabric, state: TrainState, objective: Objective, batch: Batch, parts: int) -> LossValues:
    """Train both networks by a batch on the device. Return the losses, and the norm of the network's gradient."""
    # 1. The network: its frames should be like the target's, and the discriminator should take them for real.
    outputs, losses = _add_gradients(fabric, state, objective, batch, parts)
    losses |= state.gradient_norm()
    state.clip_gradient()
    state.optimiser.step()
    state.optimiser.zero_grad()

    # 2. The discriminator: it should tell these frames from the target's.
    if state.discriminator:
        losses |= _add_discriminator_gradients(fabric, state, objective, batch, outputs)
        state.discriminator_optimiser.step()
        state.discriminator_optimiser.zero_grad()

    # 3. The EMA, which is what is exported.
    state.ema.update(state.network)
    return losses


def _add_gradients(
    fabric: Fabric, state: TrainState, objective: Objective, batch: Batch, count: int
) -> tuple[list[Tensor], LossValues]:
    """Run a batch in `count` parts, and add up the gradients of the network: those of the whole batch.

    Returns:
        The output for each part, and the losses of the batch.
    """
    outputs: list[Tensor] = []
    losses: list[LossValues] = []
    for part in _each_part(fabric, state, state.run_network, batch, count):
        output = state.run_network(part.input)
        with fabric.autocast():
            losses.append(objective.generator_losses(output, part.target, state.discriminator))
        fabric.backward(total_loss(losses[-1]) / count)
        outputs.append(output.detach())
    return outputs, _mean(losses)


def _add_discriminator_gradients(
    fabric: Fabric, state: TrainState, objective: Objective, batch: Batch, outputs: list[Tensor]
) -> LossValues:
    """Add up the gradients of the discriminator, part by part. Return its losses."""
    losses: list[LossValues] = []
    parts = _each_part(fabric, state, state.run_discriminator, batch, len(outputs))
    for part, output in zip(parts, outputs, strict=True):
        frames = torch.cat([part.target.flatten(0, 1), output.flatten(0, 1)])
        losses.append(objective.discriminator_losses(state.run_discriminator(frames)))
        fabric.backward(total_loss(losses[-1]) / len(outputs))
    return _mean(losses)


def _each_part(fabric: Fabric, state: TrainState, module: Any, batch: Batch, count: int) -> Iterator[Batch]:
    """Yield a batch in `count` parts. The gradients of `module` are averaged over all processes with the last one."""
    for n, part in enumerate(batch.split(count)):
        state.set_discriminator(fixed=n > 0)
        with fabric.no_backward_sync(module, enabled=n + 1 < count):
            yield part
    state.set_discriminator(fixed=False)


def _mean(losses: list[LossValues]) -> LossValues:
    return {name: torch.stack([each[name].detach() for each in losses]).mean() for name in losses[0]}


@contextmanager
def fastest_kernels(device: torch.device) -> Iterator[None]:
    """Let a GPU try which kernels are the fastest for each size of a convolution. Outside, settings are as before."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class StopSignals:
    """Notes SIGTERM and Ctrl-C inside a `with`, for the main thread. A second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.received = False
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as `signal` returned it

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True
