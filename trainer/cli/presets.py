"""The preset of a command line, which may be left out, and the changes of it."""

from __future__ import annotations

import argparse


def preset_and_changes(given: argparse.Namespace) -> tuple[str, list[str]]:
    """The name of a preset, `paper` where there is none, and all `name=value`."""
    if given.preset is None or "=" in given.preset:
        return "paper", [*([given.preset] if given.preset else []), *given.assignments]
    return given.preset, list(given.assignments)
