"""List the released weights, or fetch them.

Example:
  animesr weights fetch
"""

from __future__ import annotations

import argparse

from ..errors import WeightsError
from ..weights.fetch import read_released
from ..weights.release import MODEL_NAMES, RELEASES, find_copy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action")
    fetch = actions.add_parser("fetch", help="fetch missing weights, and print their paths")
    fetch.add_argument("models", nargs="*", metavar="model", type=_model, help="v1 or v2 (default: both)")


def run(args: argparse.Namespace) -> int:
    """List the weights, or fetch them."""
    if args.action == "fetch":
        _fetch(args.models or MODEL_NAMES)
    else:
        _list()
    return 0


def _model(text: str) -> str:
    if text not in MODEL_NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is unknown; use {' or '.join(map(repr, MODEL_NAMES))}")
    return text


def _list() -> None:
    rows = [("model", "file", "bytes", "sha256", "where")]
    for release in RELEASES.values():
        copy = find_copy(release)
        where = "missing" if copy is None else f"{copy.path}{' (damaged: ' + copy.fault + ')' if copy.fault else ''}"
        rows.append((release.model, release.file, str(release.size), release.sha256[:12], where))
    for model, file, size, sha256, where in rows:
        print(f"{model:5}  {file:14}  {size:>7}  {sha256:12}  {where}")


def _fetch(models: list[str] | tuple[str, ...]) -> None:
    for model in models:
        read_released(model)
        copy = find_copy(RELEASES[model])
        if copy is None or copy.fault:
            raise WeightsError(f"{RELEASES[model].file} was fetched but not stored; see the warning above")
        print(copy.path)
