"""Build of the native plugin. pyproject.toml describes the rest of the package.

The wheel has the library in `vapoursynth/plugins/animesr/`, where VapourSynth looks for plugins. It works with every
Python 3, because the plugin links no libpython. An editable install keeps the library in `vsanimesr/native/`, where
`vsanimesr.load()` finds it. scripts/wheels compiles the library for other systems and names it in `ANIMESR_LIBRARY`:
then it is packed as it is.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import vapoursynth
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import PlatformError

NATIVE = Path("vsanimesr/native")
PLUGIN = Path("vapoursynth/plugins/animesr")
COMPILED = os.environ.get("ANIMESR_LIBRARY")
LIBRARY = (
    Path(COMPILED).name
    if COMPILED
    else {"win32": "libanimesr.dll", "darwin": "libanimesr.dylib"}.get(sys.platform, "libanimesr.so")
)
FLAGS = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["animesr"]["compile-flags"]


class BuildPlugin(build_ext):
    """Compiles a VapourSynth plugin instead of a Python module."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(PLUGIN / LIBRARY)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []  # not the init function of a Python module

    def get_libraries(self, ext: Extension) -> list[str]:
        return list(ext.libraries)  # without libpython

    def run(self) -> None:
        super().run()
        if not self.inplace:
            self.copy_file(str(NATIVE / "manifest.vs"), str(Path(self.build_lib) / PLUGIN / "manifest.vs"))

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), str(Path(self.build_lib) / PLUGIN / "manifest.vs")]

    def build_extension(self, ext: Extension) -> None:
        if COMPILED:
            library = self.get_ext_fullpath(ext.name)
            self.mkpath(str(Path(library).parent))
            self.copy_file(COMPILED, library)
            return
        self._require_compiler()
        version = self.distribution.get_version()
        major, minor, *_ = version.split(".")
        ext.define_macros = [
            ("ANIMESR_VERSION", version),
            ("ANIMESR_VERSION_MAJOR", major),
            ("ANIMESR_VERSION_MINOR", minor),
        ]
        if not MSVC:  # its compiler finds its own files at its first call
            self._compile_in_parallel()
        super().build_extension(ext)

    def _compile_in_parallel(self) -> None:
        """Compile the sources on all cores. setuptools can run several extensions at once, but there is only one."""
        compile_sources = self.compiler.compile

        def compile_each(sources: list[str], **arguments: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = pool.map(lambda source: compile_sources([source], **arguments), sources)
                return [path for paths in objects for path in paths]

        self.compiler.compile = compile_each

    def _require_compiler(self) -> None:
        """Raise an error that helps if there is no C++ compiler. Visual C++ has such an error of its own."""
        command = getattr(self.compiler, "compiler_so_cxx", None) or ["c++"]
        if not MSVC and shutil.which(command[0]) is None:
            raise PlatformError(
                f"the plugin is built from C++, but the compiler {command[0]!r} is not here; install one (Debian, "
                "Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install), or set CXX"
            )

    def copy_extensions_to_source(self) -> None:
        self.copy_file(str(Path(self.build_lib) / PLUGIN / LIBRARY), str(NATIVE / LIBRARY))


class AnyPythonWheel(bdist_wheel):
    """Gives the wheel the tag of one platform and every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


MSVC = sys.platform == "win32"

setup(
    ext_modules=[
        Extension(
            "animesr",
            sources=[str(path) for path in sorted(NATIVE.glob("*.cpp"))],
            depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
            include_dirs=[vapoursynth.get_include()],
            extra_compile_args=["/std:c++20", "/W4"] if MSVC else FLAGS,
            language="c++",
        )
    ],
    cmdclass={"build_ext": BuildPlugin, "bdist_wheel": AnyPythonWheel},
)
