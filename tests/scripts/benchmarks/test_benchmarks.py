"""The benchmarks' arithmetic and tables, and a run of every section."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from scripts import fetch_data
from scripts.benchmarks import __main__ as bench
from scripts.benchmarks import (
    convolution,
    decisions,
    degrading,
    episode,
    machine,
    memory,
    operators,
    peak,
    pool,
    runs,
    sampling,
    seeks,
    speed,
    start,
    table,
    timing,
    training,
    transfers,
)
from tests.trainer.data.test_clips import write_video
from tests.weights.stand_in import make_stand_in
from trainer.vsr.dataset import Sampling
from vsanimesr.options import Options
from vsanimesr.session import Session
from vsanimesr.weights import release
from vsanimesr.weights.release import RELEASES

core = vs.core


def replay(log: list[str], name: str, values: list[float]) -> Callable[[], float]:
    """Return a measurement that logs its calls and returns one value after the other."""
    iterator: Iterator[float] = iter(values)

    def measure() -> float:
        log.append(name)
        return next(iterator)

    return measure


def test_candidates_are_interleaved_and_the_first_round_does_not_count() -> None:
    log: list[str] = []
    candidates = {"a": replay(log, "a", [99, 2, 6, 4]), "b": replay(log, "b", [99, 1, 1, 8])}

    results = timing.measure_interleaved(candidates, 3)

    assert "".join(log) == "abababab"
    assert results.values == {"a": [2, 6, 4], "b": [1, 1, 8]}


def test_without_a_warm_up_every_round_counts() -> None:
    results = timing.measure_interleaved({"a": replay([], "a", [3, 5])}, 2, warm_up=False)
    assert results.values == {"a": [3, 5]}


def test_ratios_and_differences_are_computed_within_rounds() -> None:
    results = timing.Results({"slow": [2.0, 40.0, 9.0], "fast": [1.0, 10.0, 3.0], "whole": [4.0, 50.0, 12.0]})

    assert results.median("slow") == 9
    assert results.range("slow") == (2, 40)
    assert results.ratio("slow", "fast") == 3  # of 2, 4, 3; here, also the ratio of the medians
    assert results.ratio("fast", "slow") == 1 / 3
    assert results.difference("slow", "fast") == 6  # of 1, 30, 6
    assert results.share("slow", "fast", "whole") == 0.5  # of 1/4, 3/5, 1/2


def test_ratios_ignore_drift_that_affects_all_alike() -> None:
    results = timing.Results({"a": [2.0, 20.0, 6.0, 200.0, 2.0], "b": [1.0, 10.0, 3.0, 100.0, 1.0]})
    late = timing.Results({"a": [2.0, 20.0, 4.0], "b": [1.0, 10.0, 20.0]})

    assert results.ratio("a", "b") == 2
    assert late.ratio("a", "b") == 2  # the ratio of the medians is 0.4


def test_a_measurement_returns_seconds_per_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    counts: list[int] = []

    assert timing.seconds_per_frame(counts.append, 6)() == 0.5
    assert counts == [6]


def test_a_table_is_markdown_with_aligned_columns() -> None:
    text = str(table.Table("Speed", ("", "ms"), [("bicubic", "1.5"), ("filter", "210.0")], "A note."))

    assert text.splitlines() == [
        "## Speed",
        "",
        "|         |    ms |",
        "| ------- | ----: |",
        "| bicubic |   1.5 |",
        "| filter  | 210.0 |",
        "",
        "A note.",
    ]
    assert not str(table.Table("Speed", ("",), [("a",)])).endswith("\n")


def test_the_message_of_an_error_fits_a_cell() -> None:
    *_, row = table.format_rows(("", "ms"), [("a", "it failed:\nuse a|b")]).splitlines()
    assert row == "| a | it failed: use a/b |"


def test_a_row_without_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        str(table.Table("Speed", ("", "ms"), [("bicubic",)]))


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (table.verdict(1.2, at_least=1.2), "at least 1.2: met"),
        (table.verdict(1.19, at_least=1.2), "at least 1.2: not met"),
        (table.verdict(1.0, at_most=1.0, unit=" s"), "at most 1 s: met"),
        (table.verdict(500.1, at_most=500.0, unit=" MB"), "at most 500 MB: not met"),
    ],
)
def test_a_verdict_says_whether_the_target_is_met(verdict: str, text: str) -> None:
    assert verdict == text


def test_the_targets_are_those_of_the_issue() -> None:
    assert list(speed.OVER_PYTORCH.values()) == [8, 12, 5 if machine.has_amx() else 1.2]
    assert (speed.OVER_CHANNELS_LAST, speed.OVER_BACKEND, start.START) == (1, 5, 1)
    assert (convolution.TARGET, speed.OVER_CHEAPEST, degrading.TARGET) == (85, 10, 8)
    assert (memory.WHOLE_RUN, memory.BACKEND) == (500, 700)


def test_a_training_step_is_measured_in_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one small clip; memory with the plain options only."""
    monkeypatch.setattr(training, "FRAMES", 3)
    monkeypatch.setattr(training, "SIDE", 16)
    settings, _ = bench.parse_arguments(["--rounds", "1"])

    seconds = training._seconds(settings)
    assert [row[0] for row in seconds.rows][:2] == [training.PLAIN, training.LAST]
    assert seconds.rows[0][2] == "1.00"
    assert [row[3].startswith("at least 2: ") for row in seconds.rows].count(True) == 1

    monkeypatch.setattr(training, "_options", lambda: {training.PLAIN: (False, False)})
    monkeypatch.setattr(training, "SIDE", 32)
    plain, recompute = training._memory(settings).rows
    assert float(plain[2]) > 20  # MB; 12 frames keep the inputs of 10 convolutions at full size, 31 MB in all
    assert recompute[3].startswith("at most 0.333: ")


