"""The training loop: the parts of a training step, in order.

There is one loop for every stage: a loss with weight 0 is left out, and without the GAN loss there is no discriminator.
Any number of processes can train, one for each GPU. Each takes its own samples, and gradients are averaged over all.
"""

from __future__ import annotations

import logging
import signal
from types import FrameType
from typing import Self

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor

from ..data.samples import Samples
from ..errors import DivergedError
from ..losses.objective import LossValues, Objective, total_loss
from .config import RunConfig
from .loader import Batch, load_batches
from .run import Run
from .train_state import TrainState

_log = logging.getLogger(__name__)


def run_loop(
    settings: RunConfig, fabric: Fabric, samples: Samples, state: TrainState, objective: Objective, run: Run
) -> None:
    """Train from the step that the run has reached to its last step, or until a signal asks to stop.

    Raises:
        DivergedError: a loss or gradient is not finite. The batch is saved, the weights of that step are not.
        TrainerError: a clip cannot be read, or a checkpoint cannot be written.
    """
    batches = load_batches(
        samples,
        settings,
        step=run.step,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
        pin_memory=fabric.device.type == "cuda",
    )
    with StopSignals() as signals, run:
        stop = False
        while run.step < settings.steps and not stop:
            batch = next(batches).to(fabric.device)
            state.set_rates(run.step)

            # 1. The network: its frames should be like the target's, and the discriminator should take them for real.
            output = state.run_network(batch.input)
            with fabric.autocast():
                losses = objective.generator_losses(output, batch.target, state.discriminator)
            fabric.backward(total_loss(losses))
            losses |= state.gradient_norm()
            figures = _average(fabric, losses, batch, run, failures=batch.failures, stop=signals.received)
            state.clip_gradient()
            state.optimiser.step()
            state.optimiser.zero_grad()

            # 2. The discriminator: it should tell these frames from the target's.
            if state.discriminator:
                frames = torch.cat([batch.target.flatten(0, 1), output.detach().flatten(0, 1)])
                losses = objective.discriminator_losses(state.run_discriminator(frames))
                fabric.backward(total_loss(losses))
                figures |= _average(fabric, losses, batch, run)
                state.discriminator_optimiser.step()
                state.discriminator_optimiser.zero_grad()

            # 3. The EMA, which is what is exported.
            state.ema.update(state.network)

            # 4. Records and checkpoints. The last step is always saved, also after a request to stop.
            stop = figures.pop("stop") > 0
            run.advance(figures, last=stop)
    if run.step < settings.steps:
        _log.info("stopped after step %d as requested; the same command resumes the run", run.step)
    else:
        _log.info("%s has its %d steps", run.folder, settings.steps)


def _average(fabric: Fabric, losses: LossValues, batch: Batch, run: Run, **more: float) -> dict[str, float]:
    """Return figures averaged over all processes, so that each of them decides the same.

    Raises:
        DivergedError: one of the figures is not finite. No weight has changed by it yet.
    """
    device = fabric.device
    own = [*(each.detach().float() for each in losses.values())]
    own += [torch.tensor(float(each), device=device) for each in more.values()]
    means: Tensor = fabric.all_reduce(torch.stack(own), reduce_op="mean")  # type: ignore[assignment]
    figures = dict(zip([*losses, *more], means.tolist(), strict=True))
    if not torch.isfinite(means).all():
        file = run.folder / f"diverged-step-{run.step:08}-rank-{fabric.global_rank}.safetensors"
        save_file({"input": batch.input.contiguous(), "target": batch.target.contiguous()}, file)
        wrong = ", ".join(f"{name}={figure}" for name, figure in figures.items() if figure - figure != 0)
        raise DivergedError(
            f"in step {run.step} {wrong}: the batch is in {file}, the weights before it in the last checkpoint. Lower "
            "optimiser.rate, or use precision=fp32"
        )
    return figures


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
