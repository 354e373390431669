"""The host's time for a frame, measured around a device that is free of cost."""

from __future__ import annotations

import math
import time

import pytest

from vsanimesr.backends.base import Planes
from vsanimesr.backends.gpu import host_time
from vsanimesr.backends.gpu.host_time import YUV420P8, YUV420P10, FreeRun, measure_host_time
from vsanimesr.pixels import RGBS, PixelFormat


def test_a_run_copies_the_planes_of_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []

    def copy(targets: Planes, _sources: Planes) -> None:
        copied.append(sum(plane.nbytes for plane in targets))

    with FreeRun(8, 4, YUV420P8, YUV420P10) as run:
        run.process(1)  # the first step has two frames that are new
        monkeypatch.setattr("vsanimesr.backends.gpu.pipeline._copy_planes", copy)
        run.process(3)

    up, down = 8 * 4 * 3 // 2, 2 * 16 * 8 * 4 * 3 // 2
    assert sorted(copied) == [up] * 3 + [down] * 3


@pytest.mark.parametrize("pair", [(YUV420P8, YUV420P10), (RGBS, RGBS)])
def test_memory_of_the_device_is_not_a_page_of_zeros(pair: tuple[PixelFormat, ...]) -> None:
    """It would be quicker to read than any that a GPU has written."""
    with FreeRun(8, 4, *pair) as run:
        pinned = [readback.pinned.data for readback in run._pipeline._readbacks]
        assert all(data.all() for data in pinned)


def test_the_time_is_that_of_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame takes 3 ms here."""
    clock = 0.0

    def process(run: FreeRun, count: int) -> float:
        nonlocal clock
        clock += 0.003 * count
        return 0.003 * count

    monkeypatch.setattr(FreeRun, "process", process)
    assert measure_host_time(8, 4, YUV420P8, YUV420P10) == pytest.approx(0.003)
    assert clock > host_time.SECONDS


def test_a_large_frame_is_measured_at_a_smaller_size(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []

    class Run(FreeRun):
        def __init__(self, width: int, height: int, *formats: PixelFormat) -> None:
            opened.append((width, height))
            super().__init__(8, 4, *formats)

        def process(self, count: int) -> float:
            return 0.002 * count

    monkeypatch.setattr(host_time, "FreeRun", Run)
    seconds = measure_host_time(16384, 4096, YUV420P8, YUV420P10)

    ((width, height),) = opened
    assert math.prod((width, height)) <= host_time.MOST_PIXELS
    assert width / height == pytest.approx(4, rel=0.01)
    assert width % 2 == height % 2 == 0
    assert seconds == pytest.approx(0.002 * 16384 * 4096 / (width * height))


def test_it_is_quick() -> None:
    begin = time.thread_time()
    assert measure_host_time(64, 48, YUV420P8, YUV420P10) > 0
    assert time.thread_time() - begin < 5