def test_crops_are_cut_from_files_and_pools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_video(tmp_path / "film.mkv", 30)
    monkeypatch.setattr(fetch_data, "fetch", lambda: tmp_path / "film.mkv")
    monkeypatch.setattr(pool, "FRAMES", 30)
    monkeypatch.setattr(pool, "MORE", 2)
    monkeypatch.setattr(pool, "SAMPLING", Sampling(frames=3, size=16))

    rates, making = pool.measure_crops(bench.parse_arguments(["--rounds", "1"])[0])

    cold = [pool.COLD] if hasattr(os, "posix_fadvise") else []
    kinds = [kind + end for kind in (pool.POOL, pool.PARTS) for end in ("", *cold)]
    assert [row[0] for row in rates.rows] == [pool.VIDEO, pool.PICTURES, *kinds]
    assert all(float(row[1]) > 0 and float(row[2]) >= 0 for row in rates.rows)
    assert [row[3].startswith("at least 1") for row in rates.rows].count(True) == 1
    assert float(making.rows[0][1].split()[0]) > float(making.rows[1][1].split()[0]) > 0


def test_samples_are_made_from_every_kind_of_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLES", 1)
    monkeypatch.setattr(sampling, "FRAMES", 16)
    (table_,) = sampling.measure_samples(bench.parse_arguments(["--rounds", "1"])[0])

    assert [row[0] for row in table_.rows][::2] == list(sampling.KINDS)
    assert [row[0] for row in table_.rows][1::2] == [f"{kind}, with operators" for kind in sampling.KINDS]
    assert all(float(row[1]) > 0 for row in table_.rows)
    assert [row[3] for row in table_.rows][::2] == ["", "", ""]
    assert float(table_.rows[-1][3]) > 0


def test_degrading_is_compared_with_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degrading, "CLIPS", 1)
    (table_,) = degrading.measure_degradation(bench.parse_arguments(["--rounds", "1"])[0])

    ours, *release = table_.rows
    assert ours[0] == degrading.OURS
    assert [row[0] for row in release] == ([degrading.RELEASE] if shutil.which("ffmpeg") else [])
    assert [row[4].startswith("at least 8: ") for row in table_.rows] == [True, False][: len(table_.rows)]
    assert all(float(ours[1]) > float(row[1]) > 0 for row in release)  # clips per second


