"""Checkpoints from torch and trainers are read; damaged and hostile ones are refused, with the reason."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.weights.torch_files import SIX, checkpoint, dict_, number, program, storage, tensor, text, zip_of
from vsanimesr.weights.checkpoint import read_checkpoint


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "values"),
    [
        ((2, 3), (3, 1), 0, [[0, 1, 2], [3, 4, 5]]),
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),
        ((2, 2), (3, 1), 1, [[1, 2], [4, 5]]),
        ((6,), (1,), 0, [0, 1, 2, 3, 4, 5]),
        ((1, 1, 6, 1), (99, 99, 1, 99), 0, [[[[0], [1], [2], [3], [4], [5]]]]),
        ((), (), 5, 5),
    ],
)
def test_tensors_are_views_of_storages(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, values: object
) -> None:
    found = read_checkpoint(checkpoint(dict_({"a": tensor(shape, strides, offset)})))
    assert found["a"].dtype == np.float32
    np.testing.assert_array_equal(found["a"], np.array(values))


def test_params_ema_is_preferred() -> None:
    raw, averaged = dict_({"raw": tensor()}), dict_({"averaged": tensor()})
    assert list(read_checkpoint(checkpoint(dict_({"params": raw, "params_ema": averaged, "iter": number(3)})))) == [
        "averaged"
    ]
    assert list(read_checkpoint(checkpoint(dict_({"iter": number(3), "params": raw})))) == ["raw"]


def test_a_file_of_an_old_version_without_byte_order_is_read() -> None:
    file = zip_of([("model/data.pkl", program(dict_({"a": tensor()}))), ("model/data/0", SIX)])
    assert read_checkpoint(file)["a"].shape == (2, 3)


def one(value: bytes) -> bytes:
    return checkpoint(dict_({"a": value}))


DAMAGED = {
    "another type": (one(tensor(of=storage(kind=("torch", "HalfStorage")))), r"refers to torch\.HalfStorage; only"),
    "any function as storage": (one(tensor(of=storage(kind=("os", "system")))), r"refers to os\.system; only"),
    "not a dict": (checkpoint(tensor()), "holds a ndarray, not a state dict"),
    "params is no dict": (checkpoint(dict_({"params": tensor()})), "holds a ndarray, not a state dict"),
    "a number": (one(number(1)), "holds a int under 'a'"),
    "a bare storage": (one(storage()), "holds a bytes under 'a'"),
    "begins beyond": (one(tensor((2, 3), (3, 1), 1)), "extends beyond its storage of 6"),
    "steps beyond": (one(tensor((2, 3), (4, 1))), "extends beyond"),
    "far beyond": (one(tensor((2, 3), (2**70, 1))), "extends beyond"),
    "far offset": (one(tensor((2, 3), (3, 1), 2**63 - 1)), "extends beyond"),
    "before the start": (one(tensor((2, 3), (3, 1), -1)), "whole numbers of 0 or more"),
    "backwards": (one(tensor((2, 3), (-3, 1), 3)), "whole numbers of 0 or more"),
    "negative size": (one(tensor((-2, -3), (3, 1))), "whole numbers of 0 or more"),
    "one value repeated": (one(tensor((10**12,), (0,))), "extends beyond"),
    "no values": (one(tensor((0, 3), (3, 1))), "is empty"),
    "strides missing": (one(tensor((2, 3), (3,))), "2 dimensions and 1 strides"),
    "too many dimensions": (one(tensor((1,) * 65, (1,) * 65)), "65 dimensions"),
    "shape of text": (one(tensor().replace(b"\x8a\x01\x02", text("2"))), "whole numbers of 0 or more"),
    "no storage": (one(tensor(of=text("0"))), "a tensor does not have the form"),
    "odd reference": (one(tensor(of=text("0") + b"Q")), "a reference to a storage does not have the form"),
    "storage not there": (one(tensor(of=storage("1"))), "storage '1' is not in the archive"),
    "storage elsewhere": (one(tensor(of=storage("../version", 1))), r"storage '\.\./version' is not in"),
    "short storage": (checkpoint(dict_({"a": tensor()}), {"0": SIX[:-1]}), "has 23 bytes, but 6 values"),
    "long storage": (checkpoint(dict_({"a": tensor()}), {"0": SIX * 2}), "has 48 bytes, but 6 values"),
    "big-endian": (checkpoint(dict_({"a": tensor()}), byteorder=b"big"), "big-endian"),
    "filled ordered dict": (one(b"ccollections\nOrderedDict\n(]tR"), "creates it empty"),
    "key twice": (checkpoint(dict_([("a", tensor()), ("a", tensor())])), "'a' occurs twice"),
    "long pickle": (checkpoint(dict_({"a": text("x" * (1 << 20))})), "its pickle has 10"),
    "pickle cut": (zip_of([("a/data.pkl", program(dict_({"a": text("b")}))[:-1])]), "exhausted"),
    "no folder": (zip_of([("data.pkl", program(b"N"))]), "not one folder"),
    "two folders": (zip_of([("a/data.pkl", program(b"N")), ("b/data.pkl", program(b"N"))]), "not one folder"),
    "deeper folder": (zip_of([("a/b/data.pkl", program(b"N"))]), "not one folder"),
    "way out": (zip_of([("../data.pkl", program(b"}")), ("/etc/data.pkl", b"")]), "not one folder"),
    "zip bomb": (zip_of([("a/data.pkl", bytes(50 << 20))], zipfile.ZIP_DEFLATED), "compressed member"),
    "many members": (zip_of([(f"a/{n}", b"") for n in range(4097)]), "more than 4096 members"),
    "no members": (b"PK\x05\x06" + bytes(18), "not a zip archive"),
    "empty file": (b"", "not a zip archive"),
    "text": (b"<!DOCTYPE html>", "not a zip archive"),
    "old torch": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", r"before 1\.6"),
    "header only": (b"PK\x03\x04" + bytes(26), "damaged zip"),
}


@pytest.mark.parametrize(("file", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(file: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_checkpoint(file)


def test_two_members_of_the_same_name() -> None:
    with warnings.catch_warnings(action="ignore"):
        file = zip_of([("a/data.pkl", program(b"}")), ("a/data.pkl", program(b"}"))])
    with pytest.raises(ValueError, match="two members of the same name"):
        read_checkpoint(file)


def patch(file: bytes, member: str, offset: int, layout: str, value: int) -> bytes:
    """Overwrite a field of a member's entry in the central directory."""
    start = file.rindex(member.encode()) - 46
    assert file[start : start + 4] == b"PK\x01\x02"
    changed = bytearray(file)
    struct.pack_into(layout, changed, start + offset, value)
    return bytes(changed)


