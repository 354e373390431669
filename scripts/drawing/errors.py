"""What can go wrong, and what to do about it."""

from __future__ import annotations

INSTALL = "in the checkout, run python -m pip install '.[learn]' with the Python that runs this"


class DrawingError(Exception):
    """Art could not be had; the message says what is missing and what to do."""
