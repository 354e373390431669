"""Clips out of video files and scripts, and where their scenes start."""

from __future__ import annotations

import logging
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependencyError, OptionError, last_line
from ..options import SCENE_PROPERTY
from ..progress import SHORT_INTERVAL, Display

if TYPE_CHECKING:
    import vapoursynth

SCRIPT_SUFFIX = ".vpy"
READERS = {"bs": "VideoSource", "ffms2": "Source", "lsmas": "LWLibavSource"}
"""Functions that open a video file, by plugin, the best first."""
MODULE = "__vapoursynth__"
"""The name under which vspipe runs a script."""
BLOCK = 240  # frames that are searched at once for the start of a scene
BEYOND = 32
"""Frames behind a frame whose scenes it may depend on: the window of a kept frame reaches over held frames."""

INDEXING = re.compile(r"track #\d+ index progress (\d+)%")
"""What bestsource logs while it reads a whole file, the first time."""

type Advance = Callable[[int], None]
"""What is called after each frame with the number of frames that are done."""


def open_clip(path: Path) -> vapoursynth.VideoNode:
    """Open a video file, or output 0 of a script.

    Raises:
        OptionError: the file cannot be read, or the script fails or has no clip as output 0.
        MissingDependencyError: no plugin that opens video files is installed.
    """
    if path.suffix.lower() != SCRIPT_SUFFIX:
        return _read_video(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror or error}); give a script that can") from None
    return run_script(source, path)


def run_script(source: str | bytes, path: Path) -> vapoursynth.VideoNode:
    """Run a script as vspipe does, and return its output 0.

    Args:
        source: the text of the script.
        path: what the script takes for its own path; it may import modules that lie beside it.

    Raises:
        OptionError: the script fails, or has no clip as output 0.
    """
    import vapoursynth as vs

    try:
        execute(source, path)
    except (Exception, SystemExit) as error:
        raise OptionError(f"{path} fails ({type(error).__name__}: {error}); mend the script") from None
    output: Any = vs.get_outputs().get(0)
    clip = getattr(output, "clip", output)  # an output holds the clip and its alpha
    if not isinstance(clip, vs.VideoNode):
        raise OptionError(f"{path} has no clip as output 0; end the script with clip.set_output()")
    return clip


def execute(source: str | bytes, path: Path) -> dict[str, Any]:
    """Run the text of a script as vspipe does, in its folder. Return its variables; what it raises is not caught."""
    import vapoursynth as vs

    _load_plugin()
    vs.clear_outputs()
    module = types.ModuleType(MODULE)
    path = path.absolute()
    module.__file__ = str(path)
    with _search_modules_in(path.parent), _known_as(module), chdir(path.parent), _indexing_is_shown():
        exec(compile(source, path, "exec"), module.__dict__)
    return module.__dict__


def find_scenes(
    clip: vapoursynth.VideoNode,
    name: str,
    *,
    property: str = SCENE_PROPERTY,
    detect: bool = True,
    first: int = 0,
    last: int | None = None,
    advance: Advance = lambda _: None,
) -> list[int]:
    """Return where the scenes start on which the frames from `first` to before `last` depend, ascending.

    These are all from the start of the scene that holds `first` to a little behind `last`. Frame 0 starts a scene.

    Args:
        name: of the clip, for errors.
        property: the frame property that is 1 where a scene starts.
        detect: cuts are detected among frames without `_SceneChangePrev`.
        last: None for the end of the clip.
        advance: called with the number of frames that were searched, of those from `first` to before `last`.

    Raises:
        OptionError: a frame cannot be read.
    """
    import vapoursynth as vs

    _load_plugin()
    last = len(clip) if last is None else last
    end = min(len(clip), last + BEYOND)
    wanted, done = last - first, 0

    def search(start: int, end: int) -> list[int]:
        nonlocal done
        found = []
        for n, frame in enumerate(clip[start:end].frames(close=True), start):
            if n == 0 or frame.props.get(property) == 1:
                found.append(n)
            done += 1
            advance(min(done, wanted))
        return found

    try:
        if detect:
            clip = vs.core.animesr.Scenes(clip)
        scenes = search(first, end)
        while first > 0 and (not scenes or scenes[0] > first):
            start = max(0, first - BLOCK)
            earlier = search(start, first)
            scenes = earlier[-1:] + scenes
            if earlier:
                break
            first = start
    except vs.Error as error:
        raise OptionError(f"{name}: {last_line(error)}") from None
    return scenes


def _read_video(path: Path) -> vapoursynth.VideoNode:
    import vapoursynth as vs

    _load_plugin()
    for plugin, function in READERS.items():
        if hasattr(vs.core, plugin):
            try:
                with _indexing_is_shown():
                    clip = getattr(getattr(vs.core, plugin), function)(str(path))
                    return _second_video(path) or clip if plugin == "bs" and len(clip) == 1 else clip
            except vs.Error as error:
                raise OptionError(f"{path} cannot be read as a video ({error}); give a video file or a .vpy") from None
    raise MissingDependencyError(
        "no plugin of VapourSynth that opens video files is installed; run: pip install vapoursynth-bestsource. Or "
        "give a .vpy script"
    )


def _second_video(path: Path) -> vapoursynth.VideoNode | None:
    """Return the second video of a file by bestsource: the first may be a cover."""
    import vapoursynth as vs

    with suppress(vs.Error):
        return vs.core.bs.VideoSource(str(path), track=-2)
    return None


def _load_plugin() -> None:
    from .. import load  # not at the top: it is missing if files of another package lie over ours, which `main` reports

    load()


@contextmanager
def _indexing_is_shown() -> Iterator[None]:
    """Show what bestsource logs while it reads a whole file as a line of progress."""
    display, log = Display(interval=SHORT_INTERVAL), logging.getLogger("vapoursynth")

    def show(record: logging.LogRecord) -> bool:
        found = INDEXING.search(record.getMessage())
        if found:
            display.show(lambda: f"reading the source: {found[1]} %")
        return not found

    log.addFilter(show)
    try:
        yield
    finally:
        log.removeFilter(show)
        display.clear()


@contextmanager
def _search_modules_in(folder: Path) -> Iterator[None]:
    """Let a script import modules that lie beside it, as vspipe does. A later script gets those beside itself."""
    path, modules = sys.path, set(sys.modules)
    sys.path = [str(folder), *path]
    try:
        yield
    finally:
        sys.path = path  # whatever the script has done to it
        imported = sys.modules.keys() - modules
        own = {name for name in imported if "." not in name and _lies_in(folder, sys.modules[name])}
        for name in imported:
            if name.partition(".")[0] in own:
                del sys.modules[name]


def _lies_in(folder: Path, module: types.ModuleType) -> bool:
    """Return whether a module is a file or a package of this folder, not of an environment in it."""
    path = Path(getattr(module, "__file__", None) or "")  # modules in C within Python have none
    return path.suffix == ".py" and folder in (path.parent, path.parent.parent if path.stem == "__init__" else None)


@contextmanager
def _known_as(module: types.ModuleType) -> Iterator[None]:
    """Let a script be found by its name, which dataclasses and pickle need."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        with suppress(KeyError):
            del sys.modules[module.__name__]
