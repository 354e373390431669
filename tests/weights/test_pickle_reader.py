"""The pickle reader reads what a state dict needs, refuses everything else, and has a bounded cost."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.weights.torch_files import dict_, global_, number, program, text, tuple_
from vsanimesr.weights.pickle_reader import read_pickle


def read(pickled: bytes) -> object:
    return read_pickle(
        pickled, {"collections.OrderedDict": dict, "torch.FloatStorage": None}, lambda reference: reference
    )


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
)


@given(plain, st.integers(2, 5))
def test_reads_pickles_of_plain_values(value: object, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


def test_an_ordered_dict_with_attributes_is_a_plain_dict() -> None:
    state: Any = collections.OrderedDict(a=1, b=2)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    found = read(pickle.dumps(state, 2))
    assert found == {"a": 1, "b": 2}
    assert type(found) is dict


class Attack:
    """Unpickling it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", range(6))
def test_no_code_is_run(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    attack = pickle.dumps({"a": Attack(marker)}, protocol)
    with pytest.raises(ValueError, match=r"mkdir|instruction") as caught:
        read(attack)
    assert not marker.exists()
    if protocol >= 2:
        assert f"{os.mkdir.__module__}.mkdir" in str(caught.value)
    pickle.loads(attack)
    assert marker.exists(), "the attack does not work at all"


NEEDED = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE
    EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM SETITEMS BINPUT LONG_BINPUT
    MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID
"""
ARGUMENTS = {"PERSID": b"0\n", "INST": b"os\nmkdir\n", "INT": b"1\n", "LONG": b"1L\n", "FLOAT": b"1\n"}
ARGUMENTS |= {"GET": b"0\n", "PUT": b"0\n", "STRING": b"'a'\n", "UNICODE": b"a\n"}


@pytest.mark.parametrize(
    "opcode",
    [opcode for opcode in pickletools.opcodes if opcode.name not in NEEDED.split()],
    ids=lambda opcode: opcode.name,
)
def test_every_other_instruction_is_refused(opcode: pickletools.OpcodeInfo) -> None:
    argument = ARGUMENTS.get(opcode.name, b"\0" * 8 if opcode.arg else b"")
    with pytest.raises(ValueError, match=f"instruction {opcode.name},"):
        read(b"\x80\x02N" + opcode.code.encode("latin-1") + argument + b".")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (global_("builtins", "eval"), r"builtins\.eval"),
        (b"\x8c\x02os\x8c\x06system\x93", r"os\.system"),
        (b"K\x01K\x02\x93", "name of a global"),
        (global_("torch", "FloatStorage") + b")R", r"calls torch\.FloatStorage"),
        (b"})R", "calls a dict"),
        (global_("collections", "OrderedDict") + b"]R", "with a list"),
        (dict_([("a", b"N"), ("a", b"N")]), "'a' occurs twice"),
        (b"}" + number(1) + b"Ns", "a int as a key"),
        (b"}(" + text("a") + b"u", "without a value"),
        (b"](" + text("a") + b"Nu", "a list instead of a dict"),
        (b"}Na", "a dict instead of a list"),
        (b")Nb", "a tuple instead of a dict"),
        (rb"c\o" + b"\nx\n", r"damaged|refers to"),
        (b"", "damaged"),
        (b"t", "damaged"),
        (b"h\x07", "damaged"),
        (b"(", "damaged"),
        (b"\xff", "unknown"),
        (b"X\xff\xff\xff\x7fabc", "expected 2147483647 bytes"),
    ],
)
def test_wrong_values_are_refused(value: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(program(value))


def test_no_stop() -> None:
    with pytest.raises(ValueError, match="exhausted"):
        read(b"\x80\x02N")


def test_a_tuple_with_an_exponential_hash_is_not_hashed() -> None:
    bomb = b")"
    for _ in range(22):  # 4 million tuples to hash, and twice as many for each more
        bomb += b"q\x00h\x00\x86"  # (x, x)
    with pytest.raises(ValueError, match="a tuple as a key"):
        read(program(b"}" + bomb + b"Ns"))


def test_a_large_memo_index_needs_no_memory() -> None:
    tracemalloc.start()
    try:
        assert read(program(text("a") + b"r\xff\xff\xff\x7f")) == "a"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_deep_nesting() -> None:
    found: Any = read(program(b"]" + b"]" * 40_000 + b"a" * 40_000))
    for _ in range(40_000):
        (found,) = found
    assert found == []
    with pytest.raises(ValueError, match="a tuple as a key"):
        read(program(b"})" + b"\x85" * 90_000 + b"Ns"))


@pytest.mark.parametrize("step", [b"\x85", b"]", b"(", b"K\x01"], ids=["tuples", "lists", "marks", "numbers"])
def test_very_many_instructions_are_refused_fast(step: bytes) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match="more than 100000 instructions"):
        read(program(b")" + step * 1_000_000))
    assert time.process_time() - start < 1


REAL = program(
    dict_(
        {"a": tuple_(number(1), text("x")), "b": global_("collections", "OrderedDict") + b")R", "c": b"](K\x01K\x02e"}
    )
)


@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.binary(max_size=3)), min_size=1, max_size=8))
def test_damage_is_a_value_error_or_a_value(changes: list[tuple[int, bytes]]) -> None:
    damaged = REAL
    for position, replacement in changes:
        damaged = damaged[:position] + replacement + damaged[position + len(replacement) :]
    with suppress(ValueError):
        read(damaged)


@given(st.binary(max_size=200))
def test_noise_is_a_value_error_or_a_value(noise: bytes) -> None:
    with suppress(ValueError):
        read(noise)
