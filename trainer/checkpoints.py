"""A run's state on disk: written whole or not at all, the last few kept, read without running anything."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from pydantic import Field, TypeAdapter

from vsanimesr.files import write_whole

from .errors import CheckpointError
from .lbo.stages import OperatorTraining
from .stages import FREE, Network, Stage, Training

type State = dict[str, Any]
"""Tensors, numbers, text, and lists and dicts of them."""

_STAGES: TypeAdapter[Training | OperatorTraining] = TypeAdapter(
    Annotated[Training | OperatorTraining, Field(discriminator="stage")]
)
_NAME = re.compile(r"checkpoint-(\d{8})\.pt")


def path_of(folder: Path, step: int) -> Path:
    """Where a run keeps its state after so many steps."""
    return folder / f"checkpoint-{step:08}.pt"


def all_of(folder: Path) -> list[Path]:
    """A run's checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def save(folder: Path, step: int, state: State, keep: int) -> Path:
    """Write a checkpoint, then delete all but the last few.

    Raises:
        CheckpointError: it cannot be written; those that are there stay.
    """
    path = path_of(folder, step)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        write_whole(path, buffer.getvalue())
        for old in all_of(folder)[:-keep]:
            old.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}); make room, and start the same command again: it "
            "goes on from the checkpoint before"
        ) from error
    return path


def read(path: Path) -> State:
    """What a checkpoint holds; on the CPU.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
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
            f"{path} is damaged, or no checkpoint ({str(error)[:200]}); delete it, and the run goes on from the one "
            "before"
        ) from error
    if not isinstance(state, dict) or not {"step", "settings", "network", "average"} <= state.keys():
        raise CheckpointError(f"{path} is no checkpoint of this trainer; name one of a run")
    return cast(State, state)


def newest(folder: Path) -> State:
    """What the last checkpoint of a run holds.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
    """
    kept = all_of(folder)
    if not kept:
        raise CheckpointError(f"{folder} holds no checkpoint; start the same command again")
    return read(kept[-1])


def settings_of(path: Path, state: State) -> Training | OperatorTraining:
    """What a checkpoint was trained with.

    Raises:
        CheckpointError: another release of the trainer wrote it.
    """
    try:
        return _STAGES.validate_json(state["settings"])
    except ValueError as error:
        raise CheckpointError(f"{path} has settings of another release of the trainer: {error}") from error


def network_settings_of(path: Path, state: State) -> Network:
    """What the network of a checkpoint is.

    Raises:
        CheckpointError: it is of an operator; or another release of the trainer wrote it.
    """
    settings = settings_of(path, state)
    if isinstance(settings, OperatorTraining):
        raise CheckpointError(f"{path} is of an operator (lbo train), which upscales nothing; name a run of vsr-l1")
    return settings.network


def require_same(path: Path, state: State, settings: Stage) -> None:
    """Refuse to go on with other settings than a run began with.

    Raises:
        CheckpointError: they differ in more than `FREE`.
    """
    before, now = (_flat(each.model_dump(exclude=FREE)) for each in (settings_of(path, state), settings))
    if different := [f"{name}={before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]:
        listed = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
        raise CheckpointError(
            f"{path} was trained with {listed}. Set them as they were, or name another folder for the new run "
            f"(start={path} takes over the weights)"
        )


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return flat
