"""The part of the HQ clips that is held out of training, and the windows of it that are scored."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from ..core.validation import Validation
from ..data.clips import Clip
from ..data.spans import Span, take_frames
from ..errors import SettingError

_log = logging.getLogger(__name__)

ENOUGH = 5
"""Number of clips from which on whole clips are held out."""
MOST_OF_CLIP = 4
"""The end of a clip that is held out is at most this part of it: a quarter."""


def hold_out(
    clips: Sequence[Clip], settings: Validation, *, seed: int, least: int
) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """Divide clips into those to train on and those that are held out. Seed, names and lengths alone decide.

    Of five clips or more, whole clips are held out, else the end of each.

    Args:
        least: number of frames that a clip to train on needs.

    Raises:
        SettingError: no clip is long enough to give away a part.
    """
    if len(clips) >= ENOUGH:
        count = max(1, round(settings.share * len(clips)))
        order = sorted((clip.name for clip in clips), key=lambda name: _hash(f"{seed} {name}"))
        held = [clip for clip in clips if clip.name in order[:count]]
        _log.info("held out of training, to score the network: %s", ", ".join(each.name for each in held))
        return [clip for clip in clips if clip.name in order[count:]], held
    train: list[Clip] = []
    ends: list[Clip] = []
    for clip in clips:
        length = len(clip)
        end = max(round(settings.share * length), min(settings.frames, length // MOST_OF_CLIP))
        if end < 2 or length - end < least:
            train.append(clip)
            continue
        train.append(take_frames(clip, 0, length - end))
        ends.append(take_frames(clip, length - end, end))
    if not ends:
        raise SettingError(
            f"validation.every={settings.every} holds out the end of a clip, and none is long enough beside the "
            f"{least} frames of a sample; give longer clips, at least {ENOUGH} clips, or set validation.every=0"
        )
    _log.info(
        "of fewer than %d clips, the ends are held out, which may show what training sees: %s",
        *(ENOUGH, "; ".join(each.name for each in ends)),
    )
    return train, ends


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def choose_windows(clips: Sequence[Clip], settings: Validation) -> list[Span]:
    """Return windows of held-out clips, at even distances over all of their frames."""
    ends = [sum(map(len, clips[: n + 1])) for n in range(len(clips))]
    windows: dict[tuple[int, int], Span] = {}
    for number in range(settings.windows):
        middle = (2 * number + 1) * ends[-1] // (2 * settings.windows)
        index = next(n for n, end in enumerate(ends) if middle < end)
        clip = clips[index]
        count = min(settings.frames, len(clip))
        first = min(max(0, middle - (ends[index] - len(clip)) - count // 2), len(clip) - count)
        windows[index, first] = take_frames(clip, first, count)
    return list(windows.values())
