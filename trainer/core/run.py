"""A run: its folder, the step it has reached, its records and checkpoints."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vsanimesr.files import write_atomic

from ..data.samples import Samples
from ..errors import CheckpointError
from ..losses.vgg.weights import VggWeights
from ..origin import Origin, digest_tensors, write_origin
from ..previews import preview_strip
from . import checkpoints
from .config import RunConfig
from .records import BOARD, METRICS_FILE, PREVIEWS, Means, Records
from .start import describe_start
from .train_state import TrainState
from .validation import Scorer, Scores, Validator

_log = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"


FORMAT = "3"
"""Version of what a run computes from its settings and sources. Raise it if a result can change."""


def describe_sources(
    samples: Samples,
    settings: RunConfig,
    *,
    folder: Path,
    vgg: VggWeights | None,
    scorer: Scorer | None,
    operators: Sequence[str],
    ranks: int,
) -> Origin:
    """Return what a run learns from besides its settings, by content. With other sources it would be another run.

    Args:
        folder: folder of the run.
        operators: fingerprints of the learnable basic operators that degrade the samples, in order.
        ranks: number of processes that train.

    Raises:
        TrainerError: a source cannot be read. Only a run that has begun can do without the weights it started from.
    """
    sources = {"format": FORMAT, "processes": str(ranks), "operators": str(len(operators))}
    sources |= {f"{checkpoints.OPERATOR}{n}": fingerprint for n, fingerprint in enumerate(operators, 1)}
    sources["VGG"] = f"VGG{vgg.depth}, {digest_tensors(vgg.tensors)}" if vgg else ""
    try:
        sources[checkpoints.START] = describe_start(settings.start)
    except CheckpointError as error:
        if not checkpoints.paths_in(folder):
            raise
        _log.warning("%s goes on with the weights it started from, which cannot be read now: %s", folder, error)
    _log.info("reading %s once, to know the clips by their content", settings.data)  # many gigabytes take minutes
    sources |= {f"{checkpoints.CLIP}{name}": text for name, text in samples.digests().items()}
    return sources | (scorer.sources() if scorer else {})


class Run:
    """Resumes at the newest checkpoint of its folder, or starts anew if there is none. Used in a `with`.

    Args:
        folder: folder of the run, created if missing.
        train_state: state to fill from the checkpoint, or from the weights that the settings start from.
        samples: training samples. The first one is used for previews.
        sources: what the run learns from, as of `describe_sources`. Only the process that writes looks at it.
        validator: scores the network, if its settings ask for it.
        writes: whether this process writes: one of several does. It must be the first that gets here.
        renew: whether a run of other settings or sources is removed instead of refused.

    Raises:
        CheckpointError: the folder cannot be written, another process trains in it, or its run had other settings or
            sources; or a new run cannot load the weights it starts from.
    """

    def __init__(
        self,
        folder: Path,
        settings: RunConfig,
        train_state: TrainState,
        samples: Samples,
        sources: Origin,
        validator: Validator | None = None,
        *,
        writes: bool,
        renew: bool = False,
    ) -> None:
        self.folder = folder
        self.step = 0
        self._validator = validator
        self._settings = settings
        self._train_state = train_state
        self._samples = samples
        self._sources = sources
        self._means = Means()
        self._resources = ExitStack()
        self._records: Records | None = None
        self._writes = writes
        with ExitStack() as on_error:
            on_error.push(self._resources)
            if writes:
                self._lock_folder()
                require_same(folder, settings, sources, renew=renew)
            self._resume()
            if writes:
                write_atomic(folder / SETTINGS_FILE, settings.model_dump_json(indent=2).encode())
                write_origin(folder, self._sources)
            on_error.pop_all()

    def _lock_folder(self) -> None:
        """Create the folder and lock it, so that no other process trains in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._resources.enter_context(FileLock(self.folder / ".lock", timeout=0))
        except Timeout as error:
            raise CheckpointError(
                f"{self.folder} is in use by another training; wait for its end, or name another folder"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"{self.folder} cannot be written ({error.strerror or error}); name another folder"
            ) from error

    def _resume(self) -> None:
        paths = checkpoints.paths_in(self.folder)
        if not paths:
            self._train_state.load_start()
            return
        state = checkpoints.read(paths[-1])
        self._train_state.load_state_dict(state)
        self._means.load_state_dict(state["means"])
        self._sources = checkpoints.sources_of(state)
        self.step = state["step"]
        if self._validator:
            self._validator.load_state_dict(state[checkpoints.VALIDATION])

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.push(self._resources)
            if self._writes:
                records = Records(self.folder, begin=self.step, steps=self._settings.steps)
                self._records = self._resources.enter_context(records)
            if not self.step:
                self._write_row({}, self._score())
            on_error.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def ended(self) -> bool:
        """Whether the run has all its steps, or no longer improves."""
        return self.step >= self._settings.steps or bool(self._validator and self._validator.ended)

    @property
    def writes_next(self) -> bool:
        """Whether something is due after the next step. Then `advance` wants the figures of all steps so far."""
        step, due = self.step + 1, self._settings.records
        scored = bool(self._validator and self._validator.is_due(step))
        return (
            scored or step == self._settings.steps or any(step % n == 0 for n in (due.log, due.save, due.preview) if n)
        )

    def advance(self, figures: Sequence[dict[str, float]], *, last: bool) -> None:
        """Count a step, and write what is due after it.

        Args:
            figures: losses and other numbers by name, of each step whose figures are known since the last call.
            last: whether training ends here: then a checkpoint and a preview are written in any case.
        """
        self.step += 1
        for each in figures:
            self._means.add(each)
        scores = self._score()
        if not self._records:
            return
        intervals = self._settings.records
        last = last or self.ended
        self._records.advance(self.step)
        self._write_row(self._means.pop() if self.step % intervals.log == 0 else {}, scores)
        if intervals.preview and (last or self.step % intervals.preview == 0):
            strip = preview_strip(self._train_state.preview_network, self._samples[0, 0])
            self._records.write_preview(self.step, strip)
        if last or self.step % intervals.save == 0:
            checkpoints.save(self.folder, self.step, self._state_dict(), intervals.keep)

    def _score(self) -> Scores:
        if not self._validator or not self._validator.is_due(self.step):
            return {}
        return self._validator.score(self.step, self._train_state.preview_network, self._train_state.weights)

    def _write_row(self, means: Scores, scores: Scores) -> None:
        if self._records and (means or scores):
            self._records.log(self.step, means, scores)

    def _state_dict(self) -> checkpoints.State:
        validation = {checkpoints.VALIDATION: self._validator.state_dict()} if self._validator else {}
        return {
            **validation,
            "step": self.step,
            "settings": self._settings.model_dump_json(),
            "sources": self._sources,
            "means": self._means.state_dict(),
            **self._train_state.state_dict(),
        }


