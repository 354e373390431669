"""The C ABI of `native/bridge.h` in ctypes: the only Python file with pointers.

The plugin imports this module and reads `ADDRESS`, the address of a table of functions. Each function translates a call
from C into a call of `Session`. It runs on VapourSynth's thread, and ctypes takes the GIL for it. No exception leaves
it: the message goes into the caller's `error`, and the return value shows the failure.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import logging
import os
import threading
from collections.abc import Callable
from ctypes import POINTER, c_char, c_char_p, c_int32, c_int64, c_ssize_t, c_void_p
from typing import Any, Literal

import numpy as np

import vsanimesr

from .backends import installed_backends
from .backends.base import Frame, Planes
from .errors import AnimeSRError, NotFiniteError
from .installation import require_own_package
from .options import Options
from .pixels import RGBS, Colours, PixelFormat, Target
from .session import Session

ABI = 3
NOT_FINITE = -2
FAMILIES: tuple[Literal["gray", "rgb", "yuv"], ...] = ("gray", "rgb", "yuv")
ANCHORS_LIST, ANCHORS_PROPERTY, ANCHORS_DETECT = range(3)


class Text(ctypes.Structure):
    """`animesr_text`"""

    _fields_ = (("text", c_char * 4096), ("interrupted", c_int32))


class Argument(ctypes.Structure):
    """`animesr_argument`"""

    _fields_ = (("name", c_char_p), ("values", POINTER(c_char_p)), ("count", c_int32))


class FrameColours(ctypes.Structure):
    """`animesr_colours`"""

    _fields_ = (("matrix", c_int32), ("full_range", c_int32), ("chroma_location", c_int32))


class Video(ctypes.Structure):
    """`animesr_video`"""

    _fields_ = (
        ("family", c_int32),
        ("is_float", c_int32),
        ("bits", c_int32),
        ("subsampling", c_int32 * 2),
        ("width", c_int32),
        ("height", c_int32),
    )


class Settings(ctypes.Structure):
    """`animesr_settings`"""

    _fields_ = (
        ("preroll", c_int32),
        ("preview", c_int32),
        ("segment", c_int32),
        ("warmup", c_int32),
        ("skip_held", c_int32),
        ("anchor_source", c_int32),
        ("anchor_property", c_char_p),
        ("anchors", POINTER(c_int32)),
        ("anchor_count", c_int32),
        ("depth", c_int32),
        ("state_bytes", c_int64),
        ("cache_bytes", c_int64),
        ("model", c_char_p),
        ("backend", c_char_p),
        ("precision", c_char_p),
        ("own_formats", c_int32),
    )


class SourceFrame(ctypes.Structure):
    """`animesr_frame`"""

    _fields_ = (
        ("number", c_int64),
        ("planes", c_void_p * 3),
        ("strides", c_ssize_t * 3),
        ("colours", FrameColours),
    )


class Picture(ctypes.Structure):
    """`animesr_picture`"""

    _fields_ = (("planes", c_void_p * 3), ("strides", c_ssize_t * 3))


# void write(void *data, int32_t level, const char *text)
WRITE = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class Log(ctypes.Structure):
    """`animesr_log`"""

    _fields_ = (("write", WRITE), ("data", c_void_p))


OPEN = ctypes.CFUNCTYPE(
    c_int64,
    POINTER(Argument),
    c_int32,
    POINTER(Video),
    c_int32,
    POINTER(Video),
    POINTER(FrameColours),
    POINTER(Log),
    POINTER(Settings),
    POINTER(Text),
)
SUBMIT = ctypes.CFUNCTYPE(
    c_int64,
    c_int64,
    POINTER(SourceFrame),
    POINTER(SourceFrame),
    POINTER(SourceFrame),
    c_int32,
    c_int32,
    POINTER(Text),
)
WAIT = ctypes.CFUNCTYPE(c_int32, c_int64, c_int64, POINTER(Picture), POINTER(Text))
SAVE = ctypes.CFUNCTYPE(c_int64, c_int64, POINTER(Text))
RESTORE = ctypes.CFUNCTYPE(c_int32, c_int64, c_int64, POINTER(Text))
DROP = ctypes.CFUNCTYPE(None, c_int64, c_int64)
CLOSE = ctypes.CFUNCTYPE(None, c_int64)
STOP = ctypes.CFUNCTYPE(None)
AT_EXIT = ctypes.CFUNCTYPE(None, STOP)
VERSION = ctypes.CFUNCTYPE(c_int32, POINTER(Text))


class Bridge(ctypes.Structure):
    """`animesr_bridge`"""

    _fields_ = (
        ("abi", c_int32),
        ("open", OPEN),
        ("submit", SUBMIT),
        ("wait", WAIT),
        ("save", SAVE),
        ("restore", RESTORE),
        ("drop", DROP),
        ("close", CLOSE),
        ("at_exit", AT_EXIT),
        ("version", VERSION),
    )


_numbers = itertools.count(1)
_sessions: dict[int, Session] = {}
_texts: dict[int, dict[str, bytes]] = {}  # the memory of the texts in the settings of a session


def _catch_errors[**P, R](failure: R) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function return `failure` instead of raising, and write the message into its last argument, a `Text`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        def call(*arguments: P.args, **_: P.kwargs) -> R:
            try:
                return function(*arguments)  # type: ignore[call-arg]  # C has no keyword arguments
            except BaseException as error:
                destination: Any = arguments[-1]
                if isinstance(error, KeyboardInterrupt):
                    text = "interrupted"
                    destination.contents.interrupted = 1
                elif isinstance(error, AnimeSRError):
                    text = str(error)
                else:
                    text = f"internal error, please report it: {type(error).__name__}: {error}"
                # Cut between two characters: the first bytes of a character are not valid UTF-8.
                encoded = text.encode("utf-8", "replace")[: Text.text.size - 1]
                destination.contents.text = encoded.decode("utf-8", "ignore").encode()
                return failure

        return call

    return decorate


class _LogHandler(logging.Handler):
    """Writes the log messages of the present thread to VapourSynth's log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self._log = log
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            level = 2 if record.levelno >= logging.WARNING else 1
            self._log.write(self._log.data, level, f"Upscale: {record.getMessage()}".encode("utf-8", "replace"))


