"""CUDA C++ compiled for the host, so that kernels run without a GPU."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from scripts.compiler import COMPILER
from vsanimesr.backends.gpu.device import BLOCK

FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")

CUDA = """
#include <cmath>
#include <cstdint>
#include <cstring>
#define __global__
#define __device__
using std::isfinite;
static thread_local struct Index { int x, y, z; } blockIdx, blockDim, threadIdx;
static float half_to_float(unsigned short bits) {
    _Float16 value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
static unsigned short float_to_half(float value) {
    const _Float16 half = static_cast<_Float16>(value);
    unsigned short bits;
    std::memcpy(&bits, &half, sizeof bits);
    return bits;
}
template <class Arguments>
static void run(void (*kernel)(Arguments), const void *arguments, const int *blocks, const int *block) {
    const Arguments &a = *static_cast<const Arguments *>(arguments);
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < blocks[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < blocks[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < blocks[0]; ++blockIdx.x)
                for (threadIdx.y = 0; threadIdx.y < block[1]; ++threadIdx.y)
                    for (threadIdx.x = 0; threadIdx.x < block[0]; ++threadIdx.x)
                        kernel(a);
}
template <class Arguments> static int size_of(void (*)(Arguments)) { return sizeof(Arguments); }
"""
RUN = """
extern "C" void run_{name}(const void *arguments, const int *blocks, const int *block) {{
    run({name}, arguments, blocks, block);
}}
extern "C" int size_{name}() {{ return size_of({name}); }}
"""


class HostKernel:
    """A kernel that runs on the host. The `c_void_p` of its arguments are addresses of host memory."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._run = library[f"run_{name}"]
        self._run.restype = None
        self.arguments_size: int = library[f"size_{name}"]()
        """Bytes of its parameter."""

    def run(self, blocks: tuple[int, int, int], arguments: ctypes.Structure) -> None:
        assert ctypes.sizeof(arguments) == self.arguments_size
        integers = ctypes.c_int * 3
        self._run(ctypes.byref(arguments), integers(*blocks), integers(*BLOCK))


@lru_cache
def compile_for_host(source: str, names: Sequence[str]) -> tuple[HostKernel, ...]:
    """Compile CUDA C++ and return the kernels with these names."""
    with tempfile.TemporaryDirectory() as folder:
        file, library = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        file.write_text(CUDA + source + "".join(RUN.format(name=name) for name in names))
        subprocess.run([COMPILER, *FLAGS, "-o", library, file], check=True)
        loaded = ctypes.CDLL(str(library))
    return tuple(HostKernel(loaded, name) for name in names)
