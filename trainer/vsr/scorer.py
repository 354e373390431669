"""Scores the network on held-out clips while it trains: PSNR-Y, LPIPS and flicker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor, nn

from ..core.checkpoints import HELD_OUT
from ..core.validation import FLICKER, LPIPS, PSNR, Scores
from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX
from ..degradation.pipeline import LearnedOperator, degrade
from ..degradation.sampling import sample_degradation
from ..degradation.settings import Degradation
from ..errors import ClipError, LossError
from ..losses.metrics import Lpips
from ..losses.vgg.lpips_vgg16 import LpipsVgg16, read_lpips_vgg16
from ..origin import Origin, digest_tensors
from .config import NetworkConfig
from .dataset import sample_crop
from .evaluation import MULTIPLE, measure_frames
from .held_out import choose_windows

_log = logging.getLogger(__name__)

SMALLEST_SIDE = 32
"""Smallest HQ side in pixels, for LPIPS."""
LPIPS_EVERY = 4
"""Interval between frames that are measured with LPIPS, which takes longer than the network."""
STILL = 2
"""Largest change of a pixel of HQ, in grey levels, that counts as none: encoders leave as much."""
VALIDATION_STREAM = 2
"""Makes random numbers of scores others than those of samples."""


@dataclass(frozen=True)
class Scene:
    """A window that was degraded."""

    lr: Tensor
    """float32 (frames, 3, height, width) in [0, 1]."""
    hq: Tensor
    """uint8 (frames, 3, 4 * height, 4 * width): the frames that the network learns to return."""


class HeldOutScorer:
    """Degrades windows of held-out clips once, as samples are degraded, and scores what a network makes of them.

    Args:
        clips: clips that training never sees.
        operators: the pool of learned operators.
    """

    def __init__(self, settings: NetworkConfig, clips: Sequence[Clip], operators: Sequence[LearnedOperator]) -> None:
        self._settings = settings
        self._clips = clips
        self._operators = operators

    @cached_property
    def criterion(self) -> str | None:
        """LPIPS with a perceptual or GAN loss, if its weights can be had, else PSNR-Y; or what the settings say."""
        losses, wanted = self._settings.losses, self._settings.validation.criterion
        if wanted == "psnr_y" or (wanted == "auto" and not (losses.gan or losses.perceptual.weight)):
            return PSNR
        if self._weights or wanted == "lpips":
            return LPIPS
        _log.warning("without LPIPS no step can be called the best of %s: the last one counts", self._settings.stage)
        return None

    def check(self) -> None:
        """Look at the clips, and read the weights of LPIPS.

        Raises:
            ClipError: a frame is damaged, or too small.
            LossError: LPIPS is asked for, and its weights cannot be had.
        """
        for clip in self._clips:
            self._side(clip)
        if self.criterion == LPIPS and self._weights is None:
            read_lpips_vgg16()  # raises

    def sources(self) -> Origin:
        """Return the clips that are held out, and the weights of LPIPS."""
        weights = self._weights if self.criterion == LPIPS else None  # others decide nothing
        sources = {"LPIPS": digest_tensors(weights.features | _named(weights.heads)) if weights else ""}
        for clip in self._clips:
            sources[f"{HELD_OUT}{clip.name}"] = f"{len(clip)} frames, {clip.digest()}"
        return sources

    @torch.no_grad()
    def score(self, network: nn.Module) -> Scores:
        """Return the mean of each score over all windows, each with the same weight."""
        device = next(network.parameters()).device
        lpips = self._lpips.to(device) if self._lpips else None
        found: dict[str, list[float]] = {}
        # Scores decide which step is the best one, and should not depend on the card.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            for number, scene in enumerate(self._scenes):
                sr = network(scene.lr[None].to(device))[0].clamp(0, 1)
                scores = score_scene(sr, scene.hq.to(device).float() / UINT8_MAX, lpips)
                for name, value in (scores | self.own_scores(number, sr)).items():
                    found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def degradation_of(self, number: int) -> Degradation:
        """Return how a window is degraded."""
        return self._settings.degradation

    def own_scores(self, number: int, sr: Tensor) -> Scores:
        """Return scores of a window besides those that all networks get.

        Args:
            sr: float32 (frames, 3, height, width) in [0, 1].
        """
        return {}

    @cached_property
    def _weights(self) -> LpipsVgg16 | None:
        try:
            return read_lpips_vgg16()
        except LossError as error:
            _log.warning("scores are without LPIPS: %s", error)
            return None

    @cached_property
    def _lpips(self) -> Lpips | None:
        return Lpips(self._weights) if self._weights else None

    @cached_property
    def _scenes(self) -> list[Scene]:
        windows = choose_windows(self._clips, self._settings.validation)
        return [self._degrade(number, window) for number, window in enumerate(windows)]

    def _degrade(self, number: int, window: Clip) -> Scene:
        settings = self._settings
        generator = np.random.default_rng(SeedSequence((settings.seed, number), spawn_key=(VALIDATION_STREAM,)))
        crop = settings.sampling.model_copy(update={"size": self._side(window)})
        hq = sample_crop(window.read(range(len(window))), crop, generator, window.name).contiguous()
        degradation = self.degradation_of(number)
        sample = sample_degradation(degradation, generator, len(hq), len(self._operators))
        lr, _ = degrade(hq, degradation, sample, self._operators)
        return Scene(lr, settings.sampling.target(hq))

    def _side(self, clip: Clip) -> int:
        """Return the side of the square that is scored, of frames that are zoomed as samples are."""
        width, height = clip.check()
        zoomed = int(min(width, height) * min(self._settings.sampling.zoom))
        side = min(zoomed, self._settings.validation.size) // MULTIPLE * MULTIPLE
        if side < SMALLEST_SIDE:
            raise ClipError(
                f"clip {clip.name!r} has {width}x{height} pixels, which is too small to score; leave it out"
            )
        return side


def score_scene(sr: Tensor, hq: Tensor, lpips: Lpips | None) -> Scores:
    """Score SR frames.

    Args:
        sr: float32 (frames, 3, height, width) in [0, 1].
        hq: like `sr`.
    """
    psnr, distance = measure_frames(sr, torch.split(hq, 1), lpips, LPIPS_EVERY)
    scores = {PSNR: psnr} if distance is None else {PSNR: psnr, LPIPS: distance}
    flicker = measure_flicker(sr, hq)
    return scores if flicker is None else {**scores, FLICKER: flicker}


def measure_flicker(sr: Tensor, hq: Tensor) -> float | None:
    """Return the mean change from frame to frame where HQ shows none, in grey levels; None if all of HQ moves.

    Args:
        sr: float32 (frames, 3, height, width) in [0, 1].
        hq: like `sr`.
    """
    still = UINT8_MAX * (hq[1:] - hq[:-1]).abs().amax(1, keepdim=True) < STILL + 0.5
    if not still.any():
        return None
    change = UINT8_MAX * (sr[1:] - sr[:-1]).abs().mean(1, keepdim=True)
    return float(change[still].mean())


def _named(heads: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"head {number}": head for number, head in enumerate(heads)}
