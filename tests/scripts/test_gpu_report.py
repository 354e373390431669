"""The report of a GPU, as far as it runs without one: sections and their ends, measurements on a simulated device."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.gpu import __main__ as report
from scripts.gpu import copies, speed, starts
from tests.backends.gpu.simulated_backend import RGBBackend, SimulatedBackend
from tests.backends.gpu.simulator import Failures, SimulatedDevice
from tests.backends.gpu.test_cuda import FakeRuntime
from vsanimesr.backends import null
from vsanimesr.backends.gpu import cuda
from vsanimesr.backends.gpu.device import Kernel
from vsanimesr.errors import BackendError, MissingDependencyError
from vsanimesr.options import Options


def section(program: str, *, markdown: bool = True, share: float = 1.0, needs_gpu: bool = False) -> report.Section:
    return report.Section("Part", (sys.executable, "-c", program), share, markdown, needs_gpu)


def test_a_section_gives_its_output() -> None:
    assert report.run_section(section("print('a table')"), 60) == ("a table", True)
    assert report.run_section(section("print('a log')", markdown=False), 60) == ("```\na log\n```", True)


def test_a_section_that_fails_keeps_what_it_printed() -> None:
    text, passed = report.run_section(section("print('a row'); import os; os._exit(3)"), 60)
    assert not passed
    assert text == "a row\n\n**Failed**: exit status 3."


def test_a_section_is_stopped_with_its_children_and_keeps_what_it_printed() -> None:
    program = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
print("a row", flush=True)
time.sleep(120)
"""
    begin = time.monotonic()
    text, passed = report.run_section(section(program), 3)
    assert not passed
    assert text == "a row\n\n**Stopped** after 3 s, its share of the time."
    assert time.monotonic() - begin < 60  # the child holds stdout open: it was killed too


def test_sections_that_need_a_gpu_say_why_they_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "find_gpu_problem", lambda: "there is no driver")
    monkeypatch.setattr(
        report, "SECTIONS", {"free": section("print('facts')"), "bound": section("print('speed')", needs_gpu=True)}
    )
    path = tmp_path / "new" / "gpu.md"
    assert not report.write_report(["free", "bound"], 1, path)
    text = path.read_text()
    assert "facts" in text
    assert "Skipped: there is no driver." in text
    assert "speed" not in text


def test_a_section_gets_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "find_gpu_problem", lambda: "")
    limits: list[float] = []

    def run(_: report.Section, seconds: float) -> tuple[str, bool]:
        limits.append(seconds)
        return "", True

    monkeypatch.setattr(report, "run_section", run)
    monkeypatch.setattr(report, "SECTIONS", {"half": section("", share=0.5), "rest": section("", share=2)})
    assert report.write_report(["half", "rest"], 10, tmp_path / "gpu.md")
    assert limits == [pytest.approx(300), pytest.approx(600, abs=5)]


def test_it_ends_with_a_failure_and_a_report_without_a_gpu(tmp_path: Path) -> None:
    path = tmp_path / "gpu.md"
    code = report.main(["--section", "machine", "copies", "-o", str(path)])
    text = path.read_text()
    assert "vapoursynth-animesr" in text
    if problem := report.find_gpu_problem():
        assert code == 1
        assert f"Skipped: {problem}." in text


