"""Says which settings fit into the memory of a GPU, by a model of what a training step holds.

A step is run on tensors that have shapes and no contents, which takes seconds and no memory, and the storages that are
alive at once are added up. Compared with an H200 in docs/reports/advice.md.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..core.config import RunConfig
from ..errors import SettingError
from ..losses.discriminator import MultiScaleDiscriminator
from ..losses.objective import Objective, total_loss
from ..losses.perceptual import PerceptualLoss
from ..losses.vgg.weights import VggWeights, read_vgg
from ..settings import override
from ..vsr.config import VSRConfig

_log = logging.getLogger(__name__)

GIGABYTE = 1 << 30
RESERVED = 1.0
"""Gigabytes that CUDA, its libraries and the desktop take."""
USABLE = 0.85
"""Share of the rest that a step may hold by this model. What is left is for cuDNN's workspaces, for gaps between
tensors, and for errors of the model."""
PAPERS_BATCH = 16

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def card_assignments(settings: VSRConfig, assignments: Sequence[str], gigabytes: float) -> list[str]:
    """Return `memory_assignments` for the GPU of this machine, and log them.

    Raises:
        SettingError: there is no GPU, or nothing fits.
    """
    if not torch.cuda.is_available():
        raise SettingError(f"--gpu-memory {gigabytes:g} is the memory of a GPU, and there is none here; leave it out")
    precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    _log.info("looking for settings of %s that fit into %g GB", settings.stage, gigabytes)
    chosen = memory_assignments(settings, assignments, gigabytes, precision)
    _log.info("%s", " ".join(chosen))
    return chosen


def memory_assignments(settings: VSRConfig, assignments: Sequence[str], gigabytes: float, precision: str) -> list[str]:
    """Return assignments for the paper's batch of 16 that fit into the memory of a GPU: the fastest of them.

    Args:
        settings: settings of a preset.
        assignments: `name=value` of the user, which stay as they are.
        gigabytes: memory of the GPU.
        precision: of the computation.

    Raises:
        SettingError: nothing fits.
    """
    room = (gigabytes - RESERVED) * USABLE * GIGABYTE
    first = [f"batch={PAPERS_BATCH}", f"precision={precision}", "channels_last=true"]
    for recompute in ("false", "true"):
        chosen = [*first, f"recompute={recompute}"]
        given = override(settings, [*chosen, *assignments])
        of_parts = _memory_of_parts(given)
        for parts in (each for each in range(1, given.batch + 1) if given.batch % each == 0):
            config = override(settings, [*chosen, f"parts={parts}", *assignments])
            if of_parts(config) <= room:
                return [*chosen, f"parts={parts}"]
    raise SettingError(
        f"--gpu-memory {gigabytes:g} does not hold a step of {settings.stage}, not even of one clip; set a smaller "
        "sampling.size or sampling.frames"
    )


def _memory_of_parts(settings: RunConfig) -> Callable[[RunConfig], int]:
    """Return a function that returns the memory of settings like these by their batch and parts.

    What is held grows evenly with the clips of a part, and with those of the batch, whose pictures are all there.
    """
    one, two = (step_memory(settings.model_copy(update={"batch": clips, "parts": 1})) for clips in (1, 2))
    frames, lr, hq = settings.sample_sides()
    pictures = 4 * 3 * frames * (lr**2 + 2 * hq**2)  # input, target and output, in fp32

    def memory(config: RunConfig) -> int:
        clips = config.batch // config.parts
        return one + (two - one) * (clips - 1) + pictures * (config.batch - clips)

    return memory


def step_memory(settings: RunConfig) -> int:
    """Return the bytes that a training step holds at its largest, in the memory of the device.

    Raises:
        TrainerError: weights of the perceptual loss cannot be read.
    """
    perceptual = settings.losses.perceptual
    vgg = read_vgg(perceptual.weights) if perceptual.weight else None
    with FakeTensorMode(), _Peak() as peak:
        _run_step(settings, vgg)
    return int(peak.most)


def _run_step(settings: RunConfig, vgg: VggWeights | None) -> None:
    """Run what a step of `core.loop` runs, for one part of the batch."""
    network = settings.build_network()
    kept = _keep_copies(network, 4)  # gradients, Adam's two means, EMA
    discriminator, perceptual = None, None
    if settings.losses.gan:
        discriminator = MultiScaleDiscriminator(**settings.discriminator.model_dump())
        kept += _keep_copies(discriminator, 3)
    if vgg:
        tensors = {name: torch.empty(tensor.shape) for name, tensor in vgg.tensors.items()}
        perceptual = PerceptualLoss(settings.losses.perceptual, replace(vgg, tensors=tensors))
    objective = Objective(settings.losses, perceptual)
    frames, lr, hq = settings.sample_sides()
    inputs, targets = (torch.empty(settings.batch, frames, 3, side, side) for side in (lr, hq))
    part = settings.batch // settings.parts
    outputs = [torch.empty_like(targets[part:])]  # of the other parts, which the discriminator sees later
    run = settings.wrap_for_clips(network, settings.layout)
    autocast = _autocast(settings)
    with autocast():
        output = run(inputs[:part])
        loss = total_loss(objective.generator_losses(output.float(), targets[:part], discriminator))
    torch.autograd.backward(loss)
    outputs.append(output.detach())
    del output, loss
    if discriminator:
        with autocast():
            maps = discriminator(torch.cat([targets[:part].flatten(0, 1), outputs[-1].flatten(0, 1)]))
            loss = total_loss(objective.discriminator_losses(maps))
        torch.autograd.backward(loss)


def _autocast(settings: RunConfig) -> Callable[[], Any]:
    dtype = DTYPES.get(settings.precision)
    return (lambda: torch.autocast("cpu", dtype)) if dtype else nullcontext


def _keep_copies(module: torch.nn.Module, count: int) -> list[torch.Tensor]:
    return [torch.empty_like(parameter) for parameter in module.parameters() for _ in range(count)]


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of PyTorch
    """Adds up the sizes of the storages that are alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # of PyTorch
        self.most = 0
        self._live: dict[int, int] = {}
        self._total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor):
                self._note(each.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._live:
            self._live[key] = storage.nbytes()
            self._total += storage.nbytes()
            self.most = max(self.most, self._total)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self._total -= self._live.pop(key, 0)
