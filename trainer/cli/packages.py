"""Packages of an extra that a command needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from vsanimesr.errors import MissingDependencyError


def require_packages(extra: str, packages: Mapping[str, str]) -> None:
    """Import the packages of an extra, which has the name of its command.

    Args:
        packages: names of packages, by their modules.

    Raises:
        MissingDependencyError: one is not installed.
    """
    for module, package in packages.items():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{extra} needs the package {package}, which is not installed; pip install "
                f'"vapoursynth-animesr[train,{extra}]"'
            ) from error
