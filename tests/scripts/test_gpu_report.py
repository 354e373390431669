"""The report of a GPU, as far as it runs without one: sections and their ends, measurements on a simulated device."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from scripts.gpu import __main__ as report
from scripts.gpu import copies, speed, starts
from tests.backends.gpu.simulator import SimulatedDevice
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


def test_steps_of_an_empty_program_run_through_the_pipeline() -> None:
    device = SimulatedDevice(lag=0)
    whole, submit, wait = (float(text) for text in copies.measure_steps(device, 8, 8, 5))
    assert 0 < submit <= whole
    assert 0 < wait <= whole
    assert [kind for kind, _ in device.log].count("upload") == 6
    assert device.closed


def test_a_backend_is_measured() -> None:
    found = speed.measure(Options(backend="null"), 16, 12, seconds=0.2)
    assert found.frames > 0
    assert found.submitting + found.waiting <= found.seconds * 1.01


def test_the_share_of_the_peak_follows_from_the_pixels() -> None:
    found = speed.Speed(frames=50, seconds=2, submitting=0.1, waiting=0.5, memory=1.234)
    peak = 4 * 25 * 1000 * speed.FLOP_PER_PIXEL
    assert found.cells(1000, peak) == ("25.0", "40.00", "2.00", "10.00", "1.23", "25 %")
    assert found.cells(1000, None)[-1] == ""


def test_the_whole_filter_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", ((32, 24),))
    monkeypatch.setattr(speed, "SECONDS", 0.2)
    rows = list(speed.measure_filters(["no such backend"]))
    assert [row[0] for row in rows] == ["null, 32x24", "no such backend, 32x24"]
    assert float(rows[0][1]) > 0
    assert "no such backend" in rows[1][1]


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
