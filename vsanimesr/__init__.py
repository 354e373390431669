"""AnimeSR for VapourSynth: `core.animesr.Upscale(clip)`.

VapourSynth finds the installed plugin by itself; `load()` is for an editable install. Importing this package is cheap:
a backend and its libraries are imported when a filter opens it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .errors import (
    AnimeSRError,
    BackendError,
    InstallationError,
    MissingDependencyError,
    OptionError,
    WeightsError,
)
from .installation import DISTRIBUTION
from .options import Options
from .vs_animesr import AnimeSRModel, animesr

__all__ = [
    "AnimeSRError",
    "AnimeSRModel",
    "BackendError",
    "InstallationError",
    "MissingDependencyError",
    "OptionError",
    "Options",
    "WeightsError",
    "__version__",
    "animesr",
    "load",
]

__version__: str

LIBRARY = {"win32": "libanimesr.dll", "darwin": "libanimesr.dylib"}.get(sys.platform, "libanimesr.so")


def load() -> None:
    """Make `core.animesr` available in this process, if it is not yet.

    A wheel installs the library where VapourSynth looks for plugins. An editable install (`pip install -e .`) keeps it
    in the folder `native` beside this file.

    Raises:
        FileNotFoundError: the library has not been built.
    """
    import vapoursynth

    if hasattr(vapoursynth.core, "animesr"):
        return
    library = Path(__file__).with_name("native") / LIBRARY
    if not library.exists():
        raise FileNotFoundError(f"{library} is missing; install the package again: pip install {DISTRIBUTION}")
    vapoursynth.core.std.LoadPlugin(str(library))


def __getattr__(name: str) -> str:
    # Reading the metadata of the installed package takes longer than importing this package.
    if name == "__version__":
        from importlib.metadata import version

        return version(DISTRIBUTION)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