def test_decisions_are_shares_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {
        decisions.STEP: [1.0, 3.0],
        "the clip alone": [0.01, 0.01],
        "core.animesr.Scenes": [0.05, 0.13],
        "null, held off": [0.1, 0.1],
        "null, held skip": [0.11, 0.13],
        "whole": [1.1, 3.1],
        "tiled": [1.6, 4.6],
    }
    asked: dict[str, object] = {}

    def measure(candidates: dict[str, object], frames: int, rounds: int) -> timing.Results:
        asked.update(candidates)
        return timing.Results(seconds)

    monkeypatch.setattr(decisions, "time_interleaved", measure)

    (table,) = decisions.measure_decisions(bench.parse_arguments(["--size", "32x24", "--quick"])[0])

    assert asked.keys() == seconds.keys()
    assert [row[1:] for row in table.rows] == [
        ("80.00", "4.00 %", "at most 2 %: not met"),
        ("20.00", "1.00 %", ""),
        ("1000.00", "50.00 %", ""),
    ]


def test_seeks_count_the_steps_of_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stepping forward is a step a frame; a jump runs from the start of the scene, or 8 frames of warm-up."""
    monkeypatch.setattr(seeks, "FRAMES", 400)
    monkeypatch.setattr(seeks, "FROM", 350)
    before = Session.step, core.num_threads, core.max_cache_size

    exact, preview = seeks.measure_seeks(bench.parse_arguments([])[0])

    assert (Session.step, core.num_threads, core.max_cache_size) == before
    rows = {row[0]: row[1:] for row in exact.rows}
    assert len(rows) == len(exact.rows) == len(preview.rows) == 3 * 2 * 2
    forward = rows["50 forward, no cuts, 2 threads"]
    assert 0 < int(forward[0]) <= 350 + 1 + Options().preroll
    assert forward[1:3] == ("1.0", "1")
    assert forward[4] == "at most 1: met"
    assert rows["50 back, a cut each 100, 16 threads"][0] == f"{50 + 1 + Options().preroll}"
    assert rows["50 back, no cuts, 2 threads"][4].startswith("at most 3: ")
    assert rows["20 random, no cuts, 2 threads"][4] == ""
    assert float(rows["20 random, a cut each 100, 2 threads"][2]) <= 100 + Options().preroll
    jumped = {row[0]: row[1:] for row in preview.rows}["20 random, no cuts, 2 threads"]
    assert float(jumped[1]) <= Options().warmup + 1 + Options().preroll
    assert jumped[4] == "at most 13: met"


def test_an_episode_is_upscaled_with_each_model_with_and_without_held_frames(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All is real, but for PyTorch: drawn, encoded, and upscaled with a small network that is shipped as a stand-in."""
    entry, data = make_stand_in(episode.FAST)
    monkeypatch.setitem(RELEASES, entry.model, entry)
    monkeypatch.setattr(release, "SHIPPED_FOLDER", tmp_path)
    (tmp_path / entry.file).write_bytes(data)
    monkeypatch.setattr(episode, "pytorch_candidate", lambda pictures: lambda count: time.sleep(0.01 * count))
    settings, _ = bench.parse_arguments(["--size", "64x48", "--rounds", "1", "--models", episode.FAST])

    (table_,) = episode.measure_episode(settings)

    pytorch, plain, skipped = table_.rows
    assert (plain[0], skipped[0]) == (f"{episode.FAST}, auto", f"{episode.FAST}, auto, held frames skipped")
    assert pytorch[4] == "1.00"
    assert float(pytorch[5]) == pytest.approx(float(pytorch[1]) / 1000 * 34525.5 * 112.5 / 3600, abs=0.11)
    assert (plain[3], skipped[3]) == ("", "60 %")  # on twos and threes, three frames of five repeat another
    assert (plain[6], skipped[6].split(":")[0]) == ("", "at least 20")
    assert "A 24-minute 720x480 episode takes " in table_.note


def test_hours_of_an_episode() -> None:
    """24 minutes at 24000/1001 are 34,525.5 frames; at 720x480 a frame has four times the pixels of 360x240."""
    assert episode.estimate_hours(1.0, 720 * 480) == pytest.approx(9.5904, abs=1e-3)
    assert episode.estimate_hours(0.5, 360 * 240) == pytest.approx(2 * 9.5904, abs=2e-3)


def test_the_drawing_moves_and_holds() -> None:
    settings, _ = bench.parse_arguments(["--size", "64x48", "--rounds", "1", "--frames", "5"])
    clip = episode.make_episode(settings)
    assert clip.num_frames == 10
    changes = [
        float(np.abs(np.asarray(clip.get_frame(n)[0]).astype(int) - np.asarray(clip.get_frame(n - 1)[0])).mean())
        for n in range(1, 10)
    ]
    moved = [n for n, change in enumerate(changes, 1) if change > 1]
    assert moved == [2, 5, 7]