@pytest.mark.parametrize(
    ("version", "problem"), [(12060, ""), (11080, "NVIDIA GPUs need the package cuda-bindings for CUDA 12.0")]
)
def test_a_gpu_that_only_torch_can_use_is_tested_too(
    version: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cudart = FakeRuntime({"cudaDriverGetVersion": version, "cudaRuntimeGetVersion": version})
    monkeypatch.setattr(cuda, "import_module", lambda _: cudart)
    found = report.find_gpu_problem()
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["-o", "my/gpu.md"], "somewhere/my/gpu.md"), (["-o", "/gpu.md"], "/gpu.md"), ([], "out/gpu.md")],
)
def test_the_report_is_written_where_the_caller_is(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write(_names: Sequence[str], _minutes: float, path: Path) -> bool:
        written.append(path)
        return True

    monkeypatch.setattr(report, "write_report", write)
    assert report.main(["--folder", "somewhere", *arguments]) == 0
    assert written == [Path(expected)]


def test_no_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        report.main(["--minutes", "0"])
    assert "--minutes 0" in capsys.readouterr().err


def test_copies_are_counted_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading of the clock is half a second later."""
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock) / 2)
    device = SimulatedDevice()
    with device.attached():
        up, down, both = copies.measure_copies(device, 10**9 // 16, seconds=1.0)
    # Two copies until a second has passed, and half a second until the last reading: 1/8 GB in 1.5 s.
    assert (up, down, both) == ("0.1", "0.1", "0.2")
    kinds = [kind for kind, _ in device.log]
    assert kinds.count("upload") == kinds.count("download") == 1 + 2 + 2


@pytest.mark.parametrize("formats", speed.FORMATS)
def test_steps_of_an_empty_program_run_through_the_pipeline(formats: str) -> None:
    device = SimulatedDevice(lag=0)
    whole, submit, wait, core = map(float, copies.measure_steps(device, 8, 8, 5, *speed.FORMATS[formats]))
    assert 0 < submit <= whole
    assert 0 < wait <= whole
    assert 0 < core <= whole * 1.5
    kinds = [kind for kind, _ in device.log]
    tables = 2 if formats == speed.USUAL else 0  # of a loader and a storer
    assert kinds.count("upload") == 6 + tables
    assert device.closed


def test_a_device_whose_step_fails_is_closed() -> None:
    """Else its memory would be missing in the next row."""
    calls = Failures()
    copies.measure_steps(SimulatedDevice(lag=0, failures=calls), 8, 8, 1)
    device = SimulatedDevice(lag=0, failures=Failures(at_call=calls.calls))  # in a step, if there are more of them

    with pytest.raises(BackendError, match="failed at a step"):
        copies.measure_steps(device, 8, 8, 5)
    assert device.closed


def test_a_device_that_cannot_convert_frames_gets_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutCompiler(SimulatedDevice):
        def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
            raise MissingDependencyError("the conversion needs NVRTC")

    monkeypatch.setattr(copies, "CudaDevice", lambda *_: WithoutCompiler(lag=0))
    monkeypatch.setattr(copies, "SIZES", ((8, 8),))
    usual, plain = copies._steps(None)
    assert usual[:3] == ("8x8", speed.USUAL, "the conversion needs NVRTC")
    assert plain[:2] == ("8x8", speed.PLAIN)
    assert float(plain[2]) > 0


@pytest.mark.parametrize(
    ("converts", "formats", "taken", "moved"),
    [
        (True, speed.USUAL, speed.USUAL, (16 * 12 * 3 // 2, 2 * 64 * 48 * 3 // 2 + 4)),
        (True, speed.PLAIN, speed.PLAIN, (12 * 16 * 12, 12 * 64 * 48)),
        (False, speed.USUAL, speed.PLAIN, (12 * 16 * 12, 12 * 64 * 48)),
    ],
)
def test_a_backend_is_measured_in_the_formats_that_it_takes(
    converts: bool, formats: str, taken: str, moved: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null, "NullBackend", SimulatedBackend if converts else RGBBackend)
    found = speed.measure(Options(backend="null"), 16, 12, formats, seconds=0.2)
    assert found.frames > 0
    assert found.submitting + found.waiting <= found.seconds * 1.01
    assert 0 < found.working <= found.seconds * 1.01
    assert (found.formats, found.moved) == (taken, moved)


def test_a_backend_that_uploads_windows_moves_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "UPLOADS", {"null": 3})
    assert speed.measure(Options(backend="null"), 16, 12, seconds=0.01).moved[0] == 3 * 12 * 16 * 12


def test_the_share_of_the_peak_follows_from_the_pixels() -> None:
    found = speed.Speed("RGBS", (500_000, 16_600_000), 50, 2, submitting=0.1, waiting=0.5, working=0.3, memory=1.234)
    peak = 4 * 25 * 1000 * speed.FLOP_PER_PIXEL
    cells = ("RGBS", "25.0", "40.00", "2.00", "10.00", "6.00", "0.5", "16.6", "1.23", "25 %")
    assert found.cells(1000, peak) == cells
    assert found.cells(1000, None)[-1] == ""
    assert len(cells) + 1 == len(speed.HEAD)


def test_every_backend_is_measured_in_the_clips_format_and_in_rgbs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", ((16, 12),))

    def measure(options: Options, width: int, height: int, formats: str) -> speed.Speed:
        if options.precision == "bf16":
            raise BackendError("not in bf16")
        return speed.Speed(formats, (1, 2), 1, 1, 1, 1, 1, 1)

    monkeypatch.setattr(speed, "measure", measure)
    rows = list(speed._alone(["tensorrt"], {}))
    assert [row[:2] for row in rows] == [
        ("tensorrt fp16, 16x12", speed.USUAL),
        ("tensorrt bf16, 16x12", speed.USUAL),
        ("tensorrt fp32, 16x12", speed.USUAL),
        ("tensorrt int8, 16x12", speed.USUAL),
        ("tensorrt fp8, 16x12", speed.USUAL),
        ("tensorrt fp16, 16x12", speed.PLAIN),
    ]
    assert rows[1][2] == "not in bf16"
    assert {len(row) for row in rows} == {len(speed.HEAD)}


def test_the_whole_filter_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", ((32, 24),))
    monkeypatch.setattr(speed, "SECONDS", 0.2)
    rows = list(speed.measure_filters(["no such backend"]))
    assert [row[:2] for row in rows] == [
        (f"{name}, 32x24", formats) for name in ("null", "no such backend") for formats in speed.FORMATS
    ]
    assert all(float(cell) > 0 for row in rows[:2] for cell in row[2:])
    assert "no such backend" in rows[2][2]
    assert {len(row) for row in rows} == {5}


def test_starts_are_measured_with_an_empty_cache_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_ENGINES", str(tmp_path))
    opened, first, opened_again, first_again = map(float, starts.measure_starts("null", 16, 12))
    assert 0 < opened <= first
    assert 0 < opened_again <= first_again


def test_measured_starts_stay_when_the_time_runs_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(backend: str, *_: int) -> list[str]:
        if backend == "slow":
            raise TimeoutError
        return ["1.5", "2.0", "0.5", "0.6"]

    monkeypatch.setattr(starts, "gpu_backends", lambda: ["quick", "slow"])
    monkeypatch.setattr(starts, "measure_starts", measure)

    with pytest.raises(TimeoutError):
        starts.report()

    assert capsys.readouterr().out.splitlines()[-1].split()[1::2] == ["quick", "1.5", "2.0", "0.5", "0.6"]


def test_a_start_that_fails_gives_its_message() -> None:
    message, *_ = starts.measure_starts("nothing", 16, 12)
    assert "nothing" in message
