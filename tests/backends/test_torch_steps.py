"""What every step with PyTorch needs: settings of the process, which other code in it may change too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.runner import read_frame, start_backend, submit_step
from vsanimesr.backends import torch as backend_module
from vsanimesr.backends import torch_steps
from vsanimesr.backends.torch_steps import torch_settings
from vsanimesr.errors import BackendError

CUDNN: Any = torch.backends.cudnn
ONEDNN: Any = torch.backends.mkldnn
BACKENDS: Any = torch.backends

CHANGES: list[tuple[Any, str, Any]] = [
    *(
        (CUDNN, name, value)
        for name in ("enabled", "benchmark", "deterministic", "allow_tf32")
        for value in (True, False)
    ),
    *((CUDNN.conv, "fp32_precision", value) for value in ("ieee", "tf32", "none")),
    *((CUDNN.rnn, "fp32_precision", value) for value in ("ieee", "tf32", "none")),
    *((CUDNN, "fp32_precision", value) for value in ("ieee", "tf32", "none")),
    *((ONEDNN.conv, "fp32_precision", value) for value in ("ieee", "bf16", "none")),
    *((BACKENDS, "fp32_precision", value) for value in ("ieee", "tf32", "none")),
]
"""What a script may set: owner, name, value. PyTorch refuses to read some of the results."""


def read(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except RuntimeError:
        return "cannot be read"


def read_all() -> list[Any]:
    places = dict.fromkeys((id(owner), name) for owner, name, _ in CHANGES)
    owners = {id(owner): owner for owner, _, _ in CHANGES}
    return [read(owners[owner], name) for owner, name in places]


def restore_defaults() -> None:
    BACKENDS.fp32_precision = CUDNN.fp32_precision = ONEDNN.conv.fp32_precision = "none"
    CUDNN.allow_tf32 = CUDNN.enabled = True
    CUDNN.benchmark = CUDNN.deterministic = False


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = read_all()
    yield
    restore_defaults()
    assert read_all() == before


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run steps on the CPU, one after the other, also on a machine with a GPU."""
    monkeypatch.setattr(backend_module, "_find_device", lambda number: torch.device("cpu"))


def assert_ours() -> None:
    assert torch.is_inference_mode_enabled()
    assert (CUDNN.enabled, CUDNN.benchmark, CUDNN.deterministic, CUDNN.allow_tf32) == (True, False, True, False)
    assert (CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision) == ("ieee", "ieee")
    assert ONEDNN.conv.fp32_precision == "ieee"


@given(changes=st.lists(st.sampled_from(CHANGES), max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_a_script_has_set_holds_again_afterwards(changes: list[tuple[Any, str, Any]]) -> None:
    restore_defaults()
    for owner, name, value in changes:
        setattr(owner, name, value)
    before = read_all()

    with torch_settings():
        assert_ours()

    assert read_all() == before
    assert not torch.is_inference_mode_enabled()


def test_steps_run_when_a_script_has_set_tf32_in_the_new_way() -> None:
    with start_backend("torch") as backend:
        expected = read_frame(submit_step(backend, 0))
        backend.reset()
        CUDNN.conv.fp32_precision = "tf32"
        CUDNN.rnn.fp32_precision = "ieee"
        with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
            _ = CUDNN.allow_tf32
        assert read_frame(submit_step(backend, 0)).tobytes() == expected.tobytes()
        assert (CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision) == ("tf32", "ieee")


@pytest.mark.usefixtures("on_cpu")
def test_the_settings_hold_in_a_step() -> None:
    seen = []
    with start_backend("torch") as backend:
        recurrence = backend._steps._recurrence  # type: ignore[attr-defined]
        step = recurrence._step

        def look(*inputs: torch.Tensor) -> Any:
            assert_ours()
            seen.append(True)
            return step(*inputs)

        recurrence._step = look
        read_frame(submit_step(backend, 0))

    assert seen


def test_the_last_thread_restores_what_was_set_before_the_first() -> None:
    CUDNN.benchmark = True
    entered, left = threading.Event(), threading.Event()

    def hold() -> None:
        with torch_settings():
            entered.set()
            left.wait(20)
            assert_ours()

    with ThreadPoolExecutor(1) as pool:
        with torch_settings():
            second = pool.submit(hold)
            assert entered.wait(20)
        assert not CUDNN.benchmark
        left.set()
        second.result()

    assert CUDNN.benchmark


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("act", [lambda backend: submit_step(backend, 0), lambda backend: backend.save_state()])
def test_settings_that_cannot_be_set_are_an_error_of_the_backend(
    act: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        @property
        def value(self) -> int:
            return 1

        @value.setter
        def value(self, value: int) -> None:
            if value == 2:
                raise RuntimeError("not allowed to set flags")

    with start_backend("torch") as backend:
        refused = [(CUDNN, "benchmark", True), (Refusing(), "value", 2)]
        with monkeypatch.context() as patched:
            patched.setattr(torch_steps, "_settings", lambda: refused)
            with pytest.raises(BackendError, match="backend='torch' failed at a step: not allowed to set flags"):
                act(backend)
            assert not CUDNN.benchmark
        backend.reset()
        read_frame(submit_step(backend, 0))
