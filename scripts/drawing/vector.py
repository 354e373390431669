"""Vector drawings as pictures, by resvg: an SVG renderer whose wheels need no library of the system."""

from __future__ import annotations

import io
from types import ModuleType

from PIL import Image

from .errors import INSTALL, DrawingError


def renderer() -> ModuleType:
    """resvg. Raises DrawingError where it is not installed."""
    try:
        import resvg_py
    except ImportError as error:
        raise DrawingError(f"vector drawings need resvg-py, which cannot be imported ({error}); {INSTALL}") from error
    module: ModuleType = resvg_py
    return module


def raster(svg: str, height: int) -> Image.Image:
    """An SVG document as an RGBA picture of this height. No fonts: text would differ from system to system.

    Raises:
        DrawingError: resvg is not installed.
    """
    png = renderer().svg_to_bytes(svg_string=svg, height=height, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")
