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
from .config import CHANGEABLE, RunConfig

type State = dict[str, Any]
"""Tensors, numbers, text, and lists and dicts of them."""

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


def read_newest(folder: Path) -> State:
    """Return the content of a run's newest checkpoint.

    Raises:
        CheckpointError: it is missing, damaged, or no checkpoint.
    """
    paths = paths_in(folder)
    if not paths:
        raise CheckpointError(f"{folder} holds no checkpoint; start the same command again")
    return read(paths[-1])


def read_config[C: RunConfig](path: Path, state: State, kind: type[C]) -> C:
    """Return the settings that a checkpoint was trained with.

    Args:
        path: where `state` was read, for errors.
        kind: the expected class of settings.

    Raises:
        CheckpointError: it is a checkpoint of another kind of network, or of another release of the trainer.
    """
    try:
        stage = json.loads(state["settings"])["stage"]
        if stage not in kind.stages():
            *others, last = kind.stages()
            raise CheckpointError(
                f"{path} is a checkpoint of stage {stage}; name a run of {', '.join(others)} or {last} here"
            )
        return kind.model_validate_json(state["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} has settings of another release of the trainer: {error}") from error


def require_same(path: Path, state: State, settings: RunConfig) -> None:
    """Refuse to resume a run with settings that differ from its own.

    Args:
        path: where `state` was read, for errors.

    Raises:
        CheckpointError: settings other than `CHANGEABLE` differ.
    """
    before, now = (
        _flatten(each.model_dump(exclude=CHANGEABLE)) for each in (read_config(path, state, type(settings)), settings)
    )
    if different := [f"{name}={before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]:
        listed = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
        raise CheckpointError(
            f"{path} was trained with {listed}. Set them as they were, or name another folder for the new run "
            f"(start={path} takes over the weights)"
        )


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one dict, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
