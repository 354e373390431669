"""Trains a student: cuts it out of its teacher, then lets it learn from it."""

from __future__ import annotations

import logging
from pathlib import Path

from vsanimesr.network.torch_network import AnimeSR

from ..core import checkpoints
from ..core.config import lasting
from ..core.fabric import require_device
from ..core.run import trained_otherwise
from ..core.start import describe_start
from ..core.train import check_settings, run_training
from ..data.pool import pack_clips
from ..data.samples import Samples
from ..degradation.pipeline import require_encoders
from ..errors import SettingError
from ..origin import Origin, differences, digest_tensors, settings_origin
from ..vsr.config import DistilConfig
from ..vsr.train import divide_clips
from ..vsr.weights import load_network
from .answers import Answers
from .samples import MixedClips, TeacherScorer, degradations
from .student import CUT, START, WEIGHTS_FILE, Student, make_student, read_student
from .teacher import Teacher, TeacherRun

_log = logging.getLogger(__name__)

TEACHER = "teacher's weights"
"""Name in origins."""


def distil(settings: DistilConfig, folder: Path, *, renew: bool = False) -> None:
    """Train a student until the last step, until it no longer improves, or until a signal asks to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes there.
        renew: train again what has other settings or sources than now, instead of refusing it.

    Raises:
        TrainerError: settings, teacher, clips, codecs or checkpoints cannot be used. Most faults are found before the
            first step.
    """
    network = load_teacher(settings)
    for _, kind in degradations(settings).values():
        require_encoders(kind.codec)
    clips, held_out = divide_clips(settings)
    scorer = TeacherScorer(settings, held_out, network) if held_out else None
    samples = MixedClips(clips, settings)
    _check(settings, folder, samples, scorer)
    weights = digest_tensors(network.state_dict())
    origin = lasting(settings) | samples.digests() | {TEACHER: weights}
    if settings.start:
        origin[START] = describe_start(settings.start)
    student = _kept_student(folder, origin, renew=renew)
    trains = renew or not checkpoints.is_finished(folder, settings.steps)
    if trains:
        samples = MixedClips(pack_clips(clips, settings.memory), settings)
    student = student or make_student(settings, network, samples, origin, folder)
    taught: Samples = samples
    if trains and (kept := settings.distillation.kept):
        network.to(require_device(settings))
        answers = Answers(
            samples, TeacherRun(settings, network), _answer_origin(settings, samples, weights), settings.seed
        )
        taught = answers.open(kept, student.hidden)
    run_training(
        taught,
        settings.model_copy(update={"start": str(folder / WEIGHTS_FILE)}),
        folder,
        validation=settings.validation,
        scorer=scorer,
        teacher=Teacher(settings, network, student),
        renew=renew,
    )


def _answer_origin(settings: DistilConfig, samples: MixedClips, teacher: str) -> Origin:
    """Return what answers are made of: neither the student nor how it is trained, but the precision."""
    groups = {"seed": settings, "sampling": settings, "degradation": settings, "mix": settings.distillation}
    origin: Origin = {}
    for name, group in groups.items():
        others = set(type(group).model_fields) - {name}
        origin |= settings_origin(group, others)
    origin |= {f"clip {name}": text for name, text in samples.digests().items()}
    return origin | {"precision": settings.precision, TEACHER: teacher}


def load_teacher(settings: DistilConfig) -> AnimeSR:
    """Load the network to learn from.

    Raises:
        CheckpointError: its weights cannot be read, or are of another architecture.
        SettingError: the student does not fit into it.
    """
    if not settings.teacher:
        raise SettingError("teacher is not set; name the network to learn from, for example v2")
    network = load_network(settings.teacher)
    shape, student = network.shape, settings.network.shape
    if student.blocks != shape.blocks:
        raise SettingError(
            f"network.blocks={list(student.blocks)} are not the blocks of the teacher {settings.teacher}; set "
            f"network.blocks=[{','.join(map(str, shape.blocks))}]"
        )
    for name, own, limit in (
        ("features", student.features, shape.features),
        ("fusion", student.fusion_channels, shape.fusion_channels),
    ):
        if own > limit:
            raise SettingError(
                f"network.{name}={own} is more than the {limit} of the teacher {settings.teacher}, which a student is "
                f"cut out of; set {limit} or less"
            )
    _log.info(
        "the student has %.3f of the teacher's multiply-accumulates: %d for each LR pixel, not %d",
        *(student.macs / shape.macs, student.macs, shape.macs),
    )
    return network


def _check(settings: DistilConfig, folder: Path, samples: MixedClips, scorer: TeacherScorer | None) -> None:
    """Check everything that can be checked before the student is cut."""
    check_settings(settings, folder)
    samples.check()
    if scorer:
        scorer.check()


def _kept_student(folder: Path, origin: Origin, *, renew: bool) -> Student | None:
    """Return the student that a run has started from; None if it has to be made.

    Raises:
        CheckpointError: the run that is to be resumed has another one.
    """
    if renew or not checkpoints.paths_in(folder):
        return None
    student = read_student(folder)
    if student and (difference := differences(student.origin, origin | {CUT: student.origin.get(CUT, "")})):
        raise trained_otherwise(folder, difference)
    return student
