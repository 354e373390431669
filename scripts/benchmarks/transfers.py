"""What goes up to a GPU and down for each frame, and what it costs the host, by the formats of source and result.

It needs no GPU, see `host_time`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from vsanimesr.backends.gpu.host_time import YUV420P8, YUV420P10, FreeRun, usual_target
from vsanimesr.backends.gpu.pipeline import bytes_moved
from vsanimesr.pixels import RGBS

from .settings import Settings
from .table import Table, verdict
from .timing import Measure, measure_interleaved

MOST = 2.0
"""Target: most milliseconds of one core for a frame, from 4:2:0 at 720x480 to 4:2:0 in 10 bits."""

PAIRS = {
    "RGBS to RGBS": (RGBS, RGBS),
    "YUV420P8 to RGBS": (YUV420P8, RGBS),
    "YUV420P8 to YUV420P8": (YUV420P8, YUV420P8),
    "YUV420P8 to YUV420P10": (YUV420P8, YUV420P10),
    "YUV420P10 to YUV420P10": (YUV420P10, YUV420P10),
}
TARGET = "YUV420P8 to YUV420P10"


def measure_transfers(settings: Settings) -> Iterator[Table]:
    """Measure the time of one core that a frame takes around a device that is free of cost."""
    size = settings.width, settings.height
    with ExitStack() as stack:
        runs = {name: stack.enter_context(FreeRun(*size, *formats)) for name, formats in PAIRS.items()}
        results = measure_interleaved(
            {name: _core_time(run, settings.frames) for name, run in runs.items()}, settings.rounds
        )

    def row(name: str) -> tuple[str, ...]:
        source, target = PAIRS[name]
        up, down = bytes_moved(*size, source, usual_target(*size, target))
        milliseconds = 1000 * results.median(name)
        lowest, highest = (1000 * value for value in results.range(name))
        most = MOST if name == TARGET and settings.pixels <= 720 * 480 else None
        return (
            name,
            f"{milliseconds:.2f}",
            f"{lowest:.2f} to {highest:.2f}",
            f"{up / 1e6:.2f}",
            f"{down / 1e6:.2f}",
            verdict(milliseconds, at_most=most, unit=" ms"),
        )

    columns = ("", "ms of a core", "lowest to highest", "MB up", "MB down", "target")
    note = f"For each frame of {settings.size}, in order. Device and network cost nothing here."
    yield Table("Transfers to and from a GPU", columns, [*map(row, PAIRS)], note)


def _core_time(run: FreeRun, count: int) -> Measure:
    """Return a measurement of the seconds of this thread per frame."""
    return lambda: run.process(count) / count
