"""AnimeSR for VapourSynth: `core.animesr.Upscale(clip)`.

VapourSynth finds the installed plugin by itself; `load()` is for an editable install. Importing this package costs
nothing: engines and their libraries are imported when one is opened.
"""

from __future__ import annotations

from .errors import AnimeSRError, EngineError, MissingDependencyError, OptionError, WeightsError
from .options import Options
from .plugin import load

__all__ = [
    "AnimeSRError",
    "EngineError",
    "MissingDependencyError",
    "OptionError",
    "Options",
    "WeightsError",
    "__version__",
    "load",
]

__version__: str


def __getattr__(name: str) -> str:
    # Reading the installed package's metadata takes longer than importing all of this.
    if name == "__version__":
        from importlib.metadata import version

        return version("vapoursynth-animesr")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
