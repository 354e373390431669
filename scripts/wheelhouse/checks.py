"""What a library needs and gives, read from its file: is it fit for its platform?

Each check returns what is wrong, one sentence each. Libraries are read with lief, on any system.
"""

from __future__ import annotations

import ast
import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lief

from .targets import ENTRY, GLIBC, MACOS, Target

# Of glibc only: no libstdc++, libc++ or libgcc_s, whose versions differ between distributions.
ELF_LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"}
ELF_LOADERS = re.compile(r"ld-linux-(x86-64\.so\.2|aarch64\.so\.1)")
# Every Windows since 10 has the Universal CRT: no libc++, libgcc, libwinpthread or Visual C++ runtime.
DLLS = re.compile(r"(kernel32|api-ms-win-crt-[a-z]+-l1-1-0)\.dll", re.IGNORECASE)
MACHO_OWN = {"_mh_dylib_header", "__dso_handle"}
"""Marks of the linker, not functions."""
DYLIBS = {"/usr/lib/libSystem.B.dylib"}
ELF_MACHINES = {"x86_64": lief.ELF.ARCH.X86_64, "aarch64": lief.ELF.ARCH.AARCH64}
MACHO_MACHINES = {"x86_64": lief.MachO.Header.CPU_TYPE.X86_64, "arm64": lief.MachO.Header.CPU_TYPE.ARM64}
lief.logging.disable()  # it remarks on what zig leaves out

SHIPPED = "vsanimesr/weights/shipped/"
"""Folder of the weights that are shipped."""

LIBRARY = re.compile(r"vapoursynth/plugins/animesr/(libanimesr\.(so|dll|dylib))")


def check_wheel(wheel: Path, target: Target) -> list[str]:
    """Return what is wrong with a wheel and with the library in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        libraries = [name for name in names if LIBRARY.fullmatch(name)]
        faults = list(_check_archive(archive, target))
        if len(libraries) != 1:
            return [*faults, f"holds {len(libraries)} libraries of the plugin"]
        return faults + check_library(archive.read(libraries[0]), target)


def differing_files(wheel: Path, other: Path) -> list[str]:
    """Return the names of the files that two wheels do not have with the same content."""
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(other) as second:
        names = {*first.namelist(), *second.namelist()}
        both = names & {*first.namelist()} & {*second.namelist()}
        return sorted(name for name in names if name not in both or first.read(name) != second.read(name))


def check_library(content: bytes, target: Target) -> list[str]:
    """Return what is wrong with a library."""
    if target.system == "linux":
        elf = lief.ELF.parse(content)
        faults = _check_elf(elf, target) if elf else ["is no ELF file"]
    elif target.system == "windows":
        pe = lief.PE.parse(content)
        faults = _check_pe(pe) if pe else ["is no PE file"]
    else:
        fat = lief.MachO.parse(content)
        macho = fat.at(0) if fat and fat.size == 1 else None
        faults = _check_macho(macho, target) if macho else ["is no Mach-O file of one processor"]
    return [*faults, *_check_paths(content)]


def _check_archive(archive: zipfile.ZipFile, target: Target) -> Iterator[str]:
    names = archive.namelist()
    (info,) = (name for name in names if name.endswith(".dist-info/WHEEL"))
    expected = f"py3-none-{target.tag}"
    tags = re.findall(r"^Tag: (.+)$", archive.read(info).decode(), re.MULTILINE)
    if tags != [expected] or not str(archive.filename).endswith(f"-{expected}.whl"):
        yield f"has the tags {tags} and not {expected}"
    ordered = sorted(names, key=lambda name: (".dist-info/" in name, name))
    if names != ordered:
        yield "has its files in no order"
    if "vapoursynth/__init__.py" in names:
        yield "holds a file of VapourSynth"
    yield from _check_weights(archive)


def _check_weights(archive: zipfile.ZipFile) -> Iterator[str]:
    """Check the weights that are shipped against the wheel's own table of them, which is read without running it."""
    names = set(archive.namelist())
    shipped = {SHIPPED + entry["file"]: entry["sha256"] for entry in _read_table(archive) if entry.get("recipe")}
    for name, sha256 in shipped.items():
        if name not in names:
            yield f"lacks {name}"
        elif hashlib.sha256(archive.read(name)).hexdigest() != sha256:
            yield f"holds another {name} than its table says"
    for name in sorted(names - shipped.keys()):
        if name.startswith(SHIPPED):
            yield f"holds {name}, which is not in its table"


