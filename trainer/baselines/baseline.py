"""One entry for all baselines: from a name to an upscaler, as `trainer.evaluation` compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vsanimesr.errors import suggestion

from ..errors import BaselineError
from .files import load_realbasicvsr, load_rrdb
from .network import BaselineNetwork, count_macs
from .released import MODELS, load_released

FILES: dict[str, Callable[[str], BaselineNetwork]] = {
    "bsrgan": load_rrdb,
    "realesrgan": load_rrdb,
    "realbasicvsr": load_realbasicvsr,
}
"""Names of baselines that are followed by `=` and the path of their weights."""
NAMES = (*MODELS, *(f"{name}=PATH" for name in FILES))
"""The names of all baselines, for texts."""


class Baseline:
    """A baseline that upscales clips. It computes on the device of its weights, which `to` moves."""

    def __init__(self, name: str, network: BaselineNetwork) -> None:
        self.name = name
        self.parameters = sum(each.numel() for each in network.parameters())
        self.macs_per_pixel = count_macs(network)
        self._network = network.eval().requires_grad_(False)

    def to(self, device: torch.device) -> None:
        """Move the weights to a device."""
        self._network.to(device)

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscale the frames of one clip, in order.

        Args:
            lr: float32 (frames, 3, height, width), R, G, B in [0, 1], of any size.

        Returns:
            float32 (frames, 3, 4 * height, 4 * width), not clamped, without gradients.
        """
        return torch.cat(list(self.frames(lr)))

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the frames that a call returns, each (1, 3, 4 * height, 4 * width)."""
        frames = self._network.frames(lr)
        for _ in range(len(lr)):
            with torch.inference_mode():  # for each frame alone: a generator must not leave it set for its caller
                frame = next(frames)
            yield frame


def is_baseline(name: str) -> bool:
    """Return whether a name is that of a baseline, rather than of another network; its path may still be wrong."""
    return name in MODELS or name.partition("=")[0] in FILES


def load_baseline(name: str) -> Baseline:
    """Load a baseline.

    Args:
        name: of `NAMES`. Weights of Real-ESRGAN are fetched once; those of others are read from a file, as in
            `bsrgan=BSRGAN.pth`.

    Raises:
        BaselineError: the name is unknown, or its weights cannot be fetched or read, or belong to another network.
    """
    kind, _, path = name.partition("=")
    if name in MODELS:
        return Baseline(name, load_released(name))
    if kind in FILES:
        if not path:
            raise BaselineError(f"{name!r} names no file of weights; use {kind}=PATH")
        try:
            return Baseline(name, FILES[kind](path))
        except BaselineError as error:
            raise BaselineError(f"{kind}={error}") from error
    hint = suggestion(kind, [*MODELS, *FILES]) or f"use {', '.join(NAMES)}"
    raise BaselineError(f"{name!r} is no baseline; {hint}")
