"""backend="auto": the fastest backend that can be opened, and one line of the log for each that cannot."""

from __future__ import annotations

import logging

import pytest

from vsanimesr import backends, session
from vsanimesr.backends.base import Availability, Backend, Setup
from vsanimesr.backends.null import NullBackend
from vsanimesr.errors import BackendError, WeightsError
from vsanimesr.options import Options
from vsanimesr.session import Session
from vsanimesr.weights.load import read_weights

AVAILABLE = {
    "tensorrt": Availability(False, "the package tensorrt is too old", "pip install it"),
    "tensorrt_rtx": Availability(True, "A card", gpu=True),
    "onnxruntime": Availability(True, "cpu (auto: cpu, fp32)"),
    "torch": Availability(True, "A card", gpu=True),
}


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """A machine with a GPU. Backends named here fail to open with these errors; any other opens as `null`."""
    errors: dict[str, Exception] = {}

    def open_tiled(name: str, setup: Setup, tiles: object, overlap: int) -> Backend:
        assert setup.read_weights().digest == read_weights("v2").digest
        if name in errors:
            raise errors[name]
        return NullBackend(setup)

    monkeypatch.setattr(backends, "installed_backends", lambda: list(backends.BACKENDS))
    monkeypatch.setattr(backends, "availability", AVAILABLE.__getitem__)
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    monkeypatch.setattr(session, "open_tiled", open_tiled)
    return errors


def open_auto(caplog: pytest.LogCaptureFixture, backend: str = "auto") -> tuple[str, list[str]]:
    """Return the name of the backend that was opened, and the lines of the log."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "vsanimesr"):
        opened = Session(Options(backend=backend, model="v2"), width=8, height=8)
    assert opened.model.startswith("v2 ")
    opened.close()
    return opened.backend, [record.getMessage() for record in caplog.records]


PASSED_OVER = "backend='auto' passes over tensorrt: the package tensorrt is too old"


def test_the_first_that_opens_is_taken(failures: dict[str, Exception], caplog: pytest.LogCaptureFixture) -> None:
    assert open_auto(caplog) == ("tensorrt_rtx", [PASSED_OVER])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BackendError("no memory left; use tiles"), "no memory left; use tiles"),
        (TypeError("takes 2 arguments\nand a long text"), "takes 2 arguments"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_auto_goes_on_with_the_next_one_and_says_why(
    error: Exception, reason: str, failures: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures["tensorrt_rtx"] = error
    opened, lines = open_auto(caplog)

    assert opened == "torch"
    assert lines == [
        PASSED_OVER,
        f"backend='auto' goes on without tensorrt_rtx: {reason}",
        "backend='auto' passes over onnxruntime: it finds no GPU, only cpu (auto: cpu, fp32)",
    ]


def test_the_cpu_is_the_last_resort_and_its_error_is_the_error(
    failures: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures |= {name: BackendError(f"{name} is broken") for name in ("tensorrt_rtx", "torch")}
    opened, lines = open_auto(caplog)
    assert opened == "openvino"
    assert lines[-1] == "backend='auto' goes on without torch: torch is broken"

    failures["openvino"] = BackendError("openvino is broken")
    with pytest.raises(BackendError, match="openvino is broken"):
        open_auto(caplog)


def test_a_device_that_no_backend_has_is_an_error_that_says_so(
    failures: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures |= {
        "tensorrt_rtx": BackendError("device=1 does not exist; use 0 (A card)"),
        "torch": BackendError("device=1 does not exist for backend='torch', which finds 1 (cuda); use device=0"),
        "openvino": BackendError("device=1 does not exist for backend='openvino', which has one CPU; use device=0"),
    }
    with pytest.raises(BackendError) as caught:
        open_auto(caplog)
    assert str(caught.value) == (
        "backend='auto' can open none of its backends (tensorrt_rtx: device=1 does not exist, use 0 (A card); "
        "torch: device=1 does not exist for backend='torch', which finds 1 (cuda), use device=0; "
        "openvino: device=1 does not exist for backend='openvino', which has one CPU, use device=0)"
    )


def test_a_device_without_any_gpu_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    with pytest.raises(BackendError) as caught:
        Session(Options(device=1), width=8, height=8)
    assert str(caught.value) == (
        "backend='auto' finds no GPU that it can use, and device=1 does not exist for backend='openvino', which has "
        "one CPU; use device=0"
    )


def test_weights_that_cannot_be_read_are_an_error_at_once(
    failures: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures["tensorrt_rtx"] = WeightsError("damaged")
    with pytest.raises(WeightsError, match="damaged"):
        open_auto(caplog)


def test_a_backend_that_is_named_is_the_only_one(
    failures: dict[str, Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures["tensorrt_rtx"] = BackendError("no memory left")
    with pytest.raises(BackendError, match="no memory left"):
        open_auto(caplog, "tensorrt_rtx")
    assert not caplog.records
