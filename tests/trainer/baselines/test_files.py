"""Files of BSRGAN, Real-ESRGAN and RealBasicVSR are read under the names they were published with, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer.baselines.files import load_realbasicvsr, load_rrdb
from trainer.baselines.realbasicvsr import RealBasicVsr
from trainer.baselines.rrdb import Rrdb
from trainer.errors import BaselineError

type StateDict = dict[str, Tensor]


@pytest.fixture(scope="module")
def rrdb() -> StateDict:
    """The state dict of an RRDBNet of two blocks."""
    torch.manual_seed(0)
    return Rrdb(blocks=2).state_dict()


@pytest.fixture(scope="module")
def realbasicvsr() -> StateDict:
    """The state dict of a RealBasicVSR."""
    torch.manual_seed(0)
    return RealBasicVsr().state_dict()


def save(content: object, folder: Path) -> str:
    torch.save(content, folder / "x.pth")
    return str(folder / "x.pth")


def old_name(key: str) -> str:
    """The name of a tensor in BSRGAN's file."""
    if key.startswith("body."):
        _, block, dense, layer, kind = key.split(".")
        return f"RRDB_trunk.{block}.{dense.upper()}.{layer}.{kind}"
    layer, kind = key.split(".")
    names = {"conv_body": "trunk_conv", "conv_up1": "upconv1", "conv_up2": "upconv2", "conv_hr": "HRconv"}
    return f"{names.get(layer, layer)}.{kind}"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {old_name(key): tensor for key, tensor in tensors.items()},
        lambda tensors: tensors,
        lambda tensors: {"params_ema": tensors, "params": {"other": torch.zeros(1)}},
        lambda tensors: {"params": tensors},
        lambda tensors: {f"module.{key}": tensor.half() for key, tensor in tensors.items()},
    ],
    ids=["BSRGAN", "BasicSR", "averaged", "not averaged", "16 bits"],
)
def test_rrdb(wrap: Callable[[StateDict], object], rrdb: StateDict, tmp_path: Path) -> None:
    loaded = load_rrdb(save(wrap(rrdb), tmp_path)).state_dict()

    assert loaded.keys() == rrdb.keys()
    for key, tensor in loaded.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, rrdb[key], rtol=1e-3, atol=1e-5)


def test_the_names_of_bsrgan(tmp_path: Path) -> None:
    """Some keys of the published file, written out."""
    keys = {old_name(key) for key in Rrdb(blocks=23).state_dict()}

    assert {
        "conv_first.weight",
        "RRDB_trunk.0.RDB1.conv1.weight",
        "RRDB_trunk.22.RDB3.conv5.bias",
        "trunk_conv.weight",
        "upconv1.bias",
        "upconv2.weight",
        "HRconv.weight",
        "conv_last.bias",
    } <= keys
    assert len(keys) == 2 * (23 * 15 + 6)


@pytest.mark.parametrize("averaged", [True, False])
def test_realbasicvsr(averaged: bool, realbasicvsr: StateDict, tmp_path: Path) -> None:
    content: StateDict = {f"generator.{key}": tensor + 1 for key, tensor in realbasicvsr.items()}
    if averaged:
        content |= {f"generator_ema.{key}": tensor for key, tensor in realbasicvsr.items()}
    content |= {"step_counter": torch.zeros(1), "discriminator.conv.weight": torch.zeros(1)}

    loaded = load_realbasicvsr(save({"meta": {"epoch": 1}, "state_dict": content}, tmp_path)).state_dict()

    for key, tensor in realbasicvsr.items():
        assert torch.equal(loaded[key], tensor if averaged else tensor + 1)


def test_the_names_of_realbasicvsr(realbasicvsr: StateDict) -> None:
    """Some keys of the published file, without the prefix, and their shapes."""
    expected = {
        "image_cleaning.0.main.0.weight": (64, 3, 3, 3),
        "image_cleaning.0.main.2.19.conv2.bias": (64,),
        "image_cleaning.1.weight": (3, 64, 3, 3),
        "basicvsr.spynet.mean": (1, 3, 1, 1),
        "basicvsr.spynet.basic_module.5.basic_module.0.conv.weight": (32, 8, 7, 7),
        "basicvsr.backward_resblocks.main.0.weight": (64, 67, 3, 3),
        "basicvsr.forward_resblocks.main.2.19.conv1.weight": (64, 64, 3, 3),
        "basicvsr.fusion.weight": (64, 128, 1, 1),
        "basicvsr.upsample1.upsample_conv.weight": (256, 64, 3, 3),
        "basicvsr.conv_last.bias": (3,),
    }
    assert {key: tuple(realbasicvsr[key].shape) for key in expected} == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: {**tensors, "extra.weight": torch.zeros(1)}, "1 unknown: extra.weight"),
        (lambda tensors: {k: v for k, v in tensors.items() if k != "conv_hr.bias"}, "1 missing: conv_hr.bias"),
        (
            lambda tensors: {**tensors, "conv_last.weight": torch.zeros(3, 32, 3, 3)},
            r"1 of another shape: conv_last.weight \(3x32x3x3, the network's is 3x64x3x3\)",
        ),
        (lambda tensors: {**tensors, "conv_hr.bias": torch.full((64,), float("nan"))}, "not finite, in conv_hr.bias"),
        (lambda tensors: {}, "holds no state dict"),
        (lambda tensors: [1, 2], "holds no state dict"),
        (lambda tensors: {"params": 5}, "holds no state dict"),
        (lambda tensors: {**tensors, "conv_hr.bias": 5}, "something else than tensors, under 'conv_hr.bias'"),
        (lambda tensors: {"body.999.x": torch.zeros(1)}, "1 unknown: body.999.x"),
    ],
)
def test_another_network(change: Callable[[StateDict], object], reason: str, rrdb: StateDict, tmp_path: Path) -> None:
    path = save(change(rrdb), tmp_path)

    with pytest.raises(BaselineError, match=reason) as error:
        load_rrdb(path)
    assert repr(path) in str(error.value)


def test_a_network_of_the_other_kind(rrdb: StateDict, tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"another network: .*Use weights of RealBasicVSR for a factor of 4"):
        load_realbasicvsr(save(rrdb, tmp_path))


class Hostile:
    """Runs a command when it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._marker),)


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    path = save({"conv_hr.bias": Hostile(tmp_path / "marker")}, tmp_path)

    with pytest.raises(BaselineError, match="is damaged, or no file of PyTorch"):
        load_rrdb(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no network at all"])
def test_a_damaged_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(BaselineError, match=r"x\.pth' is damaged, or no file of PyTorch"):
        load_rrdb(str(tmp_path / "x.pth"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"x\.pth' cannot be read: No such file or directory; check the path"):
        load_rrdb(str(tmp_path / "x.pth"))
