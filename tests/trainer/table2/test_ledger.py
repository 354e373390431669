"""The ledger of jobs: what is done, what follows from a change, and what still fits the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.table2.ledger import Job, Ledger, StoppedError, work_off


def job(tmp_path: Path, name: str, log: list[str], *, made_of: str = "a", inputs: Sequence[Path] = ()) -> Job:
    result = tmp_path / f"{name}.txt"

    def run() -> None:
        log.append(name)
        result.write_text(f"{name} of {made_of}{''.join(path.read_text() for path in inputs)}")

    return Job(name, 60, (made_of,), tuple(inputs), result, run)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    log: list[str] = []
    one = job(tmp_path, "one", log)
    jobs = [one, job(tmp_path, "two", log, inputs=[one.result])]
    for _ in range(2):
        assert work_off(jobs, Ledger(tmp_path / "done.json", "code"), None, log.append)
    assert [each for each in log if each in ("one", "two")] == ["one", "two"]


@pytest.mark.parametrize("change", ["made of", "result", "missing", "input", "code"])
def test_what_changed_is_done_again_with_all_that_follows(change: str, tmp_path: Path) -> None:
    log: list[str] = []
    one = job(tmp_path, "one", log)
    two = job(tmp_path, "two", log, inputs=[one.result])
    work_off([one, two], Ledger(tmp_path / "done.json", "code"), None, lambda _: None)
    log.clear()

    match change:
        case "made of":
            one = job(tmp_path, "one", log, made_of="b")
        case "result":
            two.result.write_text("of another run")
        case "missing":
            one.result.unlink()
        case "input":
            one.result.write_text("of another run")
    work_off([one, two], Ledger(tmp_path / "done.json", "new" if change == "code" else "code"), None, lambda _: None)

    expected = {"made of": ["one", "two"], "result": ["two"], "missing": ["one"], "code": ["one", "two"]}
    assert log == expected.get(change, ["one"])  # made again, it is what it was, and what follows stays
    assert two.result.read_text() == f"two of a{one.result.read_text()}"


def test_a_stopped_job_is_not_done_and_is_resumed(tmp_path: Path) -> None:
    log: list[str] = []
    stopped = replace(job(tmp_path, "one", log), is_finished=lambda path: len(log) > 1)
    own = Ledger(tmp_path / "done.json", "code")

    with pytest.raises(StoppedError, match="one was stopped"):
        own.work(stopped)
    assert not Ledger(tmp_path / "done.json", "code").is_done(stopped)
    Ledger(tmp_path / "done.json", "code").work(stopped)
    assert Ledger(tmp_path / "done.json", "code").is_done(stopped)


def test_a_failed_job_is_not_done(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("disk")

    failing = replace(job(tmp_path, "one", []), run=fail)
    with pytest.raises(OSError, match="disk"):
        Ledger(tmp_path / "done.json", "code").work(failing)
    assert not Ledger(tmp_path / "done.json", "code").is_done(failing)


def test_a_job_that_failed_is_not_done_by_what_another_one_left(tmp_path: Path) -> None:
    one = job(tmp_path, "one", [])
    Ledger(tmp_path / "done.json", "code").work(one)

    def fail() -> None:
        raise OSError("disk")

    changed = replace(one, made_of=("b",), run=fail)
    with pytest.raises(OSError, match="disk"):
        Ledger(tmp_path / "done.json", "code").work(changed)
    assert not Ledger(tmp_path / "done.json", "code").is_done(changed)


def test_a_job_that_does_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes twice as long as was estimated: two minutes. That is known after the first one."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log: list[str] = []
    said: list[str] = []

    def slow(name: str) -> Job:
        own = job(tmp_path, name, log)

        def run() -> None:
            now[0] += 120
            own.run()

        return replace(own, run=run)

    jobs = [slow(name) for name in ("one", "two", "three")]
    assert not work_off(jobs, Ledger(tmp_path / "done.json", "code"), 5 * 60, said.append)
    assert log == ["one", "two"]
    assert said[0] == "1 of 3: one, about 1 min; all that is left 3 min"
    assert said[1] == "2 of 3: two, about 2 min; all that is left 4 min"
    assert said[2] == "three takes about 2 min, and 1 min are left: stopped"
    assert work_off(jobs, Ledger(tmp_path / "done.json", "code"), None, said.append)
    assert log == ["one", "two", "three"]


def test_times_are_those_of_jobs_of_the_same_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def made(name: str, kind: str, minutes: int) -> Job:
        own = job(tmp_path, name, [])

        def run() -> None:
            now[0] += 60 * minutes
            own.run()

        return replace(own, run=run, kind=kind)

    done = [made("training", "training", 3), made("score", "score", 1)]
    ledger = Ledger(tmp_path / "done.json", "code")
    work_off(done, ledger, None, lambda _: None)

    for kind, seconds in {"training": 180.0, "score": 60.0, "operator": 120.0}.items():
        assert Ledger(tmp_path / "done.json", "code").expected([made("next", kind, 0)]) == seconds
