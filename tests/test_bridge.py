"""Both sides of the bridge mean the same bytes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from vsanimesr import bridge

from .native.driven import COMPILER, NATIVE

STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "animesr_error": bridge.Error,
    "animesr_argument": bridge.Argument,
    "animesr_settings": bridge.Settings,
    "animesr_frame": bridge.SourceFrame,
    "animesr_picture": bridge.Picture,
    "animesr_log": bridge.Log,
    "animesr_bridge": bridge.Bridge,
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the C compiler makes of bridge.h: the size of each structure and the offset of each field, by name."""
    folder = tmp_path_factory.mktemp("layout")
    lines = [f'print("{name}", sizeof({name}));' for name in STRUCTURES]
    for name, structure in STRUCTURES.items():
        lines += [f'print("{name}.{field[0]}", offsetof({name}, {field[0]}));' for field in structure._fields_]
    source = folder / "layout.cpp"
    source.write_text(
        '#include "bridge.h"\n#include <cstdio>\n'
        'static void print(const char *name, size_t value) { std::printf("%s %zu\\n", name, value); }\n'
        f'int main() {{ print("ABI", ANIMESR_ABI); {" ".join(lines)} }}\n'
    )
    subprocess.run([COMPILER, "-std=c++20", f"-I{NATIVE}", source, "-o", folder / "layout"], check=True)
    output = subprocess.run([folder / "layout"], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


def test_structures_have_the_layout_of_the_header(layout: dict[str, int]) -> None:
    expected = {"ABI": bridge.ABI}
    for name, structure in STRUCTURES.items():
        expected[name] = ctypes.sizeof(structure)
        expected |= {f"{name}.{field[0]}": getattr(structure, field[0]).offset for field in structure._fields_}

    assert layout == expected


def test_the_header_is_plain_c(tmp_path: Path) -> None:
    """Other languages read it too."""
    source = tmp_path / "plain.c"
    source.write_text('#include "bridge.h"\nint main(void) { return ANIMESR_ABI == 0; }\n')

    flags = ["-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([COMPILER, *flags, f"-I{NATIVE}", source], check=True)


def test_a_long_message_is_cut_at_a_whole_character() -> None:
    error = bridge.Error()

    @bridge._guarded(failure=-1)
    def fail(_: object) -> int:
        raise ValueError("ä" * 5000)

    assert fail(ctypes.pointer(error)) == -1
    text = error.text.decode()
    assert text.endswith("ä")
    assert 4090 < len(error.text) < 4096
