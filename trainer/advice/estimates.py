"""Estimates how long the stages of a recipe take, from some steps of each, before any of them begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vsanimesr.machine import cores
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.options import Options
from vsanimesr.progress import format_time

from ..bench.plan import time_stage
from ..core import checkpoints
from ..core.config import RunConfig, lasting
from ..core.forecast import clock
from ..data.clips import Episode
from ..lbo.pairs import WINDOW_LENGTH
from ..lbo.rescaling import FACTORS, Rescaling
from ..lbo.scenes import SCENE_COUNT, SCENE_FRAMES
from ..report.page import SCENES
from ..report.scenes import SHOWN
from ..vsr.config import VSRConfig
from ..vsr.train import divide_clips

_log = logging.getLogger(__name__)

TRIAL = 20.0
"""Seconds for the trial of a stage. Its smallest step is run in any case."""
DECODED_FRAMES = 16
"""Frames that are decoded to see how long HQ takes."""
PAIR_FRAMES = 2
"""Frames that are upscaled to see how long pairs and the page take."""


@dataclass(frozen=True)
class Estimate:
    """How long a stage takes."""

    name: str
    seconds: float
    of: str
    """What is done in this time: "10,000 steps"."""


def log_estimates(estimates: Sequence[Estimate]) -> None:
    """Log the stages and when all of them end."""
    if not estimates:
        return
    total = sum(each.seconds for each in estimates)
    for each in estimates:
        _log.info("%s: about %s for %s", each.name, format_time(each.seconds), each.of)
    _log.info("all of it: about %s, ends about %s", format_time(total), clock(total))


def estimate_training(
    name: str, settings: RunConfig, run: Path, known: dict[str, float], *, renew: bool = False
) -> list[Estimate]:
    """Estimate what is left of a stage from some steps with random pictures. Return nothing if it is finished.

    Args:
        run: folder of the run, which may not exist yet.
        known: seconds of a step by stage, of settings like these. It is filled.
        renew: whether a run with other settings is trained again.

    Raises:
        TrainerError: the stage cannot be trained.
    """
    begun = bool(checkpoints.paths_in(run)) and not (renew and _is_other(run, settings))
    if begun and checkpoints.is_finished(run, settings.steps):
        return []
    steps = settings.steps - (checkpoints.read_newest(run)["step"] if begun else 0)
    if settings.stage not in known:
        known[settings.stage] = time_stage(settings, TRIAL)
    return [Estimate(name, known[settings.stage] * steps, f"{_may_end(settings)}{steps:,} steps")]


def _is_other(run: Path, settings: RunConfig) -> bool:
    """Return whether a run has other settings."""
    state = checkpoints.read_newest(run)
    return lasting(checkpoints.read_config(run, state, type(settings))) != lasting(settings)


def _may_end(settings: RunConfig) -> str:
    return "at most " if isinstance(settings, VSRConfig) and settings.validation.patience else ""


def estimate_decoding(settings: VSRConfig) -> list[Estimate]:
    """Estimate how long it takes to decode HQ into a pool. Return nothing if there will be none.

    Raises:
        TrainerError: there are no clips, or one cannot be read.
    """
    if not settings.memory:
        return []
    clips, _ = divide_clips(settings)
    frames = min(DECODED_FRAMES, len(clips[0]))
    start = time.perf_counter()
    clips[0].read(range(frames))
    frame = (time.perf_counter() - start) / frames
    total = sum(map(len, clips))
    name = f"{settings.data}, decoded once"
    return [Estimate(name, frame * total / cores(), f"{total:,} frames, or none if it was decoded before")]


def estimate_pairs(name: str, episode: Episode, network: AnimeSR, count: int, factor: float | None) -> Estimate:
    """Estimate the making of an episode's pairs. It is less where the episode has fewer windows, or a small factor."""
    scenes = 0.0 if factor else SCENE_COUNT * SCENE_FRAMES * sum(each**2 for each in FACTORS)
    used = (factor or max(FACTORS)) ** 2
    seconds = _time_frame(episode, network) * (scenes + count * WINDOW_LENGTH * used)
    return Estimate(name, seconds, f"pairs of up to {count} clips")


def estimate_page(name: str, episodes: Sequence[Episode], network: AnimeSR) -> Estimate:
    """Estimate the page at the end: scenes of the episodes, upscaled by this network and the new one."""
    steps = Options().preroll + SHOWN + 1  # of each scene
    frame = sum(_time_frame(episode, network) for episode in episodes) / len(episodes)
    return Estimate(name, 2 * SCENES * steps * frame, f"up to {SCENES} scenes by two models")


def _time_frame(episode: Episode, network: AnimeSR) -> float:
    """Return the seconds that a frame of an episode takes to upscale."""
    start = time.perf_counter()
    frames = list(Rescaling(network).pseudo_hq(episode.read(range(PAIR_FRAMES)), 1.0))
    return (time.perf_counter() - start) / len(frames)
