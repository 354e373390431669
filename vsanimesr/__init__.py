"""AnimeSR for VapourSynth: `core.animesr.Upscale(clip)`.

VapourSynth finds the installed plugin by itself; `load()` is for an editable install. Importing this package costs
nothing: engines and their libraries are imported when one is opened.
"""

from __future__ import annotations

from importlib.metadata import version as _version

from .errors import AnimeSRError, EngineError, MissingDependencyError, OptionError, WeightsError
from .options import Options
from .plugin import load

__version__ = _version("vapoursynth-animesr")

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
