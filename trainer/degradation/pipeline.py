"""Degradation of a clip in order: blur, noise, downscaling, analogue faults, codec (equation 2 of the paper)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.uint8 import UINT8_MAX, Frames, to_float, to_uint8
from ..errors import CodecError
from .analogue import chroma_bleed, dot_crawl, halo, interlace_residue
from .blur import blur
from .codec import require_codecs, transcode
from .intra import require_alone, transcode_alone
from .noise import add_noise
from .sampling import DegradationSample, DownStage, Encoding
from .scaling import downscale
from .settings import Codec, Degradation, LboMode

_log = logging.getLogger(__name__)

FRAMES_AT_ONCE = 5
"""Number of HQ frames processed at once. Their 15 planes fill a vector and stay in the CPU's cache."""
FAULTS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function for function in (chroma_bleed, dot_crawl, halo, interlace_residue)
}

type LearnedOperator = Callable[[Tensor], Tensor]
"""A learnable basic operator: it keeps the size with `after_down`, and halves it with `replace`."""


def degrade(
    clip: Tensor, settings: Degradation, sample: DegradationSample, operators: Sequence[LearnedOperator] = ()
) -> tuple[Tensor, int]:
    """Return the LR clip of an HQ clip.

    Args:
        clip: uint8 (frames, 3, height, width), R, G, B; sides are multiples of 8, above 10.
        settings: the settings that `sample` was sampled from.
        operators: the pool of learned operators that `sample` refers to.

    Returns:
        The clip, float32 (frames, 3, height / 4, width / 4) in [0, 1], 8-bit values; and the number of encodings that
        failed before one succeeded.

    Raises:
        CodecError: all encodings failed. A clip that was not encoded is never returned.
    """
    parts = [slice(first, first + FRAMES_AT_ONCE) for first in range(0, len(clip), FRAMES_AT_ONCE)]
    lr = torch.cat([_degrade_frames(clip[part], settings.down.lbo_mode, sample, part, operators) for part in parts])
    for fault in sample.faults:
        lr = FAULTS[fault.name](lr, **fault.arguments)
    frames, failures = encode(to_uint8(lr, truncate=settings.codec.truncated), settings.codec, sample.encodings)
    return to_float(frames), failures


def _degrade_frames(
    clip: Tensor, mode: LboMode, sample: DegradationSample, part: slice, operators: Sequence[LearnedOperator]
) -> Tensor:
    """Apply the operators that work on each frame separately to a part of a clip."""
    frames = blur(clip.float().div_(UINT8_MAX), sample.sigma_x, sample.sigma_y, sample.angle)
    frames = add_noise(frames, sample.noise_sigmas[part], sample.noise_grey[part], sample.noise_seeds[part])
    for stage in sample.stages:
        frames = scale_down(frames, stage, mode, operators)
    return frames


def scale_down(clip: Tensor, stage: DownStage, mode: LboMode, operators: Sequence[LearnedOperator]) -> Tensor:
    """Apply one stage of downscaling to frames, (frames, 3, height, width)."""
    learned = None if stage.lbo is None else operators[stage.lbo]
    if learned is not None and mode == "replace":
        return learned(clip)
    scaled = downscale(clip, stage.factor, stage.mode)
    return scaled if learned is None else learned(scaled)


def require_encoders(settings: Codec) -> None:
    """Check that this machine can encode what samples of these settings may ask for.

    Raises:
        CodecError: a codec is missing.
    """
    share = settings.intra.probability
    if share < 1:
        require_codecs(name for name, frequency in settings.names.shares.items() if frequency)
    if share > 0:
        require_alone(name for name, frequency in settings.intra.names.shares.items() if frequency)


def encode(frames: Frames, settings: Codec, encodings: Sequence[Encoding]) -> tuple[Frames, int]:
    """Encode and decode frames.

    Returns:
        The frames, and the number of encodings that failed before one succeeded.

    Raises:
        CodecError: all encodings failed.
    """
    order = slice(None, None, -1 if settings.swapped else 1)
    for failures, encoding in enumerate(encodings):
        try:
            rgb = np.ascontiguousarray(frames[..., order])
            code = transcode_alone if encoding.alone else transcode
            return np.ascontiguousarray(code(rgb, encoding.name, encoding.options)[..., order]), failures
        except CodecError as error:
            _log.warning("%s; trying another encoding", error)
    raise CodecError(f"all {len(encodings)} encodings of a clip failed, see the log; check the installation of PyAV")
