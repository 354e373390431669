"""The native comparison of two frames, and the groups that it makes of a clip."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...compiler import COMPILER

ROOT = Path(__file__).parents[3]

type Planes = Sequence[NDArray[np.generic]]


class Plane(ctypes.Structure):
    """`PlaneView` of native/holds.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
    )


class Frame(ctypes.Structure):
    """`FrameView` of native/holds.h."""

    _fields_ = (
        ("planes", Plane * 3),
        ("count", ctypes.c_int),
        ("has_chroma", ctypes.c_bool),
        ("is_float", ctypes.c_bool),
        ("bytes_per_sample", ctypes.c_int),
        ("bits", ctypes.c_int),
    )


class Difference(NamedTuple):
    """`Difference` of native/holds.h, and the shift."""

    peak: float
    unmasked: float
    chroma: float
    drift: float
    typical: float
    shift: float


def view(planes: Planes, bits: int, *, has_chroma: bool) -> Frame:
    """Return a view of planes, (height, width) each, that lasts as long as they do."""
    dtype = planes[0].dtype
    views = (Plane(each.ctypes.data, each.strides[0], each.shape[1], each.shape[0]) for each in planes)
    return Frame((Plane * 3)(*views), len(planes), has_chroma, dtype.kind == "f", dtype.itemsize, bits)


class Comparison:
    """The compiled comparison."""

    def __init__(self, folder: Path, *flags: str) -> None:
        library = folder / "holds_c.so"
        sources = [ROOT / "tests" / "native" / "holds_c.cpp", ROOT / "vsanimesr" / "native" / "holds.cpp"]
        warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        command = [COMPILER, "-std=c++20", *flags, "-fPIC", "-shared", *warnings, f"-I{ROOT / 'vsanimesr' / 'native'}"]
        subprocess.run([*command, "-o", library, *sources], check=True)
        self._c = ctypes.CDLL(str(library))
        self._c.holds_is_held.restype = ctypes.c_bool

    def measure(self, kept: Planes, frame: Planes, bits: int = 8, *, has_chroma: bool = True) -> Difference:
        numbers = (ctypes.c_float * len(Difference._fields))()
        self._c.holds_measure(*self._views(kept, frame, bits, has_chroma), numbers)
        return Difference(*numbers)

    def is_held(self, kept: Planes, frame: Planes, bits: int = 8, *, has_chroma: bool = True) -> bool:
        return bool(self._c.holds_is_held(*self._views(kept, frame, bits, has_chroma)))

    @staticmethod
    def _views(kept: Planes, frame: Planes, bits: int, has_chroma: bool) -> list[object]:
        return [ctypes.byref(view(each, bits, has_chroma=has_chroma)) for each in (kept, frame)]
