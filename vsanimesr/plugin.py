"""The native plugin, where VapourSynth has not found it by itself."""

from __future__ import annotations

import sys
from pathlib import Path

LIBRARY = {"win32": "libanimesr.dll", "darwin": "libanimesr.dylib"}.get(sys.platform, "libanimesr.so")


def load() -> None:
    """Make `core.animesr` available in this process; does nothing where it already is.

    A wheel puts the library where VapourSynth looks. An editable install (`pip install -e .`) keeps it beside this
    file.

    Raises:
        FileNotFoundError: there is no built library.
    """
    import vapoursynth

    if hasattr(vapoursynth.core, "animesr"):
        return
    library = Path(__file__).with_name("native") / LIBRARY
    if not library.exists():
        raise FileNotFoundError(f"{library} is missing; install the package again: pip install vapoursynth-animesr")
    vapoursynth.core.std.LoadPlugin(str(library))
