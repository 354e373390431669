"""A run's state on disk: written atomically, the last few kept, read without running any code from the file."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, cast

import torch

from vsanimesr.files import write_atomic

from ..errors import CheckpointError
from ..origin import Origin, differences, digest_texts
from .config import RunConfig, lasting

type State = dict[str, Any]
"""Tensors, numbers, text, and lists and dicts of them."""

START, OPERATOR, CLIP, HELD_OUT = "start", "operator ", "clip ", "held out "
"""Names among the sources of a run: of the weights it started from; the beginnings of those of operators, of clips, and
of what scores are made of."""
VALIDATION = "validation"
"""Name of the part of a checkpoint that has the best step."""

_NAME = re.compile(r"checkpoint-(\d{8})\.pt")


def path_of(folder: Path, step: int) -> Path:
    """Return the path of a run's checkpoint after a number of steps."""
    return folder / f"checkpoint-{step:08}.pt"


def paths_in(folder: Path) -> list[Path]:
    """Return the paths of a run's checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def resolve(path: Path) -> Path:
    """Return a checkpoint's path: the path itself, or the newest checkpoint of a run's folder.

    Raises:
        CheckpointError: the folder holds no checkpoint.
    """
    if not path.is_dir():
        return path
    paths = paths_in(path)
    if not paths:
        raise CheckpointError(f"{path} holds no checkpoint; name a run's folder, or a file")
    return paths[-1]


def save(folder: Path, step: int, state: State, keep: int) -> Path:
    """Write a checkpoint, then delete all but the last few.

    Args:
        keep: number of checkpoints that stay, the new one included.

    Raises:
        CheckpointError: it cannot be written. The existing checkpoints stay.
    """
    path = path_of(folder, step)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        write_atomic(path, buffer.getvalue())
        for old in paths_in(folder)[:-keep]:
            old.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}); make room and start the same command again: it "
            "resumes from the checkpoint before"
        ) from error
    return path


def read(path: Path) -> State:
    """Return the content of a checkpoint, with tensors on the CPU.

    Raises:
        CheckpointError: it is missing, damaged, or no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if member := archive.testzip():
                raise zipfile.BadZipFile(f"{member} has another checksum")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint ({str(error)[:200]}); delete it, and the run resumes from the one "
            "before"
        ) from error
    if not isinstance(state, dict) or not {"step", "settings", "network", "ema"} <= state.keys():
        raise CheckpointError(f"{path} is no checkpoint of this trainer; name one of a run")
    return cast(State, state)


def read_run(path: Path) -> tuple[Path, State]:
    """Return a checkpoint that a user named, and its path. A run's folder stands for its best step if its steps were
    scored, else for its newest checkpoint.

    Raises:
        CheckpointError: it is missing, damaged, or no checkpoint.
    """
    file = resolve(path)
    state = read(file)
    best = state.get(VALIDATION, {}).get("best") if path.is_dir() else None
    return file, state | {name: best[name] for name in ("step", "network", "ema")} if best else state


def is_finished(folder: Path, steps: int) -> bool:
    """Return whether a run has all its steps, or has ended because it no longer improved.

    Raises:
        CheckpointError: the newest checkpoint cannot be read.
    """
    if not paths_in(folder):
        return False
    state = read_newest(folder)
    return state["step"] >= steps or bool(state.get(VALIDATION, {}).get("ended"))


def has_ended(folder: Path) -> bool:
    """Return whether a run has all the steps of its own settings, or has ended because it no longer improved."""
    return bool(paths_in(folder)) and is_finished(folder, json.loads(read_newest(folder)["settings"])["steps"])


def read_newest(folder: Path) -> State:
    """Return the content of a run's newest checkpoint.

    Raises:
        CheckpointError: it is missing, damaged, or no checkpoint.
    """
    paths = paths_in(folder)
    if not paths:
        raise CheckpointError(f"{folder} holds no checkpoint; start the same command again")
    return read(paths[-1])


def read_config[C: RunConfig](path: Path, state: State, *kinds: type[C]) -> C:
    """Return the settings that a checkpoint was trained with.

    Args:
        path: where `state` was read, for errors.
        kinds: the expected classes of settings, one of which has the checkpoint's stage.

    Raises:
        CheckpointError: it is a checkpoint of another kind of network, or of another release of the trainer.
    """
    try:
        stage = json.loads(state["settings"])["stage"]
        for kind in kinds:
            if stage in kind.stages():
                return kind.model_validate_json(state["settings"])
        *others, last = [each for kind in kinds for each in kind.stages()]
        expected = f"{', '.join(others)} or {last}" if others else last
        raise CheckpointError(f"{path} is a checkpoint of stage {stage}; name a run of {expected} here")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} has settings of another release of the trainer: {error}") from error


def read_difference(folder: Path, settings: RunConfig, sources: Origin) -> str:
    """Return what a run is made of otherwise than these settings and sources; "" if it has no checkpoint yet.

    Args:
        folder: folder of the run.
        sources: what the run learns from, by content. Without `START` in it, the name of `start` decides. With the
            number of operators but none of them, they are taken for the same.

    Raises:
        CheckpointError: the newest checkpoint cannot be read, or belongs to another kind of run.
    """
    paths = paths_in(folder)
    return describe_change(paths[-1], read(paths[-1]), settings, sources) if paths else ""


def describe_change(path: Path, state: State, settings: RunConfig, sources: Origin) -> str:
    """Return what a checkpoint is made of otherwise than these settings and sources; "" if its run can be resumed.

    Args:
        path: where `state` was read, for errors.
        sources: as for `read_difference`.

    Raises:
        CheckpointError: the checkpoint belongs to another kind of run, or to another release of the trainer.
    """
    begun = read_config(path, state, type(settings))
    before, now = lasting(begun), lasting(settings)
    if state["step"] > settings.steps:
        before["steps"], now["steps"] = str(state["step"]), str(settings.steps)
    old = sources_of(state)
    if START not in sources:
        before[START], now[START] = begun.start, settings.start
        old.pop(START, None)
    if not any(name.startswith(OPERATOR) for name in sources):
        old = {name: text for name, text in old.items() if not name.startswith(OPERATOR)}
    return differences(before | old, now | sources)


def sources_of(state: State) -> Origin:
    """Return the sources of a checkpoint; none if an older release of the trainer wrote it."""
    sources = state.get("sources")
    return dict(sources) if isinstance(sources, dict) and "format" in sources else {}


def origin_of(path: Path, state: State, *kinds: type[RunConfig]) -> Origin:
    """Return all that the weights of a checkpoint are made of. Clips are put together into one hash, and what is held
    out into another.

    Args:
        path: where `state` was read, for errors.

    Raises:
        CheckpointError: the checkpoint belongs to another kind of run, or to another release of the trainer.
    """
    sources = sources_of(state)
    origin = lasting(read_config(path, state, *kinds)) | {"steps": str(state["step"])}
    origin |= {name: text for name, text in sources.items() if not name.startswith((CLIP, HELD_OUT))}
    for name, prefix in (("clips", CLIP), ("held out", HELD_OUT)):
        parts = [f"{each}: {text}" for each, text in sources.items() if each.startswith(prefix)]
        if parts or prefix == CLIP:
            origin[name] = f"{len(parts)}, {digest_texts(parts)}"
    return origin
