"""Memory that a worker frees stays with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROUNDS = 10
PAGES = 5 * 3 * 512 * 512 * 4 // 4096
"""Of the clip, and of each of the four blocks that blurring it takes."""
PROGRAM = f"""
import resource
import torch
from trainer.degradation.blur import blurred
from trainer.heap import keep_freed

keep_freed()
torch.set_num_threads(1)
clip = torch.rand(5, 3, 512, 512)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range({ROUNDS}):
    blurred(clip, 2, 2, 0)
before = faults()
for _ in range({ROUNDS}):
    blurred(clip, 2, 2, 0)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep it")
def test_freed_memory_is_not_cleared_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)

    assert int(done.stdout) < PAGES * ROUNDS / 2  # 4 * PAGES in each round where it is given back
