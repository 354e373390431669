"""Chunks made by real Dask schedulers and workers on this machine, which die, come late, and are unfit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.episode.jobs import CHUNKS, needs_episodes, request, run, start_program, write_slow_script
from vsanimesr.episode import cluster, job, pool, worker
from vsanimesr.episode.cluster import Proof
from vsanimesr.episode.manifest import Folder
from vsanimesr.episode.request import Request
from vsanimesr.errors import AnimeSRError, JobError, MissingDependencyError, OptionError
from vsanimesr.identity import fingerprint

pytest.importorskip("distributed")
pytestmark = [needs_episodes, pytest.mark.skipif(sys.platform != "linux", reason="kills processes")]

LIMIT = 120  # seconds: a hang ends
OTHER_VERSION = "from vsanimesr.episode import worker\nworker.version = lambda _: '9.9'\n"
OTHER_PRECISION = """
from vsanimesr.episode import worker
if not hasattr(worker, "real"):
    worker.real = worker._made_by
    worker._made_by = lambda frame: worker.real(frame).replace("none", "fp16")
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Dask:
    """A scheduler and workers as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = 0
        self.start_scheduler()

    def start_scheduler(self) -> None:
        """Start the scheduler; again, under the same address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("scheduler", "scheduler", *options)
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = str(json.loads(file.read_text())["address"])
        self.port = int(self.address.rpartition(":")[2])

    def start_worker(self, name: str, preload: str = "", resource: str = "GPU") -> subprocess.Popen[bytes]:
        """Start a worker.

        Args:
            preload: Python that it runs first.
        """
        options = ["--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--resources", f"{resource}=1"]
        if preload:
            (self.folder / f"preload_{name}.py").write_text(preload)
            options += ["--preload", str(self.folder / f"preload_{name}.py")]
        local = ["--memory-limit", "0", "--local-directory", str(self.folder)]
        return self._start(name, "worker", self.address, *options, *local)

    def wait_for_workers(self, *names: str) -> None:
        """Wait until the scheduler knows them."""
        for name in names:
            wait_for(lambda name=name: "Registered to" in self.read(name, "err"))  # type: ignore[misc]

    def read(self, name: str, stream: str) -> str:
        """Return what a process has printed."""
        return (self.folder / f"{name}.{stream}").read_text()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
        with (self.folder / f"{name}.out").open("wb") as out, (self.folder / f"{name}.err").open("wb") as err:
            started = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self._processes.append(started)
        return started


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster with a worker that is fit, and one that is not."""
    made = Dask(tmp_path_factory.mktemp("dask"))
    made.start_worker("fit")
    made.start_worker("old", OTHER_VERSION)
    made.wait_for_workers("fit", "old")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_script(tmp_path_factory.mktemp("slow"), 0.05)


@pytest.fixture(scope="module")
def expected(script: Path) -> dict[str, Any]:
    """The manifest of a run without a cluster."""
    return manifest_of(run(wanted(script, script.with_name("new.mkv"))))


def wanted(script: Path, output: Path, scheduler: str | None = None, **changes: Any) -> Request:
    streams = script.with_name("episode.mkv")
    return request(script, output, chunk=4, streams=streams, scheduler=scheduler, **changes)


def manifest_of(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(job.sidecar_path(output).read_text())
    return content


def finished(output: Path) -> int:
    """Return the number of finished chunks."""
    return len(list(Folder.of(output).path.glob("chunk-?????.json")))


def in_background(request: Request) -> Future[Path]:
    """Start a job in a thread."""
    executor = ThreadPoolExecutor(1)
    future = executor.submit(run, request)
    executor.shutdown(wait=False)
    return future


def message(request: Request) -> str:
    with pytest.raises(AnimeSRError) as caught:
        run(request)
    return str(caught.value)


def test_a_cluster_gives_what_one_process_gives_and_the_unfit_make_nothing(
    dask: Dask, script: Path, expected: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = run(wanted(script, tmp_path / "new.mkv", dask.address))

    said = capsys.readouterr().err
    assert manifest_of(output) == expected
    assert "2 workers (fit, old)" in said
    assert re.search(r"worker old \(tcp.*\) is not used: this process has other versions than the job: .*9\.9", said)
    assert said.count("worker old") == 1
    assert [dask.read(name, "out") for name in ("fit", "old")] == ["", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mkv", "new.mkv.animesr.json"]


def test_workers_that_are_killed_or_unfit_or_late(
    dask: Dask, script: Path, expected: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new.mkv"
    victim = dask.start_worker("victim", resource="OWN")
    dask.wait_for_workers("victim")
    job_done = in_background(wanted(script, output, dask.address, resource="OWN"))
    wait_for(lambda: finished(output) >= 1 and any(Folder.of(output).path.glob("*.part.mkv")))
    victim.kill()  # in the middle of a chunk
    killed_at = finished(output)
    log = Folder.of(output).path / "log.txt"
    wait_for(lambda: re.search(r"worker victim \(tcp.*\) is gone", log.read_text()) is not None)  # nobody is left
    dask.start_worker("half", OTHER_PRECISION, resource="OWN")
    dask.wait_for_workers("half")
    dask.start_worker("late", resource="OWN")

    assert manifest_of(job_done.result(LIMIT)) == expected
    assert killed_at < CHUNKS - 2
    said = capsys.readouterr().err
    assert re.search(r"worker half \(tcp.*\) has joined", said)
    assert re.search(
        r"half .* is not used: frame \d+ was made by v2, null, fp16, and the job was begun with v2, n", said
    )
    assert re.search(r"worker late \(tcp.*\) has joined", said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mkv", "new.mkv.animesr.json"]


def test_a_scheduler_that_is_restarted_and_one_that_stays_away(
    script: Path,
    expected: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "new.mkv"
    (tmp_path / "dask").mkdir()
    own = Dask(tmp_path / "dask")
    try:
        own.start_worker("first")
        own.wait_for_workers("first")
        job_done = in_background(wanted(script, output, own.address))
        wait_for(lambda: finished(output) >= 1)
        own.scheduler.kill()
        own.scheduler.wait()
        log = Folder.of(output).path / "log.txt"
        wait_for(lambda: "waiting up to" in log.read_text())
        before = finished(output)
        own.start_scheduler()
        own.start_worker("second")
        wait_for(lambda: finished(output) > before + 1)
        assert "is there again" in log.read_text()
        monkeypatch.setattr(cluster, "PATIENCE", 0.5)
        own.scheduler.kill()
        with pytest.raises(JobError, match=r"is gone; start it .* chunks are finished and kept; run the same command"):
            job_done.result(LIMIT)
    finally:
        own.stop()
    kept = finished(output)
    assert before < kept < CHUNKS
    # What went with the scheduler, one chunk in work and one at hand, was made first.
    assert all(Folder.of(output).chunk_path(number).exists() for number in range(before + 2))
    assert manifest_of(run(wanted(script, output))) == expected  # goes on without the cluster
    assert f"{kept} of {CHUNKS} chunks are finished already; going on" in capsys.readouterr().err


def test_ctrl_c_frees_the_worker_and_keeps_what_is_finished(dask: Dask, script: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slower.vpy"
    slow.write_text(script.read_text().replace("time.sleep(0.05)", "time.sleep(0.02 if n < 24 else 4)"))
    options = ["--encoder", "ffv1", "--chunk", "24", "--streams-from", str(script.with_name("episode.mkv"))]
    program = start_program("upscale", slow, "-o", "new.mkv", *options, "--scheduler", dask.address, folder=tmp_path)
    folder = Folder.of(tmp_path / "new.mkv")
    wait_for(lambda: finished(tmp_path / "new.mkv") == 1 and len(list(folder.path.glob("chunk-*.state"))) == 1)
    program.send_signal(signal.SIGINT)
    out, said = program.communicate(timeout=LIMIT)

    assert program.returncode == 130
    assert (out, "Traceback" in said) == ("", False)
    assert "stopped; 1 of 2 chunks are finished and kept; run the same command again" in said
    assert not list(folder.path.glob("*.part*")) + list(folder.path.glob("run-*"))
    assert finished(tmp_path / "new.mkv") == 1
    began = time.monotonic()
    with cluster.Cluster(dask.address, "GPU", folder, tell=print) as workers:
        workers.call(os.getpid)
    assert time.monotonic() - began < 15  # the rest of the chunk would take more


def test_a_frame_that_cannot_be_made_ends_the_job(dask: Dask, script: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.vpy"
    bad.write_text(script.read_text().replace("time.sleep(0.05)", "1 / (n != 21) < 0"))

    said = message(wanted(script, tmp_path / "new.mkv", dask.address, input=bad))

    assert re.search(r"chunk 5 \(frames 20 to 23, .*frame 21 cannot be made: ZeroDivisionError.*at worker fit", said)
    assert re.search(rf"\d of {CHUNKS} chunks are finished and kept; run the same command again", said)


def test_what_stands_in_the_way_is_told(
    dask: Dask, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "new.mkv"
    said = message(wanted(script, output, dask.address, resource="TPU"))
    command = f"dask worker {dask.address} --nthreads 1 --memory-limit 0 --resources TPU=1"
    assert re.search(rf"none of the \d workers at {dask.address} has the resource TPU; start one", said)
    assert command in said
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    assert re.search(
        r"--scheduler tcp://127.0.0.1:9 does not answer .*dask scheduler",
        message(wanted(script, output, "tcp://127.0.0.1:9")),
    )
    assert "--scheduler nonsense://x does not answer" in message(wanted(script, output, "nonsense://x"))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"vapoursynth-animesr\[cluster\]"):
        run(wanted(script, output, dask.address))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_proves_that_it_sees_the_same(tmp_path: Path) -> None:
    video = tmp_path / "video.mkv"
    video.write_bytes(b"video")
    run_file = tmp_path / "run-1"
    proof = Proof(str(run_file), {str(video): fingerprint(video)}, {})
    with pytest.raises(worker.UnfitError, match=r"does not see the job in .*under the same path everywhere"):
        cluster._check(proof)
    run_file.touch()
    cluster._check(proof)
    with pytest.raises(worker.UnfitError, match=r"video\.mkv is another file there"):
        cluster._check(Proof(str(run_file), {str(video): "5 bytes, 0"}, {}))
    with pytest.raises(worker.UnfitError, match=r"other versions than the job: vapoursynth-animesr was 0\.0"):
        cluster._check(Proof(str(run_file), {}, {"vapoursynth-animesr": "0.0"}))
    video.unlink()
    with pytest.raises(worker.UnfitError, match=r"video\.mkv cannot be read there \(No such file"):
        cluster._check(Proof(str(run_file), {str(video): "gone"}, {}))


def test_a_folder_that_lags_behind_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LAG", 0)
    monkeypatch.setattr(worker, "make_chunk", lambda *_: pytest.fail("made of another manifest"))
    folder = Folder(tmp_path)
    with pytest.raises(worker.UnfitError, match=r"manifest\.json is another one there"):
        cluster.make_chunk(str(tmp_path), 0, "digest")
    folder.manifest_path.write_text("{}")
    folder.scenes_path.write_text("0")
    before = folder.digest()
    folder.scenes_path.write_text("1")
    with pytest.raises(worker.UnfitError, match=r"manifest\.json is another one there"):
        cluster.make_chunk(str(tmp_path), 0, before)


def test_one_process_makes_one_chunk_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("distributed.get_worker", lambda: SimpleNamespace(address="tcp://x", name="x"))
    (tmp_path / "run-1").touch()
    proof, busy, most = Proof(str(tmp_path / "run-1"), {}, {}), [0], [0]

    def work() -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        os.write(1, b"a library speaks")
        time.sleep(0.05)
        busy[0] -= 1

    threads = [threading.Thread(target=cluster.run_here, args=(proof, work)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]
    assert capfd.readouterr() == ("", "a library speaks" * 3)


def test_each_process_sees_its_own_gpu(
    script: Path, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second script, so that it can say what it sees, has the same frames."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    note = f"import os\nopen({str(tmp_path)!r} + '/gpu-' + os.environ['CUDA_VISIBLE_DEVICES'], 'w').close()\n"
    noting = tmp_path / "noting.vpy"
    noting.write_text(script.read_text() + note)

    output = run(wanted(script, tmp_path / "new.mkv", input=noting, gpus=(0, 3)))

    assert sorted(path.name for path in tmp_path.glob("gpu-*")) == ["gpu-0", "gpu-3"]
    made = manifest_of(output)
    assert made["chunks"] == expected["chunks"]
    assert {name for name in made["identity"] if made["identity"][name] != expected["identity"][name]} == {
        "input",
        "script",
    }


def test_gpus_are_counted_as_this_process_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, GPU-8f2a")
    assert pool._visible([1, 0]) == ["GPU-8f2a", "4"]
    with pytest.raises(OptionError, match=r"there is no GPU 2, because .*shows 2; use numbers from 0 to 1"):
        pool._visible([0, 2])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert pool._visible([3]) == ["3"]
