"""List the released weights, or fetch them."""

from __future__ import annotations

import argparse

from ..errors import WeightsError
from ..options import MODEL_NAMES
from ..released import RELEASES, find, read_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action")
    fetch = actions.add_parser("fetch", help="fetch what is not here yet, and print where it lies")
    fetch.add_argument("models", nargs="*", metavar="model", type=_model, help="v1 or v2; both if none is named")


def run(args: argparse.Namespace) -> int:
    """List, or fetch, as `args` say."""
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
        copy = find(release)
        where = "not here" if copy is None else f"{copy.path}{' (damaged: ' + copy.fault + ')' if copy.fault else ''}"
        rows.append((release.model, release.file, str(release.size), release.sha256[:12], where))
    for model, file, size, sha256, where in rows:
        print(f"{model:5}  {file:14}  {size:>7}  {sha256:12}  {where}")


def _fetch(models: list[str] | tuple[str, ...]) -> None:
    for model in models:
        read_released(model)
        copy = find(RELEASES[model])
        if copy is None or copy.fault:
            raise WeightsError(f"{RELEASES[model].file} was fetched but cannot be kept; the warning above says why")
        print(copy.path)
