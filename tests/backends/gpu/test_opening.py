"""How a pipeline is opened where there is too little memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.backends.gpu.simulator import SimulatedDevice
from tests.backends.runner import make_setup
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.backends.gpu.device import OutOfMemoryError, Program
from vsanimesr.backends.gpu.host_time import YUV420P8, YUV420P10, usual_target
from vsanimesr.backends.gpu.opening import open_pipeline
from vsanimesr.errors import BackendError


def test_the_error_tells_the_memory_of_frames_that_the_gpu_cannot_convert() -> None:
    """The pipeline is then in RGBS. The size of tables for a conversion that there is not cannot be computed."""
    target = replace(usual_target(640, 480, YUV420P10), width=1280, height=960, kernel="point")
    setup = replace(make_setup("torch", 640, 480), source=YUV420P8, target=target)
    device = SimulatedDevice(memory=400_000_000)

    def fail() -> tuple[Program, bool]:
        raise OutOfMemoryError("there is too little memory")

    with pytest.raises(BackendError, match=r"about 0\.9 GB are needed, and 0\.4 GB are free; use tiles="):
        open_pipeline("torch", setup, "fp16", Gpu(0, "Simulated", (8, 9), 1 << 33, 0), device, fail)
    assert device.closed
