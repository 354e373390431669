"""Find where the scenes of a clip start, and write a scene file.

IN is a video file, or a VapourSynth script whose output 0 is read: the clip before Upscale. Scenes start where Upscale
finds them with scene_change="auto". It takes the file as scene_change="FILE".

Example:
  animesr scenes episode.mkv -o scenes.txt
"""

from __future__ import annotations

import argparse
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependencyError, OptionError
from ..files import write_atomic
from ..options import SCENE_PROPERTY
from ..quiet import stdout_to_stderr
from ..scene_file import SUFFIXES, WRITTEN, write_scenes

if TYPE_CHECKING:
    import vapoursynth

READERS = {"bs": "VideoSource", "ffms2": "Source", "lsmas": "LWLibavSource"}
"""Functions that open a video file, by plugin, the best first."""
NO_RATE = Fraction(24)
"""Frames a second of a clip that does not say."""
INTERVAL, TERMINAL_INTERVAL = 10.0, 0.2  # seconds between two lines of progress, and between two updates of one line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("input", type=Path, metavar="IN", help="a video file or a .vpy script")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE", help="file to write")
    suffixes = ", ".join(f"{name} for {suffix}" for suffix, name in SUFFIXES.items())
    parser.add_argument("--format", choices=WRITTEN, help=f"default: {suffixes}, else lines (a frame number a line)")


def run(args: argparse.Namespace) -> int:
    """Find the scenes and write the file."""
    output: Path = args.output
    _check_paths(args.input, output)
    place = output.absolute()  # a script may change the current folder
    with stdout_to_stderr():
        clip = open_clip(args.input)
        scenes = find_scenes(clip, str(args.input))
    wanted = args.format or SUFFIXES.get(output.suffix.lower(), WRITTEN[0])
    text = write_scenes(scenes, len(clip), clip.fps or NO_RATE, wanted)
    try:
        write_atomic(place, text.encode())
    except OSError as error:
        raise OptionError(f"-o {output} cannot be written ({error.strerror or error}); use another path") from None
    print(f"{output}: {len(scenes)} scenes in {len(clip)} frames", file=sys.stderr)
    return 0


def find_scenes(clip: vapoursynth.VideoNode, name: str, what: str = "") -> list[int]:
    """Return the first frames of all scenes, and show the progress on stderr.

    Args:
        name: of the clip, for errors.
        what: text before each line of progress.

    Raises:
        OptionError: a frame cannot be read.
    """
    import vapoursynth as vs

    scenes = []
    progress = Progress(len(clip), what)
    try:
        for n, frame in enumerate(vs.core.animesr.Scenes(clip).frames(close=True)):
            if n == 0 or frame.props.get(SCENE_PROPERTY) == 1:
                scenes.append(n)
            progress.show(n + 1)
    except vs.Error as error:
        reason = str(error).strip().splitlines()[-1]  # of a traceback, if a filter in Python fails, the last line
        raise OptionError(f"{name}: {reason}") from None
    finally:
        progress.clear()
    return scenes


def _check_paths(source: Path, output: Path) -> None:
    """Check both paths before the work starts."""
    try:
        if not output.parent.is_dir():
            raise OptionError(f"-o {output}: the folder {output.parent} does not exist; create it, or use another path")
        if not source.is_file():
            raise OptionError(f"{source} is no file; give a video file or a .vpy script")
        if output.exists() and output.samefile(source):
            raise OptionError(f"-o {output} would overwrite the clip; use another path")
    except OSError as error:  # in a folder that may not be entered, or a name that is too long
        raise OptionError(f"{error.filename} cannot be used ({error.strerror or error}); use another path") from None


def open_clip(path: Path) -> vapoursynth.VideoNode:
    """Open a video file or a script.

    Raises:
        OptionError: it cannot be opened, or the script has no clip as output 0.
        MissingDependencyError: no plugin that opens video files is installed.
    """
    from .. import load  # not at the top: it is missing if files of another package lie over ours, which `main` reports

    load()
    return _run_script(path) if path.suffix.lower() == ".vpy" else _read_video(path)


def _read_video(path: Path) -> vapoursynth.VideoNode:
    import vapoursynth as vs

    for plugin, function in READERS.items():
        if hasattr(vs.core, plugin):
            try:
                return getattr(getattr(vs.core, plugin), function)(str(path))
            except vs.Error as error:
                raise OptionError(f"{path} cannot be read as a video ({error}); give a video file or a .vpy") from None
    raise MissingDependencyError(
        "no plugin of VapourSynth that opens video files is installed; run: pip install vapoursynth-bestsource. Or "
        "give a .vpy script"
    )


def _run_script(path: Path) -> vapoursynth.VideoNode:
    import vapoursynth as vs

    vs.clear_outputs()
    with _search_modules_in(path.parent):
        try:
            runpy.run_path(str(path), run_name="__vapoursynth__")
        except (Exception, SystemExit) as error:
            raise OptionError(f"{path} fails ({type(error).__name__}: {error}); mend the script") from None
    output: Any = vs.get_outputs().get(0)
    clip = getattr(output, "clip", output)  # an output holds the clip and its alpha
    if not isinstance(clip, vs.VideoNode):
        raise OptionError(f"{path} has no clip as output 0; end the script with clip.set_output()")
    return clip


@contextmanager
def _search_modules_in(folder: Path) -> Iterator[None]:
    """Let a script import modules that lie beside it, as vspipe does."""
    path = sys.path
    sys.path = [str(folder.resolve()), *path]
    try:
        yield
    finally:
        sys.path = path  # whatever the script has done to it


class Progress:
    """Frames done, frames a second and the time left: one line of a terminal, or a line now and then.

    Args:
        what: text before each line.
    """

    def __init__(self, frames: int, what: str = "") -> None:
        self._frames = frames
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown < (TERMINAL_INTERVAL if self._terminal else INTERVAL):
            return
        self._shown = now
        rate = done / (now - self._started)
        minutes, seconds = divmod(round((self._frames - done) / rate), 60)
        speed = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"  # a clip with Upscale can take seconds a frame
        line = f"{self._what}{done}/{self._frames} frames, {speed} frames/s, {minutes}:{seconds:02} left"
        before, after = ("\r", "\033[K") if self._terminal else ("", "\n")
        print(f"{before}{line}{after}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
