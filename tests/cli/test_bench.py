"""`animesr bench`: what is measured in the time, what is scaled, the table, the file."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cli.terminal import run_in_terminal
from tests.video import core
from vsanimesr.backends import AUTO, BACKENDS, FALLBACK
from vsanimesr.backends.base import Availability, Frame, Ticket
from vsanimesr.backends.null import NullBackend
from vsanimesr.bench import plan, report, worker
from vsanimesr.bench.clip import HOLD, draw_clip
from vsanimesr.bench.plan import Bench, Candidate, HeldGain, Outcome, Refusal, Row, Size
from vsanimesr.bench.worker import FEWEST, SECONDS, WARM_UP, Failure, Job, ProcessWorker, Speed
from vsanimesr.cli import main
from vsanimesr.cli.bench import SIZES
from vsanimesr.options import Options, Precision

ALL = [name for name in BACKENDS if name != "null"]


@dataclass
class Machine:
    """A simulated machine with a clock of its own."""

    cost: Mapping[str, Mapping[str, float]]
    """Seconds of a pixel by backend and precision; the first is what `auto` takes. Other backends are not usable."""
    opening: float = 0.5
    """Seconds to start a backend, and to open a filter."""
    gpus: frozenset[str] = frozenset()
    fails: frozenset[Size] = frozenset()
    """Sizes that cannot be opened."""
    gain: float = 1.9
    slower: float = 1
    """Times as long as the others that all measurements take after the first ten seconds."""
    now: float = 100.0
    jobs: list[tuple[str, Job]] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    """Backends that have a worker."""

    def start(self, backend: str) -> SimulatedWorker:
        assert backend not in self.open
        self.open.add(backend)
        return SimulatedWorker(self, backend)

    def pass_time(self, seconds: float, until: float) -> Failure | None:
        seconds *= self.slower if self.now > 110 else 1
        if self.now + seconds >= until:
            self.now = max(self.now, until)
            return Failure("not done", in_time=False)
        self.now += seconds
        return None


@dataclass
class SimulatedWorker:
    """A worker that takes its time on the clock of its machine."""

    machine: Machine
    backend: str
    lost: bool = False

    def availability(self, until: float) -> Availability | Failure:
        failure = self.machine.pass_time(self.machine.opening, until)
        self.lost = failure is not None
        usable = self.backend in self.machine.cost
        return failure or Availability(usable, "a device", "buy one", gpu=self.backend in self.machine.gpus)

    def measure(self, job: Job, until: float) -> Speed | Failure:
        machine = self.machine
        assert self.backend in machine.open
        assert not self.lost, "a lost worker is asked"
        machine.jobs.append((self.backend, job))
        costs = machine.cost[self.backend]
        precision = next(iter(costs)) if job.precision == "auto" else job.precision
        if precision not in costs:
            return Failure(f"precision={precision!r} is refused")
        if (job.width, job.height) in machine.fails:
            return Failure("too little memory")
        step = costs[precision] * job.width * job.height
        failure = machine.pass_time(machine.opening + WARM_UP * step + max(FEWEST * step, SECONDS), until)
        self.lost = failure is not None
        second = step / machine.gain if job.held == "skip" else step
        return failure or Speed(precision, FEWEST, machine.opening, second, 0.9 * second, 1.2 * second)

    def close(self) -> None:
        self.machine.open.remove(self.backend)


@pytest.fixture(autouse=True)
def _all_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "installed_backends", lambda: list(BACKENDS))


def measure(
    machine: Machine, seconds: float = 120, sizes: list[Size] | None = None, backends: list[str] | None = None
) -> Outcome:
    """Run a benchmark on a simulated machine, and check that it kept to its time."""
    bench = Bench(
        sizes or SIZES,
        backends or ALL,
        seconds,
        start=machine.start,
        say=lambda text: None,
        clock=lambda: machine.now,
    )
    begin = machine.now
    outcome = bench.run()
    assert machine.now - begin <= seconds
    assert not machine.open, "each worker is closed once"
    return outcome


def rows_of(outcome: Outcome, candidate: Candidate) -> dict[Size, Row]:
    return {row.size: row for row in outcome.rows if row.candidate == candidate}


CPU = {"openvino": {"fp32": 15e-6}, "torch": {"fp32": 25e-6}}
"""Two cores without bf16."""
GPU = {"tensorrt": {"fp16": 2e-8, "fp32": 5e-8}, "torch": {"fp16": 4e-8}, "openvino": {"bf16": 1e-6}}


def test_a_fast_machine_is_measured_in_full() -> None:
    outcome = measure(Machine(GPU, gpus=frozenset({"tensorrt", "torch"})))

    for backend, costs in GPU.items():
        for precision, cost in costs.items():
            rows = rows_of(outcome, Candidate(backend, precision))
            assert {size: row.speed.median for size, row in rows.items()} == {
                (width, height): pytest.approx(cost * width * height) for width, height in SIZES
            }
            assert not any(row.scaled for row in rows.values())
    assert outcome.first == ("tensorrt", "fp16")
    assert outcome.is_auto
    assert outcome.held
    assert outcome.held.times == pytest.approx(1.9)
    assert outcome.held.size == (1920, 1080)


def test_a_slow_machine_measures_the_small_sizes_and_scales_the_others() -> None:
    machine = Machine(CPU)
    outcome = measure(machine)

    rows = rows_of(outcome, Candidate("openvino", "fp32"))
    assert [size for size, row in rows.items() if not row.scaled] == [(640, 480), (720, 480)]
    assert {row.measured for row in rows.values() if row.scaled} == {(720, 480)}
    assert rows[1920, 1080].speed.median == pytest.approx(15e-6 * 1920 * 1080)
    assert rows[1920, 1080].speed.highest == pytest.approx(1.2 * 15e-6 * 1920 * 1080)
    others = rows_of(outcome, Candidate("torch", "fp32"))
    assert {row.measured for row in others.values()} == {(640, 480)}
    assert outcome.held
    assert outcome.held.size == (160, 120)


def test_a_slower_machine_scales_from_a_size_that_was_not_asked_for() -> None:
    machine = Machine({"openvino": {"fp32": 100e-6}, "torch": {"fp32": 200e-6}})
    outcome = measure(machine)

    assert {row.measured for row in rows_of(outcome, Candidate("openvino", "fp32")).values()} == {(320, 240)}
    assert {row.measured for row in rows_of(outcome, Candidate("torch", "fp32")).values()} == {(160, 120)}


def test_held_frames_are_measured_even_if_they_take_more_than_their_share() -> None:
    outcome = measure(Machine({"openvino": {"fp32": 200e-6}}))

    assert outcome.held
    assert outcome.held.size == (160, 120)


def test_a_clip_on_twos_gains_no_more_than_twice_the_speed() -> None:
    outcome = measure(Machine(CPU, gain=2.4))

    assert outcome.held
    assert outcome.held.times == 2


def test_a_machine_that_becomes_slower_loses_the_measurement_in_work_only() -> None:
    outcome = measure(Machine(CPU, slower=20))

    assert {row.measured for row in rows_of(outcome, Candidate("openvino", "fp32")).values()} == {(160, 120)}
    assert {row.measured for row in rows_of(outcome, Candidate("torch", "fp32")).values()} == {(160, 120)}
    assert {refusal.kind for refusal in outcome.refusals if refusal.backend in CPU} == {"failed"}  # precisions


@example(cost=15e-6, seconds=120, opening=0.5, slower=20, sizes=SIZES)
@given(
    cost=st.floats(-9, -2).map(lambda power: 10**power),
    seconds=st.integers(5, 1000),
    opening=st.floats(0, 100),
    slower=st.floats(0.5, 20),
    sizes=st.lists(st.sampled_from([*SIZES, (16, 16), (160, 120), (200, 100)]), min_size=1, max_size=5),
)
def test_it_keeps_to_its_time(cost: float, seconds: int, opening: float, slower: float, sizes: list[Size]) -> None:
    """`measure` checks the time. What was measured at any size has a row for every size, with the cost of a pixel."""
    machine = Machine(
        {"torch": {"fp16": cost / 2, "fp32": cost}, "openvino": {"fp32": 3 * cost}}, opening, slower=slower
    )
    outcome = measure(machine, seconds, sizes)

    for candidate in {row.candidate for row in outcome.rows}:
        rows = rows_of(outcome, candidate)
        assert set(rows) == set(sizes)
        done = {(job.width, job.height) for backend, job in machine.jobs if backend == candidate.backend}
        for (width, height), row in rows.items():
            assert row.measured in done
            known = machine.cost[candidate.backend][candidate.precision]
            assert row.speed.median == pytest.approx(known * width * height)
    told = {(refusal.backend, refusal.precision) for refusal in outcome.refusals}
    assert all((name, None) in told or any(row.candidate.backend == name for row in outcome.rows) for name in ALL)


@pytest.mark.parametrize(
    ("usable", "gpus", "first"),
    [
        (["torch", "openvino"], [], "openvino"),  # although torch is faster here
        (["torch", "openvino"], ["torch"], "torch"),
        (["onnxruntime", "torch", "openvino"], ["onnxruntime", "torch"], "onnxruntime"),
        (["tensorrt", "tensorrt_rtx", "openvino"], ["tensorrt", "tensorrt_rtx"], "tensorrt"),
        (["torch"], [], None),
    ],
)
def test_the_first_is_what_auto_selects(usable: list[str], gpus: list[str], first: str | None) -> None:
    costs = {name: {"fp32": 1e-6 if name == "openvino" else 1e-7} for name in usable}
    outcome = measure(Machine(costs, gpus=frozenset(gpus)))

    assert outcome.is_auto == (first is not None)
    assert outcome.first == (first and Candidate(first, "fp32"))
    assert {row.candidate.backend for row in outcome.rows} == set(usable)


def test_of_named_backends_the_fastest_is_first() -> None:
    outcome = measure(Machine(GPU), backends=["openvino", "torch"])

    assert outcome.first == ("torch", "fp16")
    assert not outcome.is_auto


def test_a_backend_that_takes_too_long_to_open_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({"tensorrt": {"fp16": 1e-8}, **CPU}, gpus=frozenset({"tensorrt"}))
    usual = SimulatedWorker.measure

    class Building(SimulatedWorker):
        def measure(self, job: Job, until: float) -> Speed | Failure:
            if self.backend == "tensorrt":
                self.machine.now = until
                return Failure("not done within 60 s", in_time=False)
            return usual(self, job, until)

    monkeypatch.setattr(sys.modules[__name__], "SimulatedWorker", Building)
    outcome = measure(machine)

    assert outcome.first == ("openvino", "fp32")
    assert not outcome.is_auto, "auto waits for the engine"
    (told,) = [refusal for refusal in outcome.refusals if refusal.backend == "tensorrt"]
    assert told.kind == "no time"
    assert told.reason == "not done within 60 s; use --backend tensorrt and a longer --time"


def test_precisions_for_which_no_time_is_left_are_told() -> None:
    machine = Machine({"tensorrt": {"fp16": 1e-8, "fp32": 2e-8}}, opening=26, gpus=frozenset({"tensorrt"}))
    outcome = measure(machine, backends=["tensorrt"])

    assert {row.candidate.precision for row in outcome.rows} == {"fp16"}
    assert {refusal.precision for refusal in outcome.refusals} == {"fp32", "bf16", "int8", "fp8"}
    for refusal in outcome.refusals:
        assert refusal.kind == "no time"
        assert refusal.reason == "there was no time left; use --backend tensorrt and a longer --time"


def test_every_precision_is_measured() -> None:
    assert {"auto", *plan.PRECISIONS} == {*get_args(Precision.__value__)}


def test_a_size_that_fails_is_told_and_not_scaled() -> None:
    outcome = measure(Machine(GPU, fails=frozenset({(1920, 1080)})))

    assert {row.size for row in outcome.rows} == {*SIZES} - {(1920, 1080)}
    assert Refusal("openvino", "bf16", (1920, 1080), "failed", "too little memory") in outcome.refusals


def test_workers_end_if_it_is_interrupted() -> None:
    machine = Machine(CPU)

    def interrupt(text: str) -> None:
        if "320x240" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bench([(320, 240)], ALL, 120, start=machine.start, say=interrupt, clock=lambda: machine.now).run()
    assert not machine.open


def test_what_cannot_be_measured_is_a_line_each() -> None:
    text = report.format_outcome(measure(Machine(CPU)), (720, 480))

    table = text.partition("not measured  ")[2].splitlines()[1:]
    assert [line.split("  ")[0] for line in table] == [
        "openvino fp16, bf16, int8, fp8",
        "tensorrt_rtx",
        "tensorrt",
        "onnxruntime",
        "torch fp16, bf16, int8, fp8",
    ]
    assert table[1].endswith("  a device; buy one")


# The table and the file


def fill(first: str = "openvino", size: Size = (720, 480), measured: Size = (720, 480)) -> Outcome:
    candidate = Candidate(first, "fp32")
    rows = [Row(candidate, size, Speed("fp32", 9, 0.5, 5.2, 5.1, 5.5), measured)]
    return Outcome(rows, first=candidate, is_auto=True, held=HeldGain(candidate, measured, 1.9))


def test_the_estimate_is_that_of_the_readme() -> None:
    text = " ".join(report.format_outcome(fill(), (720, 480)).split())

    assert "720x480 openvino fp32 0.19 0.18 to 0.20 about 53 h" in text
    assert (
        "An episode of 24 minutes and 720x480 (34,526 frames, a scene every 4 s) takes about 53 h with openvino in "
        'fp32, which backend="auto" selects. Drawn on twos, with held="skip": about 28 h. That is 1.9 times as fast, '
        "measured at 720x480."
    ) in text
    assert "scaled" not in text


def test_what_was_scaled_is_marked() -> None:
    text = " ".join(report.format_outcome(fill(measured=(320, 240)), (720, 480)).split())

    assert "~0.19 scaled from 320x240 about 53 h" in text
    assert "~ was not measured: scaled by pixels from a smaller size." in text


@pytest.mark.parametrize(
    ("segment", "percent"), [((240, 8), 1.44), ((120, 8), 6.45), ((240, 16), 2.39)]
)  # docs/reports/seams.md
def test_the_estimate_follows_the_segments(
    segment: tuple[int, int], percent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(segment=segment)
    monkeypatch.setattr(report, "Options", lambda: options)

    more = report.episode_seconds(1) - 34_526 - 360 * options.preroll
    assert 100 * more / 34_526 == pytest.approx(percent, abs=0.02)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "less than a minute"),
        (600, "about 10 min"),
        (80 * 60, "about 80 min"),
        (2.17 * 3600, "about 2 h 10 min"),
        (2.99 * 3600, "about 3 h"),
        (9.99 * 3600, "about 10 h"),
        (53.2 * 3600, "about 53 h"),
        (240 * 3600, "about 10 days"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert report.say_duration(seconds) == words


def test_the_file_is_for_sharing() -> None:
    outcome = measure(Machine(CPU))
    outcome.refusals.append(Refusal("torch", None, None, "failed", "/home/a-secret/lib.so: cannot open"))
    exported = json.loads(json.dumps(report.export(outcome, 120, 0.5)))

    assert (exported["schema"], exported["version"]) == ("animesr-bench", 1)
    assert exported["machine"]["cores"] >= 1
    assert exported["machine"]["cpu"]
    assert {"animesr", "python", "vapoursynth", "openvino"} <= set(exported["machine"]["versions"])
    assert exported["auto"] == {"backend": "openvino", "precision": "fp32"}
    assert exported["held_skip"]["times_as_fast"] == pytest.approx(1.9)
    assert exported["refused"][-1]["kind"] == "failed"
    assert len(exported["results"]) == 2 * len(SIZES)
    for row in exported["results"]:
        cost = CPU[row["backend"]]["fp32"]
        assert 1 / row["frames_per_second"] == pytest.approx(cost * row["width"] * row["height"])
        assert row["lowest"] < row["frames_per_second"] < row["highest"]
        steps = 34_526 * 1.014 + 360 * 4
        assert row["episode_seconds"] == pytest.approx(steps / row["frames_per_second"], rel=1e-3)
        measured = row["width"] == 640 or (row["backend"] == "openvino" and row["width"] == 720)
        assert (row["scaled_from"] is None) == measured
    text = json.dumps(exported)
    assert not any(private in text for private in ("a-secret", socket.gethostname(), str(Path.cwd()), sys.prefix))


# Measurements


def test_the_clip_has_one_scene_and_is_on_twos() -> None:
    for width, height in ((160, 120), (51, 37)):
        clip = draw_clip(width, height, 50)
        upscaled = core.animesr.Upscale(clip, backend="null", held="skip", preroll=0)
        props = [dict(frame.props) for frame in upscaled.frames(close=True)]
        assert [n for n in range(50) if "AnimeSRHeld" in props[n]] == [n for n in range(50) if n % HOLD]
        assert {prop["AnimeSRAnchor"] for prop in props} == {0}
        assert (clip.width, clip.height) == (width, height)
        assert np.asarray(clip.get_frame(0)[0]).std() > 20


def test_a_measurement_is_that_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two steps do not count. With held frames, a step is that of two frames."""
    usual, steps = NullBackend.submit, []

    def slow(self: NullBackend, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        steps.append(cur.number)
        time.sleep(0.4 if len(steps) <= WARM_UP else 0.03)
        return usual(self, prev, cur, next, output=output)

    monkeypatch.setattr(NullBackend, "submit", slow)
    off = worker.measure("null", Job("auto", 16, 12, seconds=0.5))
    assert steps == [*range(off.frames + WARM_UP)]
    assert off.precision == "none"
    assert 0.02 < off.lowest <= off.median < 0.2  # a step that waits for its turn shortens the next one

    steps.clear()
    skip = worker.measure("null", Job("auto", 16, 12, held="skip", seconds=0.5))
    assert steps == [*range(0, skip.frames + HOLD * WARM_UP, HOLD)]
    assert 0.01 < skip.lowest <= skip.median < 0.75 * off.median


def test_a_process_that_hangs_or_ends_is_told() -> None:
    ticks: list[float] = []
    process = ProcessWorker("null", lambda: ticks.append(time.monotonic()))
    try:
        assert process.availability(time.monotonic() + 60) == NullBackend.availability()
        os.kill(process._process.pid or 0, signal.SIGINT)  # Ctrl-C reaches all processes of a terminal
        assert isinstance(process.measure(Job("auto", 16, 12), time.monotonic() + 60), Speed)
        refused = process.measure(Job("fp5", 16, 12), time.monotonic() + 60)
        assert isinstance(refused, Failure)
        assert refused.reason.startswith("precision='fp5' is unknown; use ")
        late = process.measure(Job("auto", 640, 480), time.monotonic())
        assert late == Failure("not done within 0 s", in_time=False)
        gone = process.measure(Job("auto", 16, 12), math.inf)
        assert isinstance(gone, Failure)
        assert "ended with code -9" in gone.reason
    finally:
        process.close()


def test_runtimes_do_not_write_into_the_table() -> None:
    code = (
        "import multiprocessing, os; from vsanimesr.bench import worker; a, b = multiprocessing.Pipe(); a.close();"
        "worker.availability = lambda name: os.write(1, b'a runtime may print');"
        "worker._work(b, 'null')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "a runtime may print")


def test_a_whole_run(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    result = run_in_terminal("bench", "--backend", "null", "--size", "24x16", "16x12", "--json", str(file))

    assert result.code == 0
    assert result.out.startswith("AnimeSR ")
    assert "\n16x12  null     none " in result.out
    assert "An episode of 24 minutes and 24x16 " in result.out
    assert "measuring" not in result.out
    assert b"\rmeasuring null none, 24x16; at most " in result.shown
    assert result.shown.endswith(b"\r\x1b[K")
    assert {(row["width"], row["height"]) for row in json.loads(file.read_text())["results"]} == {(24, 16), (16, 12)}


def test_nothing_heavy_is_imported_before_it_says_something() -> None:
    """So that it starts within a second. The runtimes of backends are imported in processes of their own."""
    code = (
        "import sys; from vsanimesr.bench import report; from vsanimesr.cli import bench; report.describe_machine(0);"
        "print({'torch', 'openvino', 'onnxruntime', 'onnx', 'tensorrt', 'tensorrt_rtx'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_if_nothing_can_be_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(plan, "installed_backends", lambda: [])
    assert main(["bench", "--backend", "tensorrt", "torch"]) == 1

    said = capsys.readouterr()
    assert "torch         the package torch is not installed; pip install " in said.out
    assert said.err.splitlines()[-1].startswith("animesr: nothing could be measured, for the reasons above;")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "720"], "argument --size: '720' is not a size; write, for example, 640x480"),
        (["--time", "4"], "argument --time: '4' is not a time; write 5 to 86400 seconds, such as 120"),
        (["--time", "1e3"], "argument --time: '1e3' is not a time"),
        (["--backend", "cuda"], "argument --backend: invalid choice: 'cuda' (choose from "),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", *arguments])
    assert words in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, words in ((tmp_path / "none" / "x.json", "does not exist; create it"), (tmp_path, "is a folder")):
        assert main(["bench", "--json", str(path)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert f"--json {path}" in said.err
        assert words in said.err


def test_the_names_of_auto() -> None:
    assert {*AUTO, FALLBACK} == set(ALL)
