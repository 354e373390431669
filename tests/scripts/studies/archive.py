"""A stand-in for the Debian archive: tools that are first on PATH, and one package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scripts.sandbox import executable


def offer(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, **replacements: str) -> Path:
    """Offer a package. Return the folder of its content. `folder`/log gets what is asked of apt-get.

    Args:
        replacements: shell commands of tools, with _ for -.
    """
    content = folder / "content"
    commands = {
        "apt-get": f'echo "$@" >> {folder}/log; touch {package}_8_all.deb',
        "dpkg-deb": f'[ "$1 $2 $3" = "-x {package}_8_all.deb unpacked" ] && cp -r {content} unpacked',
    }
    commands |= {key.replace("_", "-"): value for key, value in replacements.items()}
    for name, command in commands.items():
        executable(folder / "bin" / name, command)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return content