def test_models_are_those_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.parse_arguments([])[0].models[0] == "v2"
    assert set(bench.parse_arguments([])[0].models) == {"v2", *(r.model for r in RELEASES.values() if r.shipped)}
    assert bench.parse_arguments(["speed", "--models", "v1", "v2", "v1"])[0].models == ("v1", "v2")
    with pytest.raises(SystemExit):
        bench.parse_arguments(["--models", "v3"])
    assert "invalid choice: 'v3'" in capsys.readouterr().err


def test_operators_are_compared_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "CLIPS", 1)
    (table_,) = operators.measure_operators(bench.parse_arguments(["--rounds", "1"])[0])

    assert [row[0] for row in table_.rows] == list(operators.CONFIGURATIONS)
    assert table_.rows[0][3:] == ("1.00", "")
    assert all(row[4].startswith("at most 1.3: ") for row in table_.rows[1:])
    assert all(float(row[3]) > 0 for row in table_.rows)


def test_a_frame_costs_what_the_facts_say() -> None:
    """173 GFLOP at 320x240 (issue 3); four times the pixels cost four times as much."""
    work = convolution.count_operations(320, 240)

    assert sum(work.values()) / 1e9 == pytest.approx(173, abs=0.5)
    assert sum(convolution.count_operations(640, 480).values()) == 4 * sum(work.values())
    assert max(work, key=lambda name: work[name]).endswith("fusion.0.weight")


def test_the_peak_memory_is_that_of_the_command_not_of_its_parent() -> None:
    """Without the small program in between, the command would start with the peak of the benchmark."""
    large = "import subprocess, sys; held = b'x' * (300 << 20); subprocess.run(sys.argv[1:], check=True)"
    small, held = ("pass", "bytearray(b'x') * (100 << 20)")

    def peak_of(code: str) -> int:
        run = [sys.executable, str(peak.__file__), sys.executable, "-c", code]
        return int(subprocess.check_output([sys.executable, "-c", large, *run]))

    assert peak_of(small) < 100 << 20
    assert 100 << 20 < peak_of(held) < 200 << 20


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    script = tmp_path / "broken.vpy"
    script.write_text("raise ValueError('no such clip')")

    for measure in (partial(runs.time_to_first_byte, script), partial(runs.peak_memory, runs.vspipe_command(script))):
        with pytest.raises(runs.RunError, match="no such clip"):
            measure()


def test_the_first_frame_counts_and_vspipe_ends_with_it(tmp_path: Path) -> None:
    script, number = tmp_path / "endless.vpy", tmp_path / "number"
    script.write_text(f"""\
import os, time
import vapoursynth as vs

def slow(n, f):
    time.sleep(3 if n else 0.5)
    return f

clip = vs.core.std.BlankClip(width=640, height=480, format=vs.YUV420P8, length=1_000_000)
clip.std.ModifyFrame(clip, slow).set_output()
open({str(number)!r}, "w").write(str(os.getpid()))
""")

    assert 0.5 < runs.time_to_first_byte(script) < 10

    assert _ends(int(number.read_text()), seconds=2)  # without the kill, it would run for weeks


