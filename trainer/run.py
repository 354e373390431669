"""A run: its folder, where it stands, and what is kept of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vsanimesr.files import write_whole

from . import checkpoints
from .errors import CheckpointError
from .players import Players
from .records import Means, Records
from .sample import Samples
from .stages import Stage
from .strip import strip_of

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Sources:
    """What a run learns from besides its settings: with others it would be another run."""

    clips: dict[str, int]
    """How many frames each has, by name."""
    vgg: str
    """Whose features are compared; empty without a perceptual loss."""
    operators: list[str] = field(default_factory=list)
    """Fingerprints of the learnable basic operators that degrade, in order."""


class Run:
    """Goes on where the newest checkpoint of its folder is; from the start where there is none.

    Args:
        folder: made where it is missing.
        writes: whether this process is the one that writes.

    Raises:
        CheckpointError: the folder cannot be written, another process trains in it, or its run had other settings or
            sources; or the weights that a new run begins with cannot be had.
    """

    def __init__(
        self,
        folder: Path,
        settings: Stage,
        players: Players,
        samples: Samples,
        sources: Sources,
        *,
        writes: bool,
    ) -> None:
        self.folder = folder
        self.step = 0
        self._settings = settings
        self._players = players
        self._samples = samples
        self._sources = sources
        self._means = Means()
        self._open = ExitStack()
        self._records: Records | None = None
        self._writes = writes
        with ExitStack() as failing:
            failing.push(self._open)
            if writes:
                self._take()
            self._go_on()
            if writes:
                write_whole(folder / SETTINGS, settings.model_dump_json(indent=2).encode())
            failing.pop_all()

    def _take(self) -> None:
        """The folder, for this process alone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._open.enter_context(FileLock(self.folder / ".lock", timeout=0))
        except Timeout as error:
            raise CheckpointError(
                f"{self.folder} belongs to a training that runs; wait for it, or name another folder"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"{self.folder} cannot be written ({error.strerror or error}); name another folder"
            ) from error

    def _go_on(self) -> None:
        if not (kept := checkpoints.all_of(self.folder)):
            self._players.begin()
            return
        state = checkpoints.read(kept[-1])
        checkpoints.require_same(kept[-1], state, self._settings)
        self._require_sources(kept[-1], Sources(**state["sources"]))
        self._players.load_state_dict(state)
        self._means.load_state_dict(state["means"])
        self.step = state["step"]

    def _require_sources(self, path: Path, before: Sources) -> None:
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
            raise CheckpointError(
                f"{path} was trained with features of {before.vgg}, and losses.perceptual.weights="
                f"{self._settings.losses.perceptual.weights!r} now gives {now.vgg}; set it to what gave the other, or "
                "name another folder for the new run"
            )

    def __enter__(self) -> Self:
        if self._writes:
            records = Records(self.folder, begin=self.step, steps=self._settings.steps)
            self._records = self._open.enter_context(records)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def advance(self, figures: dict[str, float], *, last: bool) -> None:
        """Count a step, and write what is due: everything after the last one."""
        self.step += 1
        self._means.add(figures)
        if not self._records:
            return
        every = self._settings.records
        last = last or self.step == self._settings.steps
        self._records.advance(self.step)
        if self.step % every.log == 0:
            self._records.log(self.step, self._means.taken())
        if every.show and (last or self.step % every.show == 0):
            self._records.show(self.step, strip_of(self._players.averaged, self._samples[0, 0]))
        if last or self.step % every.save == 0:
            checkpoints.save(self.folder, self.step, self._state(), every.keep)

    def _state(self) -> checkpoints.State:
        return {
            "step": self.step,
            "settings": self._settings.model_dump_json(),
            "sources": asdict(self._sources),
            "means": self._means.state_dict(),
            **self._players.state_dict(),
        }
