"""The page of `animesr compare`: clips of one picture, side by side, under a slider, or in turn.

    clips        an input: described, and converted to RGB
    images       images as clips, and lossless images for the page
    choice       which frames are shown; integers only
    differences  where clips differ: between frames, and within one
    metrics      PSNR and SSIM
    shots        a frame of the page: its pictures, cropped to fit a number of bytes, and what is known of them
    report       all of it as one page
    template     page/, its HTML, CSS and JavaScript, with the content in it

It needs VapourSynth, and packages of the extra `compare` where it uses them.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MissingDependencyError


def require_package(module: str, package: str) -> Any:
    """Import a module of the extra `compare`.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"animesr compare needs the package {package}, which is not installed; "
            'run: pip install "vapoursynth-animesr[compare]"'
        ) from error