def require_same(folder: Path, settings: RunConfig, sources: Origin, *, renew: bool = False) -> None:
    """Refuse to resume a run that is made of something else.

    Args:
        folder: folder of the run. It may have none yet.
        sources: as for `checkpoints.read_difference`.
        renew: remove such a run instead.

    Raises:
        CheckpointError: settings or sources differ, or the newest checkpoint cannot be read.
    """
    difference = checkpoints.read_difference(folder, settings, sources)
    if difference and renew:
        _log.info("%s is trained again: %s", folder, difference)
        remove_run(folder)
    elif difference:
        raise trained_otherwise(folder, difference)


def trained_otherwise(folder: Path, difference: str) -> CheckpointError:
    """Return the refusal to resume a run that is made of something else."""
    return CheckpointError(
        f"{folder} was trained otherwise: {difference}. Set and put everything as it was; or name another folder for "
        "the new run; or add --renew to train it again"
    )


def remove_run(folder: Path) -> None:
    """Remove a run: first its checkpoints, then what was recorded. Other files stay."""
    for path in [*checkpoints.paths_in(folder), folder / METRICS_FILE]:
        path.unlink(missing_ok=True)
    for path in (folder / PREVIEWS, folder / BOARD):
        shutil.rmtree(path, ignore_errors=True)
