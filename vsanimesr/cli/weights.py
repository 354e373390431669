"""List the weights that have a name, or fetch those that are not here.

Example:
  animesr weights fetch
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..errors import WeightsError
from ..weights.fetch import read_released
from ..weights.release import MODEL_NAMES, RELEASES, find_copy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action")
    fetch = actions.add_parser("fetch", help="fetch missing weights, and print their paths")
    fetch.add_argument(
        "models", nargs="*", metavar="model", type=_model, help=f"{', '.join(MODEL_NAMES)} (default: all)"
    )


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
        if release.shipped:
            where += f" (shipped: {release.recipe}; {release.licence})"
        rows.append((release.model, release.file, str(release.size), release.sha256[:12], where))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for model, file, size, sha256, where in rows:
        print(f"{model:{widths[0]}}  {file:{widths[1]}}  {size:>{widths[2]}}  {sha256:12}  {where}")


def _fetch(models: Iterable[str]) -> None:
    for model in models:
        read_released(model)
        copy = find_copy(RELEASES[model])
        if copy is None or copy.fault:
            raise WeightsError(f"{RELEASES[model].file} was fetched but not stored; see the warning above")
        print(copy.path)
