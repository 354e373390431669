"""vspipe of this environment, for tests and benchmarks."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))


@functools.cache
def environment() -> dict[str, str]:
    """Return the environment variables for vspipe. The first call writes its configuration to a temporary folder."""
    folder = tempfile.mkdtemp(prefix="animesr-vspipe-")
    atexit.register(shutil.rmtree, folder)
    variables = {**os.environ, "XDG_CONFIG_HOME": folder, "APPDATA": folder}  # APPDATA: Windows
    subprocess.run([SCRIPTS / "vapoursynth", "config"], env=variables, check=True, capture_output=True)
    return variables


def vspipe(
    *arguments: str | Path, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run vspipe and wait until it ends."""
    program = [SCRIPTS / "vspipe.exe"] if sys.platform == "win32" else [sys.executable, SCRIPTS / "vspipe"]
    command = [*program, *arguments]
    return subprocess.run(command, env=env or environment(), capture_output=True, timeout=timeout)
