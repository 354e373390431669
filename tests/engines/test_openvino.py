"""What the CPU engine promises beyond the numbers: the same bits everywhere, and none from a state that was lost."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsanimesr.engines import openvino
from vsanimesr.engines.base import Frame
from vsanimesr.engines.openvino import OpenVINOEngine
from vsanimesr.errors import EngineError
from vsanimesr.weights import read_weights

from ..setups import setup_for
from . import driving
from .driving import SIZE, Picture, received, step

WIDTH, HEIGHT = SIZE


def opened(precision: str = "fp32") -> AbstractContextManager[Any]:
    return driving.opened("openvino", precision=precision)


def run(precision: str, steps: int = 4) -> list[Picture]:
    return driving.run("openvino", precision=precision, steps=steps)


def supported() -> list[str]:
    try:
        with opened("bf16"):
            return ["fp32", "bf16"]
    except EngineError:
        return ["fp32"]


def test_a_frame_is_kept_while_the_next_step_runs_and_steps_without_output_change_nothing() -> None:
    straight = run("fp32")

    with opened() as engine:
        first = step(engine, 0)
        second = step(engine, 1)  # depth is 2: the first has not been waited for
        assert np.array_equal(received(second), straight[1])
        assert np.array_equal(received(first), straight[0])
        assert step(engine, 2, output=False) is None
        assert np.array_equal(received(step(engine, 3)), straight[3])


def test_two_engines_side_by_side_and_a_reset() -> None:
    straight = run("fp32")

    with opened() as one, opened() as other:
        step(other, 7, output=False)
        for n in range(3):
            mine, theirs = step(one, n), step(other, n)
            assert np.array_equal(received(mine), straight[n])
            assert not np.array_equal(received(theirs), straight[n])
        other.reset()
        for n in range(3):
            assert np.array_equal(received(step(other, n)), straight[n])


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    for precision in supported():
        straight = run(precision, 3)
        with monkeypatch.context() as patched:
            patched.setitem(openvino.SETTINGS, "INFERENCE_NUM_THREADS", str(threads))
            assert np.array_equal(run(precision, 3), straight)


def test_another_process_gives_the_same_bits() -> None:
    # A module of the tests, found as this one was: from the folder that holds them.
    code = (
        f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); import hashlib, numpy as np\n"
        "from tests.engines.test_openvino import run, supported\n"
        "for precision in supported(): print(hashlib.sha256(np.stack(run(precision))).hexdigest())"
    )
    results = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)}

    assert len(results) == 1
    assert len(results.pop().split()) == len(supported())


def test_the_picture_goes_around_bf16() -> None:
    """A first frame is as close to fp32 as bfloat16 inside the network allows; rounding the picture would cost 4 dB."""
    if "bf16" not in supported():
        pytest.skip("this processor does not compute in bf16")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    red, green, blue = (0.5 + 0.5 * np.sin([[[0.05]], [[0.07]], [[0.09]]] * x + 0.1 * y)).astype(np.float32)
    still = Frame(0, (red, green, blue))
    results = []
    for precision in ("fp32", "bf16"):
        with opened(precision) as engine:
            results.append(received(engine.submit(still, still, still, output=True)))

    error = np.mean((results[0].astype(np.float64) - results[1]) ** 2)
    assert -10 * np.log10(error) >= 65


def test_bf16_is_offered_where_the_processor_has_it() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("no /proc/cpuinfo on this system")
    words = set(flags.read_text().split())

    assert ("bf16" in supported()) == bool(words & {"avx512_bf16", "amx_bf16", "avx_ne_convert"})


class Failing:
    """A request that runs its steps and then says that they failed."""

    def __init__(self, request: object) -> None:
        self._request = request

    def wait(self) -> None:
        self._request.wait()  # type: ignore[attr-defined]
        raise RuntimeError("Exception from src/somewhere.cpp:1:\nout of luck")


@pytest.mark.parametrize("output", [True, False])
def test_nothing_comes_from_the_state_of_a_step_that_failed(output: bool) -> None:
    straight = run("fp32")

    with opened() as engine:
        received(step(engine, 0))
        ticket = step(engine, 1, output=output)
        engine._last._request = Failing(engine._last._request)
        if output:
            with pytest.raises(EngineError, match="failed at a step: out of luck"):
                received(ticket)
        for _ in range(2):
            with pytest.raises(EngineError, match="failed at a step: out of luck"):
                step(engine, 2)
        engine.reset()
        assert np.array_equal(received(step(engine, 0)), straight[0])
        if output:
            with pytest.raises(EngineError):
                received(ticket)


def test_closing_after_a_failure_and_twice() -> None:
    with opened() as engine:
        step(engine, 0)
        engine._last._request = Failing(engine._last._request)
        engine.close()
        engine.close()


def test_int8_is_executed_in_integers() -> None:
    """What is written as pairs of rounding and back has been folded into the convolutions, and none fell out."""
    with opened("int8") as engine:
        model = engine._slots[0]._request.get_compiled_model()
    runtime = model.get_runtime_model()
    kinds = [
        node.get_rt_info()["primitiveType"].astype(str)
        for node in runtime.get_ordered_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]

    assert len(kinds) == 27
    assert sum(kind.lower().endswith("i8") and kind.startswith("brgconv") for kind in kinds) == 24


def test_int8_of_other_weights_says_what_is_missing(tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(read_weights("v2").data + b"\0")

    with pytest.raises(EngineError, match=r"'int8' needs ranges.*'bf16'"):
        OpenVINOEngine(setup_for("openvino", 16, 16, model=str(other), precision="int8"))
