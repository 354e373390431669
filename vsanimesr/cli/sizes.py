"""Sizes of clips as people write them."""

from __future__ import annotations

import argparse

MOST = 16384  # of a side, in pixels


def size(text: str) -> tuple[int, int]:
    """`640x480` as width and height in pixels."""
    width, _, height = text.partition("x")
    if not (_is_side(width) and _is_side(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write, for example, 640x480")
    return int(width), int(height)


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= MOST
