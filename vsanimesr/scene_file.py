"""Files that say where scenes start: read in the formats of several tools, written in those that tools read.

Format of a file, recognised by its content:

    lines           a frame number a line; empty lines and lines that begin with # do not count
    qpfile          x264 and x265: `N I -1` or `N K -1`; lines with other frame types do not count
    av-scenechange  JSON with `scene_changes`
    av1an           JSON with `scenes`, each with `start_frame`
    pyscenedetect   the CSV of a scene list, whose column `Start Frame` counts from 1
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from .errors import OptionError
from .files import read_at_most
from .paths import user_path

LAST_FRAME = 2**31 - 2
"""The length of a clip is a 32-bit number."""
MAX_BYTES = 64 << 20
SUFFIXES = {".qp": "qpfile", ".qpfile": "qpfile", ".json": "av1an", ".csv": "pyscenedetect"}
"""The format that `animesr scenes` writes for a suffix; for any other it is `lines`."""
WRITTEN = ("lines", *dict.fromkeys(SUFFIXES.values()))
"""Names of the formats that can be written."""

_FORMATS = (
    "use a file with a frame number a line, a qpfile of x264 or x265, the JSON of av-scenechange or Av1an, or the "
    "scene list (CSV) of PySceneDetect"
)
_START_FRAME = "Start Frame"
_SCENE_FRAME_TYPES = {"I", "K", "IDR"}
_OTHER_FRAME_TYPES = {"i", "P", "B", "b"}
_MAX_QUOTED = 40  # characters of a file that an error repeats


def read_scene_file(name: str) -> tuple[int, ...]:
    """Read the frame numbers in a scene file, ascending, each once.

    Args:
        name: the file's path, as the user wrote it.

    Raises:
        OptionError: the file cannot be read, or is not a scene file; the message names file, line, value and remedy.
    """
    path = user_path(name)
    try:
        data = read_at_most(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise OptionError(f"{path} does not exist; {_FORMATS}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"{path} cannot be read ({reason}); {_FORMATS}") from None
    if len(data) > MAX_BYTES:
        raise OptionError(f"{path} has more than {MAX_BYTES >> 20} MiB, so it is no scene file; {_FORMATS}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError(f"{path} is no text file; {_FORMATS}") from None
    return parse_scenes(text, str(path))


def parse_scenes(text: str, name: str) -> tuple[int, ...]:
    """Read the frame numbers in the text of a scene file, ascending, each once.

    Args:
        name: the file's name, for errors.

    Raises:
        OptionError: as from `read_scene_file`.
    """
    lines = text.splitlines()
    if text.lstrip().startswith(("{", "[")):
        frames = _parse_json(text, name)
    elif any(_START_FRAME in line for line in lines[:2]):
        frames = _parse_csv(lines, name)
    else:
        frames = _parse_lines(lines, name)
    found = tuple(sorted(set(frames)))
    if not found:
        raise OptionError(f"{name} has no frame numbers; {_FORMATS}")
    return found


def write_scenes(scenes: Iterable[int], length: int, rate: Fraction, format: str) -> str:
    """Return the text of a scene file.

    Args:
        scenes: frames where scenes start; frame 0 is added.
        length: of the clip, in frames.
        rate: frames a second, for timecodes.
        format: one of `WRITTEN`.
    """
    starts = sorted({0, *scenes})
    ends = [*starts[1:], length]
    if format == "qpfile":
        return "".join(f"{start} I -1\n" for start in starts)
    if format == "av1an":
        parts = [
            {"start_frame": start, "end_frame": end, "zone_overrides": None}
            for start, end in zip(starts, ends, strict=True)
        ]
        return json.dumps({"frames": length, "scenes": parts, "split_scenes": parts}) + "\n"
    if format == "pyscenedetect":
        return _write_csv(starts, ends, rate)
    return "".join(f"{start}\n" for start in starts)


def _parse_lines(lines: Iterable[str], name: str) -> Iterator[int]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"{name}, line {number}"
        frame = _parse_frame(words[0], place)
        if len(words) == 1 or words[1] in _SCENE_FRAME_TYPES:
            yield frame
        elif words[1] not in _OTHER_FRAME_TYPES:
            raise OptionError(f"{place}: {_quote(line)} is neither a frame number nor a line of a qpfile; {_FORMATS}")


def _parse_json(text: str, name: str) -> Iterator[int]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise OptionError(f"{name}, line {error.lineno} is damaged JSON ({error.msg}); write the file again") from None
    except ValueError as error:  # a number of very many digits
        raise OptionError(f"{name} is damaged JSON ({error}); write the file again") from None
    except RecursionError:
        raise OptionError(f"{name} is JSON of too many levels; {_FORMATS}") from None
    values = _find_values(document)
    if values is None:
        raise OptionError(f"{name} is JSON without a list scene_changes or scenes; {_FORMATS}")
    for number, value in enumerate(values, 1):
        yield _parse_frame(value, f"{name}, scene {number}")


def _find_values(document: Any) -> list[Any] | None:
    """Return the values that should be frame numbers in the JSON of av-scenechange or Av1an."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("scene_changes"), list):
        return list(document["scene_changes"])
    if isinstance(document.get("scenes"), list):
        return [scene.get("start_frame") if isinstance(scene, dict) else scene for scene in document["scenes"]]
    return None


def _parse_csv(lines: Iterable[str], name: str) -> Iterator[int]:
    column: int | None = None
    rows = csv.reader(lines)
    try:
        for row in rows:
            if column is None:
                # A line with the timecodes of all cuts may come first.
                column = row.index(_START_FRAME) if _START_FRAME in row else None
            elif row:
                place = f"{name}, line {rows.line_num}"
                if len(row) <= column:
                    raise OptionError(f"{place} has no {_START_FRAME!r}; write the file again")
                yield _parse_frame(row[column], place, first=1) - 1
    except csv.Error as error:
        raise OptionError(f"{name}, line {rows.line_num} is damaged CSV ({error}); write the file again") from None


def _parse_frame(value: object, place: str, first: int = 0) -> int:
    """Read a frame number of a file that counts from `first`."""
    text = str(value)
    is_number = type(value) is int or (isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", text))
    if not is_number or not first <= int(text) <= LAST_FRAME + first:
        raise OptionError(
            f"{place}: {_quote(text)} is no frame number; use whole numbers from {first} to {LAST_FRAME + first}"
        )
    return int(text)


def _quote(text: str) -> str:
    return repr(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "...")


def _write_csv(starts: Sequence[int], ends: Sequence[int], rate: Fraction) -> str:
    head = ["Scene Number", _START_FRAME, "Start Timecode", "Start Time (seconds)", "End Frame", "End Timecode"]
    head += ["End Time (seconds)", "Length (frames)", "Length (timecode)", "Length (seconds)"]
    lines = [",".join(["Timecode List:", *(_timecode(start, rate) for start in starts[1:])]), ",".join(head)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        row = [str(number)]
        # Frames are numbered from 1, so the last frame of a scene has the number `end`.
        for written, frames in ((start + 1, start), (end, end), (end - start, end - start)):
            row += [str(written), _timecode(frames, rate), _seconds(frames, rate)]
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def _seconds(frames: int, rate: Fraction) -> str:
    return f"{float(frames / rate):.3f}"


def _timecode(frames: int, rate: Fraction) -> str:
    """Return hours, minutes and seconds, to the millisecond."""
    milliseconds = round(1000 * frames / rate)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