def _read_table(archive: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each `Release(...)` in the table of weights."""
    for node in ast.walk(ast.parse(archive.read("vsanimesr/weights/release.py"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Release":
            yield {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}


def _check_elf(library: lief.ELF.Binary, target: Target) -> Iterator[str]:
    if library.header.machine_type != ELF_MACHINES[target.tag.split("_", 3)[-1]]:
        yield f"is for {library.header.machine_type.name}"
    for name in library.libraries:
        if str(name) not in ELF_LIBRARIES and not ELF_LOADERS.fullmatch(str(name)):
            yield f"links {name!s}, which a system may lack or have in another version"
    for requirement in library.symbols_version_requirement:
        for auxiliary in requirement.get_auxiliary_symbols():
            version = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", str(auxiliary.name))
            if not version or (int(version[1]), int(version[2])) > GLIBC:
                yield f"needs {auxiliary.name!s} of {requirement.name!s}, newer than glibc {GLIBC[0]}.{GLIBC[1]}"
    yield from _check_exports(str(symbol.name) for symbol in library.exported_symbols)
    if library.has(lief.ELF.DynamicEntry.TAG.RUNPATH) or library.has(lief.ELF.DynamicEntry.TAG.RPATH):
        yield "has a path to look for libraries in"
    flags = library.get(lief.ELF.DynamicEntry.TAG.FLAGS_1)
    if not isinstance(flags, lief.ELF.DynamicEntryFlags) or not flags.has(lief.ELF.DynamicEntryFlags.FLAG.NODELETE):
        yield "can be unloaded, and then crashes at exit"
    if library.has_section(".debug_info"):
        yield "holds debug information"


def _check_pe(library: lief.PE.Binary) -> Iterator[str]:
    if library.header.machine != lief.PE.Header.MACHINE_TYPES.AMD64:
        yield f"is for {library.header.machine.name}"
    for name in (str(each.name) for each in library.imports):
        if not DLLS.fullmatch(name):
            yield f"links {name}, which not every Windows has"
    if library.header.time_date_stamps:
        yield "holds the time at which it was linked"
    exported = library.get_export()
    yield from _check_exports(str(each.name) for each in exported.entries) if exported else _check_exports([])


def _check_macho(library: lief.MachO.Binary, target: Target) -> Iterator[str]:
    machine = target.tag.split("_", 3)[-1]
    if library.header.cpu_type != MACHO_MACHINES[machine]:
        yield f"is for {library.header.cpu_type.name}"
    for name in (str(each.name) for each in library.libraries if each.command.name != "ID_DYLIB"):
        if name not in DYLIBS:
            yield f"links {name}, which not every macOS has"
    oldest = tuple(library.build_version.minos[:2]) if library.build_version else (0, 0)
    if not (0, 0) < oldest <= MACOS:
        yield "runs from macOS {}.{} on, and not from {}.{}".format(*oldest, *MACOS)
    if machine == "arm64" and not library.has_code_signature:
        yield "is not signed, not even ad hoc: macOS does not load it"
    yield from _check_exports({str(symbol.name).removeprefix("_") for symbol in library.exported_symbols} - MACHO_OWN)


def _check_exports(names: Iterable[str]) -> Iterator[str]:
    exported = set(names)
    if ENTRY not in exported:
        yield f"does not export {ENTRY}"
    if others := sorted(exported - {ENTRY}):
        yield f"exports {len(others)} more symbols: {', '.join(others[:5])}"


def _check_paths(content: bytes) -> Iterator[str]:
    for path in sorted(set(re.findall(rb"/(?:home|root|tmp|work|Users)/[\x20-\x7e]+", content)))[:3]:
        yield f"holds a path of the machine that built it: {path.decode()}"