def _ends(process: int, seconds: float) -> bool:
    """Return whether a process ends in this time. A killed process closes its pipe before it ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if "zombie" in Path(f"/proc/{process}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_unknown_sections_and_invalid_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["sped"], ["--size", "321x240"], ["--size", "0x240"], ["--frames", "0"], ["--rounds", "-1"]):
        with pytest.raises(SystemExit) as refused:
            bench.parse_arguments(arguments)
        assert refused.value.code == 2
        assert arguments[-1] in capsys.readouterr().err


def test_the_settings_follow_the_command_line() -> None:
    settings, names = bench.parse_arguments(["--size", "64x32", "--quick", "--frames", "5", "memory", "speed"])

    assert (settings.width, settings.height, settings.size) == (64, 32, "64x32")
    assert (settings.frames, settings.rounds) == (5, 3)
    assert names == ["memory", "speed"]
    assert bench.parse_arguments([])[1] == [
        "speed",
        "episode",
        "filter",
        "convolution",
        "sizes",
        "start",
        "memory",
        "import",
        "seeks",
        "decisions",
        "transfers",
        "train",
        "lbo",
        "crops",
        "samples",
        "step",
    ]


@pytest.fixture(scope="module")
def sections() -> dict[str, list[list[str]]]:
    """Run the sections on a small clip. Return the body cells of each table by its heading."""
    small = ["--size", "32x24", "--frames", "2", "--rounds", "1"]
    # with less work than a command can do, above
    above = {"episode", "seeks", "decisions", "train", "lbo", "crops", "samples", "step"}
    quick = [name for name in bench.SECTIONS if name not in above]
    command = [sys.executable, "-P", "-m", "scripts.benchmarks", *small, *quick]
    machine, *tables = subprocess.check_output(command, text=True, timeout=240).split("\n## ")
    assert all(name in machine for name in ("cores", "bf16: ", "VapourSynth ", "OpenVINO ", "torch "))
    return {
        text.splitlines()[0]: [
            [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
        ][2:]
        for text in tables
    }


def test_every_section_gives_its_tables(sections: dict[str, list[list[str]]]) -> None:
    assert [heading.split(" at ")[0] for heading in sections] == [
        "Speed",
        "Compared with PyTorch, channels last,",
        "The filter around the backend",
        "Throughput",
        "Cost per pixel, backend alone, auto",
        "vspipe's start to its first byte of video",
        "Parts of that time, with openvino",
        "Peak resident memory of vspipe, 24 frames",
        "Peak resident memory of vspipe, 24 frames",
        "Peak resident memory of Python with the backend alone,",
        "Imports",
        "Transfers to and from a GPU",
    ]
    for heading, rows in sections.items():
        figures = (row[2] if heading.startswith("Compared") else row[1] for row in rows)
        assert all(float(figure) > 0 for figure in figures)


def test_each_target_of_the_issue_is_judged(sections: dict[str, list[list[str]]]) -> None:
    judged = [row[0] for rows in sections.values() for row in rows if row[-1].endswith("met")]

    with_bf16 = ["bf16", "int8"] if machine.has_bf16() else []
    size = next(name for name in ("16x12", "32x24", "64x48", "128x72") if name in judged)  # the most expensive
    assert judged == [
        "backend alone, auto",
        *(f"backend alone, {name}" for name in with_bf16 if name == "int8"),
        "filter, YUV420P8, auto",
        "backend alone, fp32",
        *("backend alone, auto" for name in with_bf16 if name == "bf16"),
        "filter with openvino, RGBS",
        "filter with openvino, YUV420P8",
        "backend alone, auto",
        size,
        "openvino",
        *2 * ["openvino, auto", "openvino, fp32", *(f"openvino, {name}" for name in with_bf16 if name == "int8")],
        "vsanimesr",
        transfers.TARGET,
    ]


def test_the_results_have_the_expected_order(sections: dict[str, list[list[str]]]) -> None:
    (
        speed,
        _,
        around,
        throughput,
        per_pixel,
        start,
        parts,
        memory,
        more_memory,
        alone,
        imports,
        moved,
    ) = sections.values()

    assert speed[0][4] == "1.00"
    assert float(speed[-1][1]) < float(speed[0][1])  # bicubic is faster than PyTorch
    assert float(around[3][1]) < float(around[0][1])  # nearest neighbour is faster than the network
    assert float(throughput[0][2]) > float(throughput[1][2])  # the network is more than one of its convolutions
    assert float(per_pixel[0][1]) < float(per_pixel[-1][1])
    assert float(start[0][1]) < float(start[2][1])
    assert parts[-2][0] == runs.LAST
    assert abs(sum(float(row[1]) for row in parts[:-1]) - float(parts[-1][1])) < 10  # each is rounded
    assert 0.5 < float(parts[-1][1]) / 1000 / float(start[2][1]) < 2
    for with_openvino in (memory[2], more_memory[2]):  # on a clip this small, the filter alone is within a megabyte
        assert max(float(memory[0][1]), float(memory[1][1])) + 50 < float(with_openvino[1])
    assert float(alone[0][1]) < float(more_memory[2][1])  # without video and VapourSynth
    assert imports[0][2] == "none"
    assert [row[3:5] for row in moved] == [
        [f"{up * 32 * 24 / 1e6:.2f}", f"{down * 32 * 24 / 1e6:.2f}"]
        for up, down in ((12, 192), (1.5, 192), (1.5, 24), (1.5, 48), (3, 48))
    ]
