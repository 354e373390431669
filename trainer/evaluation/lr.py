"""The LR frames of a set as files, for other programs, and how results are known to be made of them.

Beside the frames lies a file that tells what they are made of. A folder of results that has a copy of it is refused for
a set with other LR. The frames themselves do not tell: what an upscaler makes of one degradation looks like what it
makes of another.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from vsanimesr.files import write_atomic

from ..errors import ClipError, TrainerError
from ..origin import Origin, differences
from .sets import SetClip

LR_FILE = "lr.json"


def write_lr(folder: Path, clips: Sequence[SetClip]) -> None:
    """Write the LR frames of all clips as PNG, in a folder for each, and what they are made of.

    Nothing is overwritten: after a stop, the frames that are missing are written.

    Raises:
        ClipError: a clip cannot be read.
        TrainerError: the folder holds something else, of which frames could be left among these; or it cannot be
            written.
    """
    try:
        _require_free(folder, clips)
        folder.mkdir(parents=True, exist_ok=True)
        origins = {clip.name: _origin(clip) for clip in clips}
        write_atomic(folder / LR_FILE, json.dumps(origins, indent=1).encode())  # first: a stop leaves nothing unknown
        for clip in clips:
            _write_clip(folder / clip.name, clip)
    except OSError as error:
        raise TrainerError(f"--write-lr {folder}: {error.strerror or error}; use another folder") from error


def knows_lr(folder: Path, clips: Sequence[SetClip]) -> bool:
    """Return whether a folder of results tells what LR it is made of.

    Raises:
        ClipError: it is other LR than that of the clips, or the file that tells it is damaged.
    """
    before = _read(folder)
    if before is not None and (found := _difference(before, clips)):
        raise ClipError(
            f"{folder / LR_FILE} is of other LR ({found}); evaluate with the options that LR was written with, or "
            "write it again and upscale that"
        )
    return before is not None


def _require_free(folder: Path, clips: Sequence[SetClip]) -> None:
    """Refuse a folder that holds anything but LR of these clips."""
    before = _read(folder)
    if before is None:
        found = f"no {LR_FILE}" if folder.is_dir() and any(folder.iterdir()) else ""
    else:
        gone = sorted(before.keys() - {clip.name for clip in clips})
        found = _difference(before, clips) or ("".join(f"{name!r} is no longer in the set" for name in gone[:1]))
    if found:
        raise TrainerError(f"--write-lr {folder} holds something else ({found}); remove it, or use another folder")


def _write_clip(place: Path, clip: SetClip) -> None:
    paths = [place / f"{n:08}.png" for n in range(len(clip))]
    if all(path.exists() for path in paths):
        return
    place.mkdir(exist_ok=True)
    for path, frame in zip(paths, clip.load().lr.movedim(1, -1).numpy(), strict=True):
        if not path.exists():
            file = io.BytesIO()
            Image.fromarray(frame).save(file, "PNG")
            write_atomic(path, file.getvalue())


def _origin(clip: SetClip) -> Origin:
    """Return what LR is made of: of LQ clips, not the HQ that lies beside them."""
    return {name: text for name, text in clip.origin().items() if name != "hq"}


def _difference(before: Mapping[str, Origin], clips: Sequence[SetClip]) -> str:
    """Return what LR of the first other clip differs in; "" if there is none."""
    found = ((clip.name, differences(before.get(clip.name, {}), _origin(clip))) for clip in clips)
    return next((f"{name!r}: {difference}" for name, difference in found if difference), "")


def _read(folder: Path) -> Mapping[str, Origin] | None:
    """Return what the frames of each clip are made of; None if the folder does not tell."""
    path = folder / LR_FILE
    try:
        found: dict[str, Origin] = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(origin) for name, origin in found.items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ClipError(f"{path} cannot be read ({error}); copy it again, or write LR again") from error
