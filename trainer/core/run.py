"""A run: its folder, the step it has reached, its records and checkpoints."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vsanimesr.files import write_atomic

from ..data.samples import Samples
from ..errors import CheckpointError
from ..previews import preview_strip
from . import checkpoints
from .config import RunConfig
from .records import Means, Records
from .train_state import TrainState

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Sources:
    """What a run learns from, besides its settings. With other sources it would be another run."""

    clips: dict[str, int]
    """Number of frames of each clip, by name."""
    vgg: str
    """The network whose features the perceptual loss compares; empty without this loss."""
    operators: list[str] = field(default_factory=list)
    """Fingerprints of the learnable basic operators that degrade the clips, in order."""


class Run:
    """Resumes at the newest checkpoint of its folder, or starts anew if there is none. Used in a `with`.

    Args:
        folder: folder of the run, created if missing.
        train_state: state to fill from the checkpoint, or from the weights that the settings start from.
        samples: training samples. The first one is used for previews.
        writes: whether this process writes: one of several does.

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
        sources: Sources,
        *,
        writes: bool,
    ) -> None:
        self.folder = folder
        self.step = 0
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
            self._resume()
            if writes:
                write_atomic(folder / SETTINGS_FILE, settings.model_dump_json(indent=2).encode())
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
        checkpoints.require_same(paths[-1], state, self._settings)
        self._require_sources(paths[-1], Sources(**state["sources"]))
        self._train_state.load_state_dict(state)
        self._means.load_state_dict(state["means"])
        self.step = state["step"]

    def _require_sources(self, path: Path, before: Sources) -> None:
        """Refuse to resume a checkpoint with other sources."""
        now = self._sources
        if before.clips != now.clips:
            odd = next(name for name in before.clips | now.clips if before.clips.get(name) != now.clips.get(name))
            raise CheckpointError(
                f"{path} was trained with other clips than data={self._settings.data!r} holds (the first: {odd}); put "
                "them back, or name another folder for the new run"
            )
        if before.operators != now.operators:
            raise CheckpointError(
                f"{path} was trained with other operators than lbo_pool holds now; put them back, or name another "
                "folder for the new run"
            )
        if before.vgg != now.vgg:
            weights = self._settings.losses.perceptual.weights
            raise CheckpointError(
                f"{path} was trained with features of {before.vgg}, and losses.perceptual.weights={weights!r} now "
                f"gives {now.vgg}; set it as it was, or name another folder for the new run"
            )

    def __enter__(self) -> Self:
        if self._writes:
            records = Records(self.folder, begin=self.step, steps=self._settings.steps)
            self._records = self._resources.enter_context(records)
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def advance(self, figures: dict[str, float], *, last: bool) -> None:
        """Count a step, and write what is due after it.

        Args:
            figures: losses and other numbers of the step, by name.
            last: whether training ends here: then a checkpoint and a preview are written in any case.
        """
        self.step += 1
        self._means.add(figures)
        if not self._records:
            return
        intervals = self._settings.records
        last = last or self.step == self._settings.steps
        self._records.advance(self.step)
        if self.step % intervals.log == 0:
            self._records.log(self.step, self._means.pop())
        if intervals.preview and (last or self.step % intervals.preview == 0):
            strip = preview_strip(self._train_state.preview_network, self._samples[0, 0])
            self._records.write_preview(self.step, strip)
        if last or self.step % intervals.save == 0:
            checkpoints.save(self.folder, self.step, self._state_dict(), intervals.keep)

    def _state_dict(self) -> checkpoints.State:
        return {
            "step": self.step,
            "settings": self._settings.model_dump_json(),
            "sources": asdict(self._sources),
            "means": self._means.state_dict(),
            **self._train_state.state_dict(),
        }
