"""Both sides of the bridge use the same memory layout."""

from __future__ import annotations

import ctypes
import gc
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.compiler import COMPILER
from tests.native.driver import NATIVE
from vsanimesr import bridge
from vsanimesr.backends import null
from vsanimesr.backends.base import Frame, Planes, Ticket

FRAMES = 100  # of the clip that sessions are opened for
STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "animesr_text": bridge.Text,
    "animesr_argument": bridge.Argument,
    "animesr_settings": bridge.Settings,
    "animesr_colours": bridge.FrameColours,
    "animesr_video": bridge.Video,
    "animesr_frame": bridge.SourceFrame,
    "animesr_picture": bridge.Picture,
    "animesr_log": bridge.Log,
    "animesr_bridge": bridge.Bridge,
}
CONSTANTS = {
    "ABI": bridge.ABI,
    "NOT_FINITE": bridge.NOT_FINITE,
    "ANCHORS_LIST": bridge.ANCHORS_LIST,
    "ANCHORS_PROPERTY": bridge.ANCHORS_PROPERTY,
    "ANCHORS_DETECT": bridge.ANCHORS_DETECT,
    **{family.upper(): number for number, family in enumerate(bridge.FAMILIES)},
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return what bridge.h says, from the C compiler: sizes of structures, offsets of their fields, and constants."""
    folder = tmp_path_factory.mktemp("layout")
    lines = [f'print("{name}", sizeof({name}));' for name in STRUCTURES]
    for name, structure in STRUCTURES.items():
        lines += [f'print("{name}.{field[0]}", offsetof({name}, {field[0]}));' for field in structure._fields_]
    lines += [f'print("{name}", static_cast<size_t>(ANIMESR_{name}));' for name in CONSTANTS]
    source = folder / "layout.cpp"
    source.write_text(
        '#include "bridge.h"\n#include <cstdio>\n'
        'static void print(const char *name, size_t value) { std::printf("%s %zu\\n", name, value); }\n'
        f"int main() {{ {' '.join(lines)} }}\n"
    )
    subprocess.run([COMPILER, "-std=c++20", f"-I{NATIVE}", source, "-o", folder / "layout"], check=True)
    output = subprocess.run([folder / "layout"], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


def test_structures_have_the_layout_of_the_header(layout: dict[str, int]) -> None:
    expected = {name: value % 2**64 for name, value in CONSTANTS.items()}
    for name, structure in STRUCTURES.items():
        expected[name] = ctypes.sizeof(structure)
        expected |= {f"{name}.{field[0]}": getattr(structure, field[0]).offset for field in structure._fields_}

    assert layout == expected


def test_the_header_is_plain_c(tmp_path: Path) -> None:
    """Programs in other languages can read it."""
    source = tmp_path / "plain.c"
    source.write_text('#include "bridge.h"\nint main(void) { return ANIMESR_ABI == 0; }\n')

    flags = ["-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([COMPILER, *flags, f"-I{NATIVE}", source], check=True)


def test_a_long_message_is_cut_between_two_characters() -> None:
    error = bridge.Text()

    @bridge._catch_errors(failure=-1)
    def fail(_: object) -> int:
        raise ValueError("ä" * 5000)

    assert fail(ctypes.pointer(error)) == -1
    text = error.text.decode()
    assert text.endswith("ä")
    assert 4090 < len(error.text) < 4096


def make_arguments(**arguments: list[str]) -> ctypes.Array[bridge.Argument]:
    """Return arguments as C passes them."""
    return (bridge.Argument * len(arguments))(
        *(
            bridge.Argument(name.encode(), (ctypes.c_char_p * len(values))(*map(str.encode, values)), len(values))
            for name, values in arguments.items()
        )
    )


def open_session(width: int, height: int, **arguments: list[str]) -> tuple[int, bridge.Settings]:
    """Open a session through the table, as the plugin does."""
    settings, error = bridge.Settings(), bridge.Text()
    raw, log = make_arguments(**arguments), bridge.Log(bridge.WRITE(lambda *_: None), None)
    number = bridge._TABLE.open(raw, len(raw), *describe_video(width, height), *pointers(log, settings, error))
    assert number > 0, error.text.decode()
    return number, settings


def describe_video(width: int, height: int) -> list[Any]:
    """Return the arguments of `open` for a clip and a target in RGBS."""
    videos = [bridge.Video(1, 1, 32, (0, 0), scale * width, scale * height) for scale in (1, 4)]
    clip, target, colours = pointers(*videos, bridge.FrameColours(0, 1, 0))
    return [clip, FRAMES, target, colours]


def pointers(*structures: ctypes.Structure) -> list[Any]:
    return [ctypes.pointer(structure) for structure in structures]


def addresses(planes: NDArray[np.float32]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * 3)(*(plane.ctypes.data for plane in planes))


def test_a_session_through_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    submit, copy = null.NullBackend.submit, null._Copy.wait

    def submit_and_record(self: null.NullBackend, *window: Frame, output: bool) -> Ticket | None:
        shapes.extend(plane.shape for frame in window for plane in frame.planes)
        return submit(self, *window, output=output)

    def wait_and_record(self: null._Copy, out: Planes) -> None:
        shapes.extend(plane.shape for plane in out)
        copy(self, out)

    monkeypatch.setattr(null.NullBackend, "submit", submit_and_record)
    monkeypatch.setattr(null._Copy, "wait", wait_and_record)
    number, settings = open_session(
        5,
        3,
        backend=["null"],
        scene_change=["7", "3"],
        preroll=["1"],
        seek=["preview"],
        warmup=["4"],
        segment=["90", "6"],
        held=["skip"],
        cache=["5"],
    )
    gc.collect()
    assert settings.anchors[: settings.anchor_count] == [3, 7]
    assert (settings.preroll, settings.preview, settings.segment, settings.warmup) == (1, 4, 90, 6)
    assert (settings.skip_held, settings.anchor_source, settings.cache_bytes) == (1, 0, 5 << 20)
    assert (settings.anchor_property, settings.backend) == (b"", b"null")
    session = bridge._sessions[number]
    assert (settings.depth, settings.state_bytes) == (session.depth, session.state_bytes)

    error = bridge.Text()
    source = np.random.default_rng(0).random((3, 3, 8), np.float32)  # rows of 5 pixels, with padding
    frame = bridge.SourceFrame(0, addresses(source), (32, 32, 32))
    output = np.full((3, 12, 24), -1, np.float32)
    picture = bridge.Picture(addresses(output), (96, 96, 96))
    window = [ctypes.pointer(frame)] * 3
    assert bridge._TABLE.submit(number, *window, 1, 0, ctypes.pointer(error)) == 0
    first, second = (bridge._TABLE.submit(number, *window, 1, 1, ctypes.pointer(error)) for _ in range(2))
    assert 0 < first < second

    for ticket in (second, first):
        assert bridge._TABLE.wait(number, ticket, ctypes.pointer(picture), ctypes.pointer(error)) == 0
    assert np.array_equal(output[:, 1:, 1:20], source[:, :, :5].repeat(4, 1).repeat(4, 2)[:, 1:, 1:])
    assert (output[:, :, 20:] == -1).all()
    assert shapes == [(3, 5)] * 27 + [(12, 20)] * 6

    assert bridge._TABLE.wait(number, first, ctypes.pointer(picture), ctypes.pointer(error)) == -1
    assert b"KeyError" in error.text

    state = bridge._TABLE.save(number, ctypes.pointer(error))
    assert state > 0
    digest = session._backend.save_state()
    bridge._TABLE.submit(number, *window, 0, 0, ctypes.pointer(error))
    assert not all(map(np.array_equal, session._backend.save_state(), digest))
    assert bridge._TABLE.restore(number, state, ctypes.pointer(error)) == 0
    assert all(map(np.array_equal, session._backend.save_state(), digest))
    bridge._TABLE.drop(number, state)
    assert bridge._TABLE.restore(number, state, ctypes.pointer(error)) == -1

    bridge._TABLE.close(number)
    assert number not in bridge._sessions


def test_an_error_of_the_options_reaches_the_caller() -> None:
    settings, error = bridge.Settings(), bridge.Text()
    raw, log = make_arguments(backend=["nul"]), bridge.Log(bridge.WRITE(lambda *_: None), None)

    assert bridge._TABLE.open(raw, len(raw), *describe_video(5, 3), *pointers(log, settings, error)) == 0
    assert "did you mean 'null'?" in error.text.decode()
