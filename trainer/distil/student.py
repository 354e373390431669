"""The student before its first step: cut or matched once, kept in the folder of its run with what it was made of."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from vsanimesr.errors import WeightsError
from vsanimesr.files import write_atomic
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.weights.load import load_weights

from ..core.start import load_start
from ..data.samples import Samples
from ..errors import CheckpointError
from ..origin import METADATA_KEY, Origin, differences, digest_files
from ..vsr.config import DistilConfig
from .cut import FORMAT, Cut, cut, match

_log = logging.getLogger(__name__)

WEIGHTS_FILE, FILE = "cut.safetensors", "cut.json"
CUT, START = "version of the cut", "weights it starts from"
"""Names in the origin of a student."""
MOST_FRAMES = 5
"""Frames of a sample that the cut looks at: every second one, the first included, which has no state before it."""


@dataclass(frozen=True)
class Student:
    """How a student was cut out of its teacher, or matched with it."""

    hidden: tuple[int, ...]
    """Channels of the teacher's hidden state that the student's stand for, in order."""
    deviations: tuple[float, ...]
    """Standard deviation of each."""
    contributions: dict[str, float]
    """Of each kind of layer, the share of the contributions that the kept channels have."""
    origin: Origin
    """What the cut was made of."""
    weights: str
    """Digest of the file of its weights."""

    @property
    def digest(self) -> str:
        return f"{self.weights}, hidden state {','.join(map(str, self.hidden))}"


def make_student(settings: DistilConfig, teacher: AnimeSR, samples: Samples, sources: Origin, folder: Path) -> Student:
    """Return the student of a run: cut, or matched if the run starts from weights. What is in the folder is kept if it
    was made of the same.

    Args:
        samples: the first of them, in a random order, are what it is cut by.
        sources: what the samples and the teacher are made of.
        folder: folder of the run, where the files are kept.

    Raises:
        CheckpointError: the files cannot be written, or the weights to start from cannot be used.
    """
    origin = sources | {CUT: FORMAT}
    if (kept := read_student(folder)) and kept.origin == origin:
        return kept
    if kept:
        _log.info("making the student again: %s", differences(kept.origin, origin))
    found = _make(settings, teacher, _clips(settings, samples))
    for kind, share in found.contributions.items():
        _log.info("%s: the kept channels have %.0f %% of the contributions", kind, 100 * share)
    return _write(found, origin, folder)


def _make(settings: DistilConfig, teacher: AnimeSR, clips: Tensor) -> Cut:
    if not settings.start:
        _log.info("cutting the student out of %s by %d clips", settings.teacher, len(clips))
        return cut(teacher, settings.network.shape, clips)
    _log.info("matching %s with %s by %d clips", settings.start, settings.teacher, len(clips))
    network = settings.build_network()
    load_start(settings.start, network, network, settings.shape_settings)
    return match(teacher, network, clips)


def read_student(folder: Path) -> Student | None:
    """Return the student in a run's folder; None if there is none, or if it is damaged."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        hidden, deviations = (tuple(content.pop(name)) for name in ("hidden", "deviations"))
        student = Student(hidden=hidden, deviations=deviations, **content)
        if digest_files([folder / WEIGHTS_FILE]) != student.weights:
            return None
        load_weights(str(folder / WEIGHTS_FILE))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, WeightsError):
        return None
    return student


def _clips(settings: DistilConfig, samples: Samples) -> Tensor:
    order = np.random.default_rng(settings.seed).permutation(len(samples))
    chosen: Sequence[int] = order[: settings.distillation.clips].tolist()
    return torch.stack([samples[0, index].input[:MOST_FRAMES] for index in chosen])


def _write(found: Cut, origin: Origin, folder: Path) -> Student:
    weights = folder / WEIGHTS_FILE
    with _writing(folder):
        (folder / FILE).unlink(missing_ok=True)  # first: it should never be that of other weights
        tensors = {name: tensor.contiguous() for name, tensor in found.network.state_dict().items()}
        write_atomic(weights, save_safetensors(tensors, {METADATA_KEY: json.dumps(origin)}))
        student = Student(
            tuple(found.hidden.tolist()), found.deviations, found.contributions, origin, digest_files([weights])
        )
        write_atomic(folder / FILE, json.dumps(asdict(student), indent=1).encode())
    return student


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Create a folder, and say what to do if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written ({error.strerror or error}); name another folder") from error
