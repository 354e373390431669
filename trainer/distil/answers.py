"""Samples with the answers of a teacher, which are computed once and kept in the cache folder.

A teacher costs more than its student learns from it in a step. So it answers a number of samples once, and all epochs,
and students of any size, learn from these. The answers are in files of some samples each, which name their own content
and are verified before the first step; a killed run loses at most one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor
from torch.nn import functional

from vsanimesr import paths
from vsanimesr.files import file_lock, write_atomic
from vsanimesr.machine import cores
from vsanimesr.network.shapes import SCALE, SR_CHANNELS
from vsanimesr.progress import count, format_bytes, show_progress

from ..data.samples import Position, Sample
from ..data.uint8 import UINT8_MAX, round_to_8_bits
from ..errors import CheckpointError
from ..origin import Origin, digest_texts
from .samples import MixedClips
from .teacher import TeacherRun

_log = logging.getLogger(__name__)

FORMAT = "1"
"""Version of what is kept. Raise it if answers can change."""
BLOCK = 8
"""Samples in a file."""
INPUT, STATES = "input", "states"
_DIGITS = 16


def folder() -> Path:
    """Return the folder of all answers."""
    return paths.cache_folder() / "answers"


class AnsweredClips:
    """Samples whose targets are the states of the teacher. There are as many as have answers.

    Args:
        samples: what they are samples of.
        files: the files of answers, in order.
        hidden: the channels of the teacher's hidden state that the student has.
    """

    def __init__(self, samples: MixedClips, files: Sequence[Path], length: int, hidden: Sequence[int]) -> None:
        self._samples = samples
        self._files = files
        self._length = length
        self._channels = [*range(SR_CHANNELS), *(SR_CHANNELS + each for each in hidden)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: Position) -> Sample:
        """Return a sample whose target is the teacher's frames, to look at."""
        lr, states = self._read(position)
        frames = functional.pixel_shuffle(states[:, :SR_CHANNELS].float(), SCALE)
        return Sample(lr, round_to_8_bits(frames, truncate=False).movedim(-1, -3))

    def at_step(self, position: Position, step: int) -> Sample:
        """Return a sample whose target is the teacher's states, float16 (frames, 48 + features, height, width)."""
        lr, states = self._read(position)
        return Sample(lr, states[:, self._channels].contiguous())

    def check(self) -> None:
        """See `MixedClips.check`."""
        self._samples.check()

    def digests(self) -> dict[str, str]:
        """See `MixedClips.digests`."""
        return self._samples.digests()

    def _read(self, position: Position) -> tuple[Tensor, Tensor]:
        number = position[1]
        with safe_open(self._files[number // BLOCK], "pt") as file:
            lr, states = (file.get_slice(name)[number % BLOCK] for name in (INPUT, STATES))
        return lr.float() / UINT8_MAX, states


class Answers:
    """The answers of a teacher to the first samples of some clips, in a random order.

    Args:
        samples: the clips.
        teacher: on the device that computes them.
        origin: what answers are made of: clips, teacher and settings.
        seed: of the order.
    """

    def __init__(self, samples: MixedClips, teacher: TeacherRun, origin: Origin, seed: int) -> None:
        self._samples = samples
        self._run = teacher
        self._seed = seed
        self._key = digest_texts([FORMAT, *(f"{name}={text}" for name, text in sorted(origin.items()))])
        self._origin = origin

    def open(self, length: int, hidden: Sequence[int]) -> AnsweredClips:
        """Return samples with answers, which are computed if they are not there. Another process that needs the same
        ones waits.

        Args:
            length: number of samples.
            hidden: as for `AnsweredClips`.

        Raises:
            CheckpointError: the cache folder cannot be written, or has no room.
        """
        try:
            with file_lock(self._place):
                files = list(self._make(length))
        except OSError as error:
            raise CheckpointError(
                f"{self._place} cannot hold the answers of the teacher ({error.strerror or error}); make room, set "
                "ANIMESR_CACHE to a folder on another disk, or set less for distillation.kept"
            ) from error
        return AnsweredClips(self._samples, files, length, hidden)

    @property
    def _place(self) -> Path:
        return folder() / self._key

    def _make(self, length: int) -> Iterator[Path]:
        blocks = -(-length // BLOCK)
        found = {number: path for number in range(blocks) if (path := self._find(number))}
        missing = [number for number in range(blocks) if number not in found]
        _log.info("%s has %d of %d files of the teacher's answers", self._place, len(found), blocks)
        if missing:
            write_atomic(self._place / "origin.json", json.dumps(self._origin, indent=1).encode())
            size = self._size * len(missing)
            text = f"{count(BLOCK * len(missing), 'sample')}, {format_bytes(size)}"
            _log.info("the teacher answers %s once, in %s", text, self._place)
            if (free := shutil.disk_usage(self._place).free) < size:
                raise OSError(errno.ENOSPC, f"{format_bytes(free)} are free, and {format_bytes(size)} needed")
            frames = BLOCK * len(self._first)
            with (
                show_progress(frames * len(missing), "the teacher answers: ") as show,
                ThreadPoolExecutor(cores()) as threads,
            ):
                for done, number in enumerate(missing, 1):
                    found[number] = self._answer(number, threads)
                    show(frames * done)
        yield from (found[number] for number in range(blocks))

    def _find(self, number: int) -> Path | None:
        """Return the file of a block, if it is there and whole."""
        for path in self._place.glob(f"{number:05}-*.safetensors"):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
            if path.stem.endswith(digest):
                return path
            path.unlink()
        return None

    def _answer(self, number: int, threads: ThreadPoolExecutor) -> Path:
        """Let the teacher answer the samples of a block, and write its file."""
        positions = [self._position(BLOCK * number + n) for n in range(BLOCK)]
        inputs = list(threads.map(lambda position: self._samples[position].input, positions))
        device = next(self._run.recurrence.parameters()).device
        states = [self._run(each[None].to(device))[0].half().cpu() for each in inputs]
        small = round_to_8_bits(torch.stack(inputs), truncate=False).movedim(-1, -3).contiguous()
        data = save_safetensors({INPUT: small, STATES: torch.stack(states).contiguous()})
        path = self._place / f"{number:05}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.safetensors"
        write_atomic(path, data)
        return path

    def _position(self, number: int) -> Position:
        """Return the position of a sample: all of an epoch in a random order, then those of the next one."""
        epoch, index = divmod(number, len(self._samples))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._samples))
        return epoch, int(order[index])

    @cached_property
    def _first(self) -> Tensor:
        """The input of the first sample. All have its shape."""
        return self._samples[self._position(0)].input

    @property
    def _size(self) -> int:
        """Bytes of a file, to about a percent."""
        frames, _, height, width = self._first.shape
        channels = SR_CHANNELS + self._run.recurrence.network.features
        return BLOCK * frames * height * width * (3 + 2 * channels)
