"""The training loop: what happens in a step, in order.

One loop for every stage: a loss whose weight is 0 is left out, and without the GAN's there is no second half. Any
number of processes, one for each GPU: each takes its own samples, gradients are the mean over all of them.
"""

from __future__ import annotations

import logging

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor

from .batches import Batch, batches
from .errors import DivergedError
from .objective import Figures, Objective, total
from .players import Players
from .run import Run
from .sample import Samples
from .stages import Stage
from .stopping import Stopping

_log = logging.getLogger(__name__)


def steps(settings: Stage, fabric: Fabric, samples: Samples, players: Players, objective: Objective, run: Run) -> None:
    """Train from where the run is to its last step, or until somebody asks to stop.

    Raises:
        DivergedError: a loss or gradient is not finite; the batch is saved, the weights of that step are not.
        TrainerError: a clip cannot be read, or a checkpoint not be written.
    """
    supply = batches(
        samples,
        settings,
        step=run.step,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
        pinned=fabric.device.type == "cuda",
    )
    with Stopping() as stopping, run:
        stop = False
        while run.step < settings.steps and not stop:
            batch = next(supply).on(fabric.device)
            players.set_rates(run.step)

            # 1. The network: its frames have to be like the target's, and to be taken for them.
            made = players.run_network(batch.given)
            with fabric.autocast():
                losses = objective.of_network(made, batch.target, players.discriminator)
            fabric.backward(total(losses))
            losses |= players.gradient()
            figures = _agreed(fabric, losses, batch, run, failures=batch.failures, stop=stopping.asked)
            players.clip_gradient()
            players.optimiser.step()
            players.optimiser.zero_grad()

            # 2. The discriminator: it has to tell these frames from the target's.
            if players.discriminator:
                frames = torch.cat([batch.target.flatten(0, 1), made.detach().flatten(0, 1)])
                losses = objective.of_discriminator(players.run_discriminator(frames))
                fabric.backward(total(losses))
                figures |= _agreed(fabric, losses, batch, run)
                players.discriminator_optimiser.step()
                players.discriminator_optimiser.zero_grad()

            # 3. The moving average, which is what is exported.
            players.average.follow(players.network)

            # 4. What is written; the last step, asked for or not, always is.
            stop = figures.pop("stop") > 0
            run.advance(figures, last=stop)
    if run.step < settings.steps:
        _log.info("stopped after step %d, as asked; the same command goes on from there", run.step)
    else:
        _log.info("%s has its %d steps", run.folder, settings.steps)


def _agreed(fabric: Fabric, losses: Figures, batch: Batch, run: Run, **more: float) -> dict[str, float]:
    """The means over all processes, so that each decides the same.

    Raises:
        DivergedError: one of them is not finite; before a weight has changed by it.
    """
    device = fabric.device
    own = [*(each.detach().float() for each in losses.values())]
    own += [torch.tensor(float(each), device=device) for each in more.values()]
    means: Tensor = fabric.all_reduce(torch.stack(own), reduce_op="mean")  # type: ignore[assignment]
    figures = dict(zip([*losses, *more], means.tolist(), strict=True))
    if not torch.isfinite(means).all():
        file = run.folder / f"diverged-step-{run.step:08}-rank-{fabric.global_rank}.safetensors"
        save_file({"given": batch.given.contiguous(), "target": batch.target.contiguous()}, file)
        wrong = ", ".join(f"{name}={figure}" for name, figure in figures.items() if figure - figure != 0)
        raise DivergedError(
            f"in step {run.step} {wrong}: the batch is in {file}, the weights before it in the last checkpoint. Lower "
            "optimiser.rate, or use precision=fp32"
        )
    return figures
