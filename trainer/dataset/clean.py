"""Cleans HQ clips by a network: each frame is upscaled by 4, and scaled down to its own size again.

Source: the data enhancement of VQD-SR (Tuo et al., ICCV 2023): HQ of real animation is itself compressed, and a network
that learns to return it learns its faults. A trained network removes most of them as it upscales.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vsanimesr.files import file_lock, write_atomic
from vsanimesr.network.shapes import MULTIPLE, SCALE
from vsanimesr.network.torch_colour import RestoringColours
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.progress import count, show_progress

from ..data.clips import Clip, Frame, find_clips
from ..data.uint8 import to_float, to_uint8
from ..errors import DatasetError
from ..lbo.shots import THUMB_HEIGHT, THUMB_WIDTH, find_cuts
from ..origin import Origin, differences, digest_tensors, read_origin, write_origin
from ..vsr.weights import load_network
from .clips import encode_png, images_of
from .folders import others_in, remedy_for, remove_clip
from .manifest import WORK_FOLDER
from .sources import show

_log = logging.getLogger(__name__)

FORMAT = "1"
"""Version of what is written. Raise it if pixels can change."""
SEGMENT = 48
"""Frames that are cleaned in one run of the recurrence, at most. After a stop, those of one run are made again."""
WARM_UP = 8
"""Frames before a segment that the recurrence runs over first, within the scene."""
PREROLL = 4
"""Extra runs of the first frame, as at the beginning of a scene in the plugin."""
BLOCK = 16
"""Frames that are read at once to look for cuts."""


@dataclass(frozen=True)
class Run:
    """A run of the recurrence, within a scene."""

    read: range
    """Numbers of the frames that it runs over."""
    kept: range
    """Numbers of those that are written."""


def clean_set(folder: Path, to: Path, *, model: str = "v2", renew: bool = False) -> list[str]:
    """Clean all clips of a folder. Each becomes a folder of PNG that says what it was made of.

    A clip that is there is kept if it was made of the same. After a stop, the same call goes on.

    Args:
        folder: folder of HQ clips.
        to: folder for cleaned clips.
        model: network that cleans, as for `load_network`.
        renew: clean again what was made of something else, and remove what was made of clips that left the folder,
            instead of refusing it.

    Returns:
        The names of the clips.

    Raises:
        DatasetError: `to` is `folder`, holds clips that were made of something else or that `folder` has no longer, or
            cannot be written.
        ClipError: there are no clips, or one cannot be read.
        CheckpointError: the network cannot be loaded.
    """
    if folder.resolve() == to.resolve():
        raise DatasetError(f"-o {show(to)} is the folder of the HQ clips itself; use another folder")
    if to.exists() and not to.is_dir():
        raise DatasetError(f"-o {show(to)} is no folder; name a folder for the cleaned clips")
    network = load_network(model, "--model")
    digest = digest_tensors(network.state_dict())
    clips = find_clips(folder, "FOLDER ")
    for clip in clips:
        clip.check()
    with file_lock(to / WORK_FOLDER):
        _remove_departed(to, {clip.name for clip in clips}, renew=renew)
        origins = {clip.name: {"format": FORMAT, "clip": clip.digest(), "network": digest} for clip in clips}
        missing = [clip for clip in clips if not _is_kept(clip, to / clip.name, origins[clip.name], renew=renew)]
        cleaner = Cleaner(network)
        done, total = 0, sum(map(len, missing))
        with show_progress(total, f"{show(to)}: ") as show_done:
            for clip in missing:
                for number in _clean_clip(clip, to, origins[clip.name], cleaner):
                    show_done(done + number)
                done += len(clip)
    kept = len(clips) - len(missing)
    _log.info("%s: %s cleaned by %s, %d kept", show(to), count(len(missing), "clip"), model, kept)
    return [clip.name for clip in clips]


def _remove_departed(to: Path, names: Set[str], *, renew: bool) -> None:
    """Remove or refuse cleaned clips whose HQ is gone: training would see what was held out since."""
    entries = sorted(to.iterdir()) if to.is_dir() else []
    gone = [each for each in entries if each.name not in names and _is_cleaned(each)]
    if gone and not renew:
        raise DatasetError(
            f"-o {show(to)} holds {', '.join(show(each.name) for each in gone)}, and FOLDER no longer has a clip of "
            "that name; move elsewhere what training may not see, or add --renew to remove it"
        )
    for each in gone:
        _remove(each)
        _log.info("%s was cleaned of a clip that is gone, and is removed", show(each))


def _is_cleaned(folder: Path) -> bool:
    """Return whether a folder is a clip that we cleaned."""
    return read_origin(folder).keys() == {"format", "clip", "network"}


def _remove(folder: Path) -> None:
    """Remove a cleaned clip, whose folder may not hold anything else."""
    _require_own(folder)
    try:
        remove_clip(folder)
    except OSError as error:
        raise DatasetError(f"{show(folder)} cannot be removed ({error.strerror or error}); remove it") from error


def _require_own(folder: Path) -> None:
    """Refuse to remove what we did not write."""
    others = others_in(folder)
    if others or not _is_cleaned(folder):
        what = show(others[0].name) if others else "no clip that was cleaned"
        raise DatasetError(f"{show(folder)} would be removed, and holds {what}; move it elsewhere, and clean again")


def _is_kept(clip: Clip, folder: Path, origin: Origin, *, renew: bool) -> bool:
    """Return whether a clip is there and was made of the same."""
    if not folder.exists():
        return False
    frames = {"frames": str(len(images_of(folder)))}
    difference = differences(read_origin(folder) | frames, origin | {"frames": str(len(clip))})
    if difference and not renew:
        raise DatasetError(
            f"{show(folder)} is there and was made otherwise: {difference}; use another folder for -o, or add --renew "
            "to clean it again"
        )
    if difference:
        _require_own(folder)
    return not difference


def _clean_clip(clip: Clip, to: Path, origin: Origin, cleaner: Cleaner) -> Iterator[int]:
    """Write a cleaned clip, whose folder appears when it is complete. Yield how many frames are done."""
    work = to / WORK_FOLDER / clip.name
    try:
        if read_origin(work) != origin:
            shutil.rmtree(work, ignore_errors=True)
            write_origin(work, origin)
        for run in plan_runs(find_scenes(clip), len(clip)):
            files = [work / f"{number:08}.png" for number in run.kept]
            if not all(file.is_file() for file in files):
                frames = cleaner.clean(clip.read(run.read))
                before = run.kept.start - run.read.start
                for number, frame in enumerate(frames):
                    if 0 <= number - before < len(files):
                        write_atomic(files[number - before], encode_png(frame))
                        yield run.kept.start + number - before + 1
        if len(images_of(work)) != len(clip):
            raise DatasetError(f"{show(work)} holds other files than the frames of {clip.name!r}; remove it")
        if (to / clip.name).exists():
            _remove(to / clip.name)
        work.rename(to / clip.name)
    except OSError as error:
        raise DatasetError(
            f"{show(work)} cannot be written ({error.strerror or error}); {remedy_for(error)}, and clean again"
        ) from error


def find_scenes(clip: Clip) -> list[int]:
    """Return the number of the first frame of each scene: a network must not look across a cut."""
    size = THUMB_WIDTH, THUMB_HEIGHT
    thumbnails = [
        np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))
        for first in range(0, len(clip), BLOCK)
        for frame in clip.read(range(first, min(first + BLOCK, len(clip))))
    ]
    return find_cuts(np.stack(thumbnails))


def plan_runs(starts: Sequence[int], length: int) -> list[Run]:
    """Return runs that together keep every frame once.

    Args:
        starts: numbers of the first frame of each scene, 0 among them.
        length: number of frames.
    """
    runs = []
    for start, end in pairwise([*starts, length]):
        for first in range(start, end, SEGMENT):
            last = min(first + SEGMENT, end)
            # One frame more, for the window of the last one.
            runs.append(Run(range(max(first - WARM_UP, start), min(last + 1, end)), range(first, last)))
    return runs


class Cleaner:
    """Cleans frames of one scene.

    Args:
        network: the network that upscales. Its weights are not changed.
    """

    def __init__(self, network: AnimeSR) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        self._bf16 = self._device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()

    @torch.inference_mode()
    def clean(self, frames: Sequence[Frame]) -> Iterator[Frame]:
        """Yield each frame cleaned, in its own size. Low frequencies of colours stay what they were.

        Args:
            frames: consecutive frames of one scene.
        """
        height, width, _ = frames[0].shape
        prev = cur = self._load(frames[0])
        step = RestoringColours(self._network, (cur.shape[-1], cur.shape[-2]))
        sr, hidden = self._network.initial_state(cur)
        order = [*PREROLL * [frames[0]], *frames, frames[-1]]
        for n, following in enumerate(order[1:]):
            after = self._load(following)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
                frame, sr, hidden = step(prev, cur, after, sr, hidden)
            prev, cur = cur, after
            if n >= PREROLL:
                frame = frame.float().clamp(0, 1)
                small = functional.interpolate(frame, scale_factor=1 / SCALE, mode="bicubic", antialias=True)
                yield to_uint8(small[..., :height, :width].cpu())[0]

    def _load(self, frame: Frame) -> Tensor:
        """Return a frame on the device, padded for the network."""
        height, width, _ = frame.shape
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        return functional.pad(to_float(frame[None]), padding, mode="replicate").to(self._device)