def test_members_that_overlap() -> None:
    file = zip_of([("a/data.pkl", program(b"}")), ("a/data/0", SIX), ("a/data/1", SIX), ("a/data/2", SIX * 100)])
    info = zipfile.ZipFile(io.BytesIO(file)).getinfo("a/data/2")
    for member in ("a/data/0", "a/data/1"):
        for field, layout, value in ((16, "<I", info.CRC), (20, "<I", 2400), (24, "<I", 2400)):
            file = patch(file, member, field, layout, value)
        file = patch(file, member, 42, "<I", info.header_offset)
    with pytest.raises(ValueError, match="overlap"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("offset", "layout", "value", "reason"),
    [
        (8, "<H", 1, "encrypted"),
        (10, "<H", 99, "compressed member"),
        (16, "<I", 0, "CRC"),
        (24, "<I", 1 << 31, "compressed member"),
        (42, "<I", 7, "damaged zip"),
    ],
)
def test_damaged_directory_entries(offset: int, layout: str, value: int, reason: str) -> None:
    file = patch(one(tensor()), "archive/data/0", offset, layout, value)
    with pytest.raises(ValueError, match=reason):
        read_checkpoint(file)


def test_a_member_that_extends_beyond_the_file() -> None:
    file = zip_of([("a/data.pkl", program(dict_({"a": tensor()}))), ("a/data/0", SIX)])
    for field in (20, 24):
        file = patch(file, "a/data/0", field, "<I", 24 + 200)
    with pytest.raises(ValueError, match="damaged zip"):
        read_checkpoint(file)


def test_a_member_with_an_offset_of_64_bits() -> None:
    """The offset is in the extra field that zip64 adds to an entry of the directory."""
    file = zip_of([("a/data.pkl", program(dict_({"a": tensor()}))), ("a/data/0", SIX)])
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    file = patch(patch(file, "a/data/0", 30, "<H", len(extra)), "a/data/0", 42, "<I", 2**32 - 1)
    directory, end = file[:-22], bytearray(file[-22:])
    struct.pack_into("<I", end, 12, struct.unpack_from("<I", end, 12)[0] + len(extra))
    with pytest.raises(ValueError, match="damaged zip"):
        read_checkpoint(directory + extra + end)


PICKLE = program(dict_({"params": dict_({"a": tensor(), "b": tensor((6,), (1,))}), "iter": number(1)}))


@given(st.lists(st.tuples(st.integers(0, len(PICKLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_with_a_valid_checksum_is_a_value_error_or_tensors(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(PICKLE)
    for position, value in changes:
        damaged[position] = value
    try:
        found = read_checkpoint(zip_of([("a/data.pkl", bytes(damaged)), ("a/data/0", SIX)]))
    except ValueError:
        return
    for array in found.values():
        assert array.dtype == np.float32
        assert set(array.ravel().tolist()) <= set(range(6))
