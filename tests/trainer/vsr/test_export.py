"""Exported files: with them, `core.animesr.Upscale` computes the same as the trainer's network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import vapoursynth as vs
from safetensors import safe_open
from torch import Tensor

from scripts.studies.arrays import make_clip
from trainer.cli import main
from trainer.core import checkpoints
from trainer.errors import CheckpointError, ExportError
from trainer.vsr.config import Network, VSRConfig
from trainer.vsr.export import export
from trainer.vsr.recurrence import Recurrence
from trainer.vsr.weights import load_network
from vsanimesr import cache
from vsanimesr.errors import BackendError
from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.weights.load import load_weights

core = vs.core

WIDTH, HEIGHT, FRAMES = 24, 16, 4


def network(seed: int) -> AnimeSR:
    torch.manual_seed(seed)
    return AnimeSR()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with different raw and EMA weights."""
    folder = tmp_path_factory.mktemp("run")
    save(folder, VSRConfig(), network(1).state_dict(), network(2).state_dict())
    return folder


def save(folder: Path, settings: VSRConfig, raw: dict[str, Tensor], ema: dict[str, Tensor]) -> None:
    state = {"step": 3, "settings": settings.model_dump_json(), "network": raw, "ema": ema}
    checkpoints.save(folder, 3, state, keep=1)


def clip() -> Tensor:
    return torch.rand(1, FRAMES, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))


def forward(net: AnimeSR) -> Tensor:
    with torch.no_grad():
        frames: Tensor = Recurrence(net)(clip())[0]
    return frames


def upscale(model: Path, backend: str = "openvino") -> Tensor:
    """Upscale the clip with the filter, without pre-roll and anchors, as training runs a clip."""
    sr = core.animesr.Upscale(
        make_clip(list(clip()[0].numpy()), vs.RGBS),
        model=str(model),
        backend=backend,
        precision="fp32",
        colour="network",
        preroll=0,
        scene_change="none",
    )
    return torch.stack([torch.from_numpy(np.stack([np.asarray(frame[p]) for p in range(3)])) for frame in sr.frames()])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_filter_returns_the_frames_of_the_trainer(suffix: str, run: Path, tmp_path: Path) -> None:
    file = tmp_path / f"mine{suffix}"

    assert main(["export", str(run), "--to", str(file)]) == 0

    expected = forward(network(2))
    assert (upscale(file) - expected).abs().max() < 2e-5
    assert (expected - forward(network(1))).abs().max() > 0.1


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
@pytest.mark.parametrize(
    "shape", [Network(features=12, blocks=(3, 2, 1), fusion=30), Network(features=80, blocks=(2, 0, 0))]
)
def test_networks_of_other_shapes_upscale(shape: Network, backend: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    small = AnimeSR(**shape.model_dump())
    save(tmp_path, VSRConfig(network=shape), small.state_dict(), small.state_dict())
    file = tmp_path / "small.safetensors"

    export(tmp_path, file)

    expected = forward(small)
    assert (upscale(file, backend) - expected).abs().max() < 2e-5
    assert same_tensors(load_network(str(file)), small)


def same_tensors(one: AnimeSR, other: AnimeSR) -> bool:
    tensors = other.state_dict()
    return all(torch.equal(value, tensors[key]) for key, value in one.state_dict().items())


def test_raw_weights_are_those_of_the_last_step(run: Path, tmp_path: Path) -> None:
    export(checkpoints.path_of(run, 3), tmp_path / "raw.safetensors", weights="raw")

    written = load_weights(str(tmp_path / "raw.safetensors"))
    assert all(np.array_equal(written[name], value.numpy()) for name, value in network(1).state_dict().items())


def test_an_exported_file_says_what_it_was_made_of(run: Path, tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.pth", "a.onnx"):
        export(run, tmp_path / name)

    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        origin = file.metadata()["origin"]
    assert (tmp_path / "a.pth.origin.json").read_text() == origin
    (prop,) = onnx.load(tmp_path / "a.onnx").metadata_props
    assert (prop.key, prop.value) == ("origin", origin)
    found = json.loads(origin)
    assert (found["stage"], found["steps"], found["weights"], found["batch"]) == ("vsr-l1", "3", "ema", "4")
    assert not {"data", "start", "workers"} & found.keys()


@pytest.mark.parametrize("size", [None, (WIDTH, HEIGHT)])
def test_the_graph_computes_one_step(size: tuple[int, int] | None, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "step.onnx"
    export(run, file, size=size)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    frames = clip()[0].numpy()
    inputs = {"prev": frames[:1], "cur": frames[:1], "next": frames[1:2]}
    inputs |= {name: np.zeros((1, n, HEIGHT, WIDTH), np.float32) for name, n in (("sr", 48), ("hidden", 64))}
    frame = session.run(["frame"], inputs)[0]

    assert np.abs(frame[0] - forward(network(2))[0].numpy()).max() < 2e-5


@pytest.mark.parametrize(
    ("size", "options"), [(["--size", "16x16"], ")"), ([], ', backend_options=["shapes=dynamic"])')]
)
def test_an_engine_is_built_into_the_cache_of_the_filter(
    size: list[str],
    options: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))

    assert main(["export", str(run), "--to", "engine", *size]) == 0

    weights = checkpoints.path_of(run, 3).with_suffix(".safetensors")
    built, usage = capsys.readouterr().out.strip().splitlines()
    assert Path(built).parent == cache.folder()
    assert Path(built).stat().st_size > 1_000_000
    assert usage.endswith(f'model="{weights}", backend="tensorrt_rtx"{options}')
    assert set(load_weights(str(weights))) == set(network(2).state_dict())


def test_a_failed_build_names_the_weights(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(model: str, sizes: Sequence[tuple[int, int]]) -> Iterator[Path]:
        assert sizes == [(16, 12)]
        raise BackendError(f"no engine of {model}")

    monkeypatch.setattr("trainer.cli.export.build_engines", fail)

    assert main(["export", str(run), "--to", "engine", "--size", "16x12"]) == 1

    weights = checkpoints.path_of(run, 3).with_suffix(".safetensors")
    expected = f"error: the engine could not be built: no engine of {weights}. The weights are in {weights}"
    assert capsys.readouterr().err.strip() == expected
    assert weights.is_file()


def test_a_network_that_only_the_trainer_runs_is_refused(tmp_path: Path) -> None:
    settings = VSRConfig(network=Network(multi_scale=False))
    save(tmp_path, settings, network(1).state_dict(), network(1).state_dict())

    with pytest.raises(ExportError, match="multi_scale=false, which only the trainer runs"):
        export(tmp_path, tmp_path / "mine.pth")
    assert not (tmp_path / "mine.pth").exists()


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (lambda folder: folder / "mine.ckpt", ExportError, r"'.ckpt' is not a format; use .safetensors, .pth, .onnx"),
        (lambda folder: folder / "nowhere" / "mine.pth", ExportError, "mine.pth cannot be written"),
    ],
)
def test_files_that_cannot_be_written_are_errors(
    place: Callable[[Path], Path], error: type[Exception], message: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        export(run, place(tmp_path))


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        export(tmp_path, tmp_path / "mine.pth")