@_catch_errors(failure=0)
def _open(
    arguments: Any,
    count: int,
    clip: Any,
    frames: int,
    target: Any,
    colours: Any,
    log: Any,
    settings: Any,
    _error: Any,
) -> int:
    require_own_package()
    texts = {
        argument.name.decode(): [os.fsdecode(argument.values[i]) for i in range(argument.count)]
        for argument in arguments[:count]
    }
    options = Options.from_text(texts)
    logger, handler = logging.getLogger("vsanimesr"), _LogHandler(log.contents)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)  # Python's default is WARNING
    try:
        session = Session(
            options,
            width=clip.contents.width,
            height=clip.contents.height,
            frames=frames,
            source=_format(clip.contents),
            target=_target(target.contents, colours.contents, options),
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    number = next(_numbers)
    _sessions[number] = session
    _texts[number] = {
        "anchor_property": (options.scene_property or "").encode(),
        "model": session.model.encode("utf-8", "replace"),
        "backend": session.backend.encode(),
        "precision": session.precision.encode(),
    }
    _write_settings(settings.contents, options, session, _texts[number])
    return number


def _write_settings(settings: Settings, options: Options, session: Session, texts: dict[str, bytes]) -> None:
    settings.preroll = options.preroll
    settings.preview = options.warmup if options.seek == "preview" else -1
    settings.segment, settings.warmup = options.segment
    settings.skip_held = options.held == "skip"
    if options.scene_property is None:
        settings.anchor_source = ANCHORS_LIST
    else:
        settings.anchor_source = ANCHORS_DETECT if options.detects_scenes else ANCHORS_PROPERTY
    settings.anchors = session.anchors.ctypes.data_as(POINTER(c_int32))
    settings.anchor_count = len(session.anchors)
    settings.depth = session.depth
    settings.state_bytes = session.state_bytes
    settings.cache_bytes = -1 if options.cache is None else options.cache << 20
    settings.own_formats = session.own_formats
    for name, text in texts.items():
        setattr(settings, name, text)


@_catch_errors(failure=-1)
def _submit(number: int, prev: Any, cur: Any, next_: Any, reset: int, output: int, _error: Any) -> int:
    session = _sessions[number]
    window = [_frame(frame.contents, session) for frame in (prev, cur, next_)]
    return session.submit(*window, reset=bool(reset), output=bool(output))


@_catch_errors(failure=-1)
def _wait(number: int, ticket: int, out: Any, _error: Any) -> int:
    session = _sessions[number]
    target = session.target
    try:
        session.wait(ticket, _planes(out.contents, target.format, target.width, target.height))
    except NotFiniteError:
        return NOT_FINITE
    return 0


@_catch_errors(failure=-1)
def _save(number: int, _error: Any) -> int:
    return _sessions[number].save()


@_catch_errors(failure=-1)
def _restore(number: int, state: int, _error: Any) -> int:
    _sessions[number].restore(state)
    return 0


def _drop(number: int, state: int) -> None:
    _sessions[number].drop(state)


def _close(number: int) -> None:
    try:
        del _texts[number]
        _sessions.pop(number).close()
    except Exception:
        logging.getLogger(__name__).exception("a session could not be closed")


def _at_exit(stop: Any) -> None:
    # atexit calls `stop` through ctypes, so without the GIL: the open calls, for which `stop` waits, can finish.
    atexit.register(stop)


@_catch_errors(failure=-1)
def _version(text: Any) -> int:
    require_own_package()
    text.contents.text = "\n".join([vsanimesr.__version__, *installed_backends()]).encode()
    return 0


def _format(video: Video) -> PixelFormat:
    across, down = video.subsampling
    sample: Literal["integer", "float"] = "float" if video.is_float else "integer"
    return PixelFormat(FAMILIES[video.family], sample, video.bits, (across, down))


def _colours(colours: FrameColours) -> Colours:
    return Colours(colours.matrix, bool(colours.full_range), colours.chroma_location)


def _target(video: Video, colours: FrameColours, options: Options) -> Target:
    return Target(_format(video), _colours(colours), video.width, video.height, options.kernel)


def _frame(frame: SourceFrame, session: Session) -> Frame:
    planes = _planes(frame, session.source, session.lr.width, session.lr.height)
    return Frame(frame.number, planes, None if session.source == RGBS else _colours(frame.colours))


def _planes(picture: SourceFrame | Picture, format: PixelFormat, width: int, height: int) -> Planes:
    """Return the planes as arrays on the caller's memory."""
    item = format.dtype.itemsize
    planes = []
    # A format has one plane or three.
    for shape, address, stride in zip(format.shapes(width, height), picture.planes, picture.strides, strict=False):
        length = (shape[0] - 1) * stride + shape[1] * item
        memory = (c_char * length).from_address(address)
        planes.append(np.ndarray(shape, format.dtype, memory, strides=(stride, item)))
    return tuple(planes)


_TABLE = Bridge(
    ABI,
    OPEN(_open),
    SUBMIT(_submit),
    WAIT(_wait),
    SAVE(_save),
    RESTORE(_restore),
    DROP(_drop),
    CLOSE(_close),
    AT_EXIT(_at_exit),
    VERSION(_version),
)

ADDRESS = ctypes.addressof(_TABLE)
"""Address of the table of functions, for the plugin."""
