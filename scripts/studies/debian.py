"""Packages of the Debian archive. apt-get fetches them, so the user's mirror and keys apply."""

from __future__ import annotations

import subprocess
from pathlib import Path


class PackageError(Exception):
    """A package cannot be fetched or unpacked. The message says why."""


def run_tool(problem: str, command: list[str], folder: Path) -> None:
    """Run a Debian tool in a folder. Raises PackageError: the problem and the tool's message."""
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise PackageError(f"{problem}: {command[0]} cannot be run ({error.strerror})") from error
    if result.returncode != 0:
        raise PackageError(f"{problem}: {command[0]} failed:\n{result.stderr.strip()}")


def fetch_package(package: str, folder: Path) -> Path:
    """Fetch and unpack a package in an empty folder. Return the folder of its content.

    Args:
        package: its name, or name=version.

    Raises:
        PackageError: it cannot be fetched or unpacked.
    """
    problem = f"the Debian package {package} could not be fetched"
    run_tool(problem, ["apt-get", "download", package], folder)
    packages = sorted(folder.glob("*.deb"))
    if not packages:
        raise PackageError(f"{problem}: apt-get left no package")
    run_tool(problem, ["dpkg-deb", "-x", packages[0].name, "unpacked"], folder)
    return folder / "unpacked"
