"""The backend `openvino`: the same bits everywhere, bf16, int8, and failures."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.studies.psnr import compute_psnr
from tests.backends import runner
from tests.backends.runner import SIZE, Picture, assert_source_is_added, make_setup, read_frame, submit_step
from vsanimesr.backends import openvino
from vsanimesr.backends.base import Frame
from vsanimesr.backends.openvino import OpenVINOBackend
from vsanimesr.errors import BackendError, TooLittleMemoryError
from vsanimesr.network.graph import padded_size
from vsanimesr.weights.load import read_weights

WIDTH, HEIGHT = SIZE


def start(precision: str = "fp32") -> AbstractContextManager[Any]:
    return runner.start_backend("openvino", precision=precision)


def run(precision: str, steps: int = 4) -> list[Picture]:
    return runner.run_steps("openvino", precision=precision, steps=steps)


def supported() -> list[str]:
    """Return the precisions that this processor computes, without int8."""
    try:
        with start("bf16"):
            return ["fp32", "bf16"]
    except BackendError:
        return ["fp32"]


def test_a_frame_stays_valid_during_the_next_step_and_steps_without_output_change_no_frame() -> None:
    expected = run("fp32")

    with start() as backend:
        first = submit_step(backend, 0)
        second = submit_step(backend, 1)  # depth is 2: the first has not been waited for
        assert np.array_equal(read_frame(second), expected[1])
        assert np.array_equal(read_frame(first), expected[0])
        assert submit_step(backend, 2, output=False) is None
        assert np.array_equal(read_frame(submit_step(backend, 3)), expected[3])


def test_two_backends_are_independent_and_can_be_reset() -> None:
    expected = run("fp32")

    with start() as one, start() as other:
        submit_step(other, 7, output=False)
        for n in range(3):
            ticket, other_ticket = submit_step(one, n), submit_step(other, n)
            assert np.array_equal(read_frame(ticket), expected[n])
            assert not np.array_equal(read_frame(other_ticket), expected[n])
        other.reset()
        for n in range(3):
            assert np.array_equal(read_frame(submit_step(other, n)), expected[n])


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    for precision in supported():
        expected = run(precision, 3)
        with monkeypatch.context() as patch:
            patch.setitem(openvino.SETTINGS, "INFERENCE_NUM_THREADS", str(threads))
            assert np.array_equal(run(precision, 3), expected)


def test_another_process_gives_the_same_bits() -> None:
    # The other process imports `tests` from the checkout, as this one does.
    code = (
        "import hashlib, numpy as np\n"
        "from tests.backends.test_openvino import run, supported\n"
        "for precision in supported(): print(hashlib.sha256(np.stack(run(precision))).hexdigest())"
    )
    results = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)}

    assert len(results) == 1
    assert len(results.pop().split()) == len(supported())


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_what_the_source_adds_to_few_bits_is_float32(precision: str) -> None:
    if "bf16" not in supported():
        pytest.skip(f"this processor does not compute in {precision}")
    assert_source_is_added("openvino", precision=precision)


def test_bf16_does_not_round_the_picture() -> None:
    """A first frame is as close to fp32 as bfloat16 inside the network allows. Rounding the picture would cost 4 dB."""
    if "bf16" not in supported():
        pytest.skip("this processor does not compute in bf16")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    red, green, blue = (0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.09]]] * x + 0.1 * y)).astype(np.float32)
    still = Frame(0, (red, green, blue))
    frames = []
    for precision in ("fp32", "bf16"):
        with start(precision) as backend:
            frames.append(read_frame(backend.submit(still, still, still, output=True)))

    assert compute_psnr(*frames) >= 65


def test_bf16_is_available_on_processors_that_have_it() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("no /proc/cpuinfo on this system")
    flags = set(cpuinfo.read_text().split())

    assert ("bf16" in supported()) == bool(flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert"})


class FailingRequest:
    """A request that runs its steps and then raises an error."""

    def __init__(self, request: object) -> None:
        self._request = request

    def wait(self) -> None:
        self._request.wait()  # type: ignore[attr-defined]
        raise RuntimeError("Exception from src/somewhere.cpp:1:\nout of luck")


@pytest.mark.parametrize("output", [True, False])
def test_after_a_failure_no_frame_is_computed_until_the_reset(output: bool) -> None:
    expected = run("fp32")

    with start() as backend:
        read_frame(submit_step(backend, 0))
        ticket = submit_step(backend, 1, output=output)
        backend._last_step._request = FailingRequest(backend._last_step._request)
        if output:
            with pytest.raises(BackendError, match="failed at a step: out of luck"):
                read_frame(ticket)
        for _ in range(2):
            with pytest.raises(BackendError, match="failed at a step: out of luck"):
                submit_step(backend, 2)
        backend.reset()
        assert np.array_equal(read_frame(submit_step(backend, 0)), expected[0])
        if output:
            with pytest.raises(BackendError):
                read_frame(ticket)


def test_closing_twice_after_a_failure() -> None:
    with start() as backend:
        submit_step(backend, 0)
        backend._last_step._request = FailingRequest(backend._last_step._request)
        backend.close()
        backend.close()


def test_int8_convolutions_run_in_integers() -> None:
    """OpenVINO has folded all pairs of QuantizeLinear and DequantizeLinear into the convolutions."""
    if "bf16" not in supported():
        pytest.skip("this processor does not compute int8")
    with start("int8") as backend:
        model = backend._requests[0]._request.get_compiled_model()
    runtime = model.get_runtime_model()
    kinds = [
        node.get_rt_info()["primitiveType"].astype(str)
        for node in runtime.get_ordered_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]

    # All but the first and the last of the network. Which of its kernels OpenVINO takes depends on the processor.
    assert sum(kind.lower().endswith("i8") for kind in kinds) == 24


@pytest.mark.parametrize("precision", supported())
def test_the_layout_of_the_first_input_changes_no_bit(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    channels_last = run(precision)
    monkeypatch.setattr(openvino, "_concatenate_channels_last", lambda model: None)
    monkeypatch.setattr(openvino, "load_or_build", lambda key, build, load: load(memoryview(build())))

    assert np.array_equal(run(precision), channels_last)


@pytest.mark.parametrize("precision", supported())
def test_the_first_input_is_put_together_channels_last(precision: str) -> None:
    """As OpenVINO runs it: with the channels of window and state in front, it would turn both, and then all of it."""
    with start(precision) as backend:
        runtime = backend._requests[0]._request.get_compiled_model().get_runtime_model()
    shapes = [
        list(node.get_output_shape(0))
        for node in runtime.get_ordered_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Concatenation"
    ]

    channels = {"fp32": 121, "bf16": 130}[precision]  # with bf16 the window has two parts
    size = [padded_size(HEIGHT), padded_size(WIDTH)]
    assert [1, *size, channels] in shapes
    assert [1, channels, *size] not in shapes


def test_int8_needs_ranges_of_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "computes_bf16", lambda core: True)
    other = tmp_path / "other.pth"
    other.write_bytes(read_weights("v2").data + b"\0")

    with pytest.raises(BackendError, match=r"'int8' needs ranges.*'auto'"):
        OpenVINOBackend(make_setup("openvino", 16, 16, model=str(other), precision="int8"))


def test_too_little_memory_is_told_from_other_failures() -> None:
    """A compiled network that could not be loaded for it stays in the cache."""
    with (
        pytest.raises(TooLittleMemoryError, match="not enough memory; free some"),
        openvino._errors("cannot be opened"),
    ):
        raise MemoryError
    with pytest.raises(BackendError, match="cannot be opened: no") as caught, openvino._errors("cannot be opened"):
        raise RuntimeError("no")
    assert not isinstance(caught.value, TooLittleMemoryError)
