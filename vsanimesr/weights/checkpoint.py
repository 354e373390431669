"""Reads a state dict from the bytes of a torch checkpoint (`.pth`), without torch and without running code from it.

A checkpoint is a zip archive with one folder (docs/paper-and-release.md, 1.8). `data.pkl` is a pickle of the state
dict, in which each tensor is a reference (storage key, offset, shape, strides). Each storage is an uncompressed member
`data/<key>`, float32.
"""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
from numpy.typing import NDArray

from .pickle_reader import Global, read_pickle

_MAX_MEMBERS = 4096  # the released files have 52
_MAX_PICKLE_BYTES = 1 << 20  # the released files have 9 KB
_MAX_DIMENSIONS = 8
# Start of a file in the old format of torch (before 1.6): a pickled magic number.
_OLD_TORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
# Exceptions of `zipfile` besides ValueError; RuntimeError is for unsupported features.
_DAMAGED_ZIP = (zipfile.BadZipFile, RuntimeError, EOFError, OverflowError)

type Tensors = dict[str, NDArray[np.float32]]


def read_checkpoint(data: bytes) -> Tensors:
    """Read the tensors of a state dict by name, in the order of the file.

    If a checkpoint holds several state dicts, as those of trainers do, read `params_ema`, else `params`. The arrays are
    read-only views of the storages, checked to lie inside them. They may be non-contiguous.

    Raises:
        ValueError: the file is damaged, or does not hold a state dict of float32 tensors.
    """
    if data.startswith(_OLD_TORCH_MAGIC):
        raise ValueError("this is the format of torch before 1.6; load the file with torch and save it again")
    if not data.startswith(b"PK\x03\x04"):
        raise ValueError("not a torch checkpoint: not a zip archive")
    if data.count(b"PK\x01\x02") > _MAX_MEMBERS:  # before `zipfile` creates an object for each
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
            raise ValueError(f"holds a {type(value).__name__} under {key[:100]!r} instead of a tensor")
    return root


class _Reader:
    """Reads the pickle of one open archive and the storages that it refers to."""

    def __init__(self, archive: zipfile.ZipFile, archive_size: int) -> None:
        self._archive = archive
        self._folder = _check_folder(archive, archive_size)
        self._names = frozenset(archive.namelist())
        self._storages: dict[str, bytes] = {}

    def read(self) -> object:
        if self._has("byteorder") and (order := self._member("byteorder")) != b"little":
            raise ValueError(
                f"its numbers are {order[:20].decode(errors='replace')}-endian; only little-endian is supported"
            )
        info = self._archive.getinfo(f"{self._folder}/data.pkl")
        if info.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"its pickle has {info.file_size} bytes; a state dict of this network has about 10,000")
        functions = {
            "collections.OrderedDict": _build_dict,
            "torch._utils._rebuild_tensor_v2": _build_tensor,
            "torch.FloatStorage": None,
        }
        return read_pickle(self._member("data.pkl"), functions, self._read_storage)

    def _read_storage(self, reference: object) -> bytes:
        """Read the storage for `("storage", torch.FloatStorage, key, device, number of values)`."""
        match reference:
            case ("storage", Global(name="torch.FloatStorage"), str(key), str(), int(length)):
                pass
            case _:
                raise ValueError("a reference to a storage does not have the form that torch writes")
        if key not in self._storages:
            if not self._has(f"data/{key}"):
                raise ValueError(f"storage {key[:20]!r} is not in the archive")
            self._storages[key] = self._member(f"data/{key}")
        found = len(self._storages[key])
        if found != length * 4:
            raise ValueError(f"storage {key} has {found} bytes, but {length} values of 4 bytes are declared")
        return self._storages[key]

    def _has(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._names

    def _member(self, name: str) -> bytes:
        return self._archive.read(f"{self._folder}/{name}")


def _check_folder(archive: zipfile.ZipFile, archive_size: int) -> str:
    """Return the name of the archive's folder. Refuse compressed members, duplicate names and overlapping members."""
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


def _build_dict(*arguments: object) -> dict[str, object]:
    if arguments:
        raise ValueError("an OrderedDict is created with content, but torch creates it empty")
    return {}


def _build_tensor(*arguments: object) -> NDArray[np.float32]:
    """Return a view of a storage; the arguments are those of `torch._utils._rebuild_tensor_v2`."""
    match arguments:
        case (bytes(storage), int(offset), tuple(shape), tuple(strides), bool(), dict(), *_):
            pass
        case _:
            raise ValueError("a tensor does not have the form that torch writes")
    numbers = [offset, *shape, *strides]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("the offset, shape or strides of a tensor are not whole numbers of 0 or more")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    length = len(storage) // 4
    if 0 in shape or last >= length or math.prod(shape) > length:
        raise ValueError(f"a tensor of shape {shape} is empty or extends beyond its storage of {length} values")
    return np.ndarray(shape, "<f4", storage, offset * 4, tuple(stride * 4 for stride in strides))
