"""The platforms that wheels are built for, and what a library may need of each."""

from __future__ import annotations

from typing import Literal, NamedTuple

GLIBC = (2, 28)
"""The newest glibc that a Linux wheel may need: that of VapourSynth's own wheels."""
MACOS = (11, 0)
"""The oldest macOS that a wheel runs on: the first one for Apple's processors."""
ENTRY = "VapourSynthPluginInit2"
"""The only function that a library exports."""
EXPORTS = "exports.map"
"""The file that hides everything else of a Linux library, also the C++ library's `operator new`."""


class Target(NamedTuple):
    """A platform.

    triple: its name in zig.
    tag: its name in the name of a wheel.
    links: what the link needs besides the objects, for the library to export `ENTRY` only and need little.
    """

    system: Literal["linux", "windows", "macos"]
    triple: str
    tag: str
    library: str
    links: tuple[str, ...] = ()


def _linux(machine: str) -> Target:
    glibc = "{}.{}".format(*GLIBC)
    # zig links no crtbegin.o, which runs the destructors of statics when a library is unloaded. glibc would run them at
    # exit, after the library is gone. So keep it: VapourSynth unloads plugins only when the process ends.
    stays = "-Wl,-z,nodelete"
    links = ("-Wl,--gc-sections", "-Wl,--no-undefined", stays, f"-Wl,--version-script={EXPORTS}")
    return Target(
        "linux",
        f"{machine}-linux-gnu.{glibc}",
        f"manylinux_{glibc.replace('.', '_')}_{machine}",
        "libanimesr.so",
        links,
    )


def _macos(machine: str, zig_machine: str) -> Target:
    major, minor = MACOS
    links = ("-Wl,-dead_strip", "-Wl,-install_name,@rpath/libanimesr.dylib")
    return Target(
        "macos", f"{zig_machine}-macos.{major}.{minor}", f"macosx_{major}_{minor}_{machine}", "libanimesr.dylib", links
    )


TARGETS = {
    "linux-x86_64": _linux("x86_64"),
    "linux-aarch64": _linux("aarch64"),
    "windows-x86_64": Target("windows", "x86_64-windows-gnu", "win_amd64", "libanimesr.dll"),
    "macos-arm64": _macos("arm64", "aarch64"),
    "macos-x86_64": _macos("x86_64", "x86_64"),
}
