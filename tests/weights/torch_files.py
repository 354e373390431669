"""Builds torch checkpoints byte by byte, so that tests can damage any part of them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def text(value: str) -> bytes:
    """Return BINUNICODE."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    """Return LONG1, of up to 255 bytes."""
    encoded = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def global_(module: str, name: str) -> bytes:
    """Return GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def tuple_(*items: bytes) -> bytes:
    """Return MARK, the items, TUPLE."""
    return b"(" + b"".join(items) + b"t"


def dict_(items: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> bytes:
    """Return EMPTY_DICT, MARK, keys and values, SETITEMS."""
    pairs = items.items() if isinstance(items, Mapping) else items
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def storage(key: str = "0", length: int = 6, kind: tuple[str, str] = ("torch", "FloatStorage")) -> bytes:
    """Return a reference to `length` values in the member `data/<key>`."""
    return tuple_(text("storage"), global_(*kind), text(key), text("cpu"), number(length)) + b"Q"


def tensor(
    shape: Sequence[int] = (2, 3), strides: Sequence[int] = (3, 1), offset: int = 0, of: bytes | None = None
) -> bytes:
    """Return a call of `_rebuild_tensor_v2`."""
    ordered_dict = global_("collections", "OrderedDict") + b")R"
    sizes, steps = tuple_(*map(number, shape)), tuple_(*map(number, strides))
    arguments = tuple_(storage() if of is None else of, number(offset), sizes, steps, b"\x89", ordered_dict)
    return global_("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def program(value: bytes) -> bytes:
    """Return PROTO 2, a value, STOP."""
    return b"\x80\x02" + value + b"."


def zip_of(members: Sequence[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


SIX = np.arange(6, dtype="<f4").tobytes()
"""Content of the storage that `storage()` refers to: 0 to 5."""


def checkpoint(value: bytes, storages: Mapping[str, bytes] | None = None, byteorder: bytes = b"little") -> bytes:
    """Return a `.pth` file with a pickled value; without `storages`, `SIX` is storage 0."""
    members = [("archive/data.pkl", program(value)), ("archive/byteorder", byteorder)]
    members += [(f"archive/data/{key}", data) for key, data in ({"0": SIX} if storages is None else storages).items()]
    return zip_of([*members, ("archive/version", b"3\n")])


def state_dict(weights: Mapping[str, NDArray[np.float32]], first_key: int = 0) -> tuple[bytes, dict[str, bytes]]:
    """Return the pickled value and the storages of a complete state dict."""
    entries: dict[str, bytes] = {}
    storages: dict[str, bytes] = {}
    for index, (name, array) in enumerate(weights.items(), first_key):
        strides = [stride // 4 for stride in np.ascontiguousarray(array).strides]
        entries[name] = tensor(array.shape, strides, of=storage(str(index), array.size))
        storages[str(index)] = array.tobytes()
    return dict_(entries), storages
