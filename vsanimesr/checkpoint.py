"""Reads a state dict from the bytes of a torch zip checkpoint (`.pth`), without torch and without running anything.

The archive (facts 1.8) holds one folder: `data.pkl`, a pickle of the state dict in which each tensor is a reference
(storage key, offset, shape, strides), and one uncompressed member `data/<key>` for each storage, float32.
"""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
from numpy.typing import NDArray

from .pickle_reader import Global, read_pickle

_MAX_MEMBERS = 4096  # the released files have 52
_MAX_PICKLE_BYTES = 1 << 20  # theirs have 9 KB
_MAX_DIMENSIONS = 8
# What the old format of torch (before 1.6) starts with: a pickled magic number.
_OLD_TORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
# What `zipfile` raises besides ValueError; RuntimeError is for what it does not support.
_DAMAGED_ZIP = (zipfile.BadZipFile, RuntimeError, EOFError, OverflowError)

type Tensors = dict[str, NDArray[np.float32]]


def read_checkpoint(data: bytes) -> Tensors:
    """The tensors of a state dict, by name, in the order as stored.

    Of a checkpoint that holds several state dicts, as trainers write, `params_ema` is taken, else `params`. The arrays
    are read-only views of the storages, checked to lie inside them, and need not be contiguous.

    Raises:
        ValueError: the file is damaged, or not a state dict of float32 tensors.
    """
    if data.startswith(_OLD_TORCH_MAGIC):
        raise ValueError("this is the format of torch before 1.6; load it with torch and save it again")
    if not data.startswith(b"PK\x03\x04"):
        raise ValueError("not a torch checkpoint: no zip archive begins here")
    if data.count(b"PK\x01\x02") > _MAX_MEMBERS:  # counted before `zipfile` makes an object of each
        raise ValueError(f"the zip archive has more than {_MAX_MEMBERS} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _state_dict(_Reader(archive, len(data)).read())
    except _DAMAGED_ZIP as error:
        raise ValueError(f"damaged zip archive: {type(error).__name__} {error}") from error


def _state_dict(root: object) -> Tensors:
    if isinstance(root, dict):
        for name in ("params_ema", "params"):
            if name in root:
                root = root[name]
                break
    if not isinstance(root, dict):
        raise ValueError(f"holds a {type(root).__name__}, not a state dict")
    for key, value in root.items():
        if not isinstance(value, np.ndarray):
            raise ValueError(f"holds a {type(value).__name__} under {key[:100]!r}, where a state dict has a tensor")
    return root


class _Reader:
    """The members of one open archive, and what the globals in its pickle mean."""

    def __init__(self, archive: zipfile.ZipFile, archive_size: int) -> None:
        self._archive = archive
        self._folder = _checked_folder(archive, archive_size)
        self._names = frozenset(archive.namelist())
        self._storages: dict[str, bytes] = {}

    def read(self) -> object:
        if self._has("byteorder") and (order := self._member("byteorder")) != b"little":
            raise ValueError(f"its numbers are {order[:20].decode(errors='replace')}-endian; only little is read")
        info = self._archive.getinfo(f"{self._folder}/data.pkl")
        if info.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"its pickle has {info.file_size} bytes; a state dict of this network has about 10,000")
        functions = {
            "collections.OrderedDict": _ordered_dict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch.FloatStorage": None,
        }
        return read_pickle(self._member("data.pkl"), functions, self._storage)

    def _storage(self, reference: object) -> bytes:
        """The bytes of `("storage", torch.FloatStorage, key, device, number of values)`."""
        match reference:
            case ("storage", Global(name="torch.FloatStorage"), str(key), str(), int(length)):
                pass
            case _:
                raise ValueError("a storage is not described as torch does it")
        if key not in self._storages:
            if not self._has(f"data/{key}"):
                raise ValueError(f"storage {key[:20]!r} is not in the archive")
            self._storages[key] = self._member(f"data/{key}")
        found = len(self._storages[key])
        if found != length * 4:
            raise ValueError(f"storage {key} has {found} bytes where {length} values of 4 bytes are declared")
        return self._storages[key]

    def _has(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._names

    def _member(self, name: str) -> bytes:
        return self._archive.read(f"{self._folder}/{name}")


def _checked_folder(archive: zipfile.ZipFile, archive_size: int) -> str:
    """Name of the archive's one folder. No member may be compressed, or be there twice, or overlap with others."""
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(names) != len(members):
        raise ValueError("the zip archive has two members of the same name")
    if any(
        member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size for member in members
    ):
        raise ValueError("the zip archive has a compressed member; torch never compresses")
    if sum(member.file_size for member in members) > archive_size:
        raise ValueError("the members of the zip archive overlap")
    folders = {name.split("/", 1)[0] for name in names}
    if len(folders) != 1 or not (pickles := [name for name in names if name == f"{min(folders)}/data.pkl"]):
        raise ValueError("not a torch checkpoint: the zip archive is not one folder with a data.pkl")
    return pickles[0].removesuffix("/data.pkl")


def _ordered_dict(*arguments: object) -> dict[str, object]:
    if arguments:
        raise ValueError("an OrderedDict is not made empty, as torch does it")
    return {}


def _tensor(*arguments: object) -> NDArray[np.float32]:
    """A view of a storage; the arguments are those of `torch._utils._rebuild_tensor_v2`."""
    match arguments:
        case (bytes(storage), int(offset), tuple(shape), tuple(strides), bool(), dict(), *_):
            pass
        case _:
            raise ValueError("a tensor is not described as torch does it")
    numbers = [offset, *shape, *strides]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("the offset, shape or strides of a tensor are not whole numbers from 0")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    length = len(storage) // 4
    if 0 in shape or last >= length or math.prod(shape) > length:
        raise ValueError(f"a tensor of shape {shape} is empty or reaches beyond its storage of {length} values")
    return np.ndarray(shape, "<f4", storage, offset * 4, tuple(stride * 4 for stride in strides))
