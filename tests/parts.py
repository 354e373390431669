"""The two parts of the suite, for scripts/test: `shared` runs in two processes at once, `alone` in one, with all cores.

Each file of tests belongs to one part: together they are the whole suite, whatever else pytest is asked for.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
PARTS = ("shared", "alone")
ALONE = {
    "cli/test_bench.py": "measures speed, in processes that have a time limit",
    "comparison/test_page.py": "Chromium",
    "episode/test_cluster.py": "ports, and workers that are killed",
    "episode/test_stops.py": "processes are interrupted at their work",
    "scripts/benchmarks": "compares times",
    "scripts/test_setup.py": "pip, and a time limit",
    "test_installation.py": "pip, and a compiler on all cores",
    "test_lifecycle.py": "memory of many starts, and processes interrupted at their work",
    "test_packaging.py": "pip, and a compiler on all cores",
    "trainer/dataset/test_page.py": "Chromium",
    "trainer/evaluation/test_page.py": "Chromium",
    "trainer/lbo/picker": "Chromium, and ports",
    "trainer/report/test_page.py": "Chromium",
    "weights/test_load.py": "a time limit",
}
"""Files and folders that would disturb what runs beside them, or be disturbed, and why."""


def part_of(file: Path) -> str:
    """Return the part of a file of tests."""
    name = file.relative_to(FOLDER)
    return "alone" if any(name.is_relative_to(each) for each in ALONE) else "shared"
