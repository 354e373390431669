"""Sizes of clips on the command line."""

from __future__ import annotations

import argparse

MAX_SIDE = 16384  # in pixels


def parse_size(text: str) -> tuple[int, int]:
    """Read a size such as `640x480`: width and height in pixels."""
    width, _, height = text.partition("x")
    if not (_is_side(width) and _is_side(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write, for example, 640x480")
    return int(width), int(height)


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= MAX_SIDE
