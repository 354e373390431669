"""A worker keeps the memory that it frees."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROUNDS = 10
PAGES = 5 * 3 * 512 * 512 * 4 // 4096
"""Pages of the clip, and of each of the four blocks that blurring it allocates."""
PROGRAM = f"""
import resource
import torch
from trainer.core.loader import tune_malloc
from trainer.degradation.blur import blur

tune_malloc()
torch.set_num_threads(1)
clip = torch.rand(5, 3, 512, 512)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range({ROUNDS}):
    blur(clip, 2, 2, 0)
before = faults()
for _ in range({ROUNDS}):
    blur(clip, 2, 2, 0)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to keep freed memory")
def test_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)

    assert int(done.stdout) < PAGES * ROUNDS / 2  # 4 * PAGES in each round if memory is given back
