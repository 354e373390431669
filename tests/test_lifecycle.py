"""Cut off, failing, freed in the middle, started again and again: no hang, no crash, no leak; stdout is the video."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from vsanimesr.engines import null
from vsanimesr.engines.base import Frame, Ticket
from vsanimesr.errors import EngineError

from .video import SCRIPTS, content, core, environment, jittered, numbered, run_of, script, vspipe

SLOW = """
import time
from vsanimesr.engines import null
step = null.NullEngine.submit
def slowly(self, *window, **options):
    time.sleep(0.02)
    return step(self, *window, **options)
null.NullEngine.submit = slowly
"""


@pytest.mark.parametrize("engine", ["null", "openvino", "onnxruntime", "torch"])
def test_stdout_is_the_video_and_nothing_else(tmp_path: Path, engine: str) -> None:
    clip = "core.resize.Bicubic(numbered(3), format=vs.YUV420P8, matrix=1)"
    path = script(tmp_path, f"core.animesr.Upscale({clip}, engine={engine!r}).set_output()")

    result = vspipe("-c", "y4m", "-p", path, "-")

    assert result.returncode == 0
    header, _, rest = result.stdout.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 ")
    size = 64 * 48 * 3 // 2
    assert len(rest) == 3 * (len(b"FRAME\n") + size)
    assert b"Output 3 frames" in result.stderr


def test_what_an_engine_prints_goes_to_stderr(tmp_path: Path) -> None:
    noisy = """
import os
from vsanimesr.engines import null
init = null.NullEngine.__init__
def loudly(self, setup):
    print("from python")
    os.write(1, b"from native code\\n")
    init(self, setup)
null.NullEngine.__init__ = loudly
core.animesr.Upscale(numbered(2), engine='null', format=vs.GRAY8).set_output()
"""
    result = vspipe("-c", "y4m", script(tmp_path, noisy), "-")

    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert b"from python" not in result.stdout
    assert b"from python" in result.stderr
    assert b"from native code" in result.stderr


def test_what_is_printed_while_an_engine_is_chosen_goes_to_stderr(tmp_path: Path) -> None:
    noisy = """
import os
from vsanimesr import session
def loudly(name):
    os.write(1, b"a package that was looked at\\n")
    return "null"
session.chosen = loudly
core.animesr.Upscale(numbered(2), format=vs.GRAY8).set_output()
"""
    result = vspipe("-c", "y4m", script(tmp_path, noisy), "-")

    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert b"a package that was looked at" not in result.stdout
    assert b"a package that was looked at" in result.stderr


def test_a_first_run_that_fetches_weights_keeps_stdout_clean(tmp_path: Path) -> None:
    path = script(tmp_path, "core.animesr.Upscale(numbered(1), format=vs.GRAY8).set_output()")
    fresh = {**environment(), "XDG_CACHE_HOME": str(tmp_path / "cache"), "ANIMESR_WEIGHTS": "", "ANIMESR_CACHE": ""}

    result = vspipe("-c", "y4m", path, "-", env=fresh)

    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert list((tmp_path / "cache").rglob("AnimeSR_v2.pth"))


PLAIN = "core.std.FrameEval(numbered(3000), lambda n: (__import__('time').sleep(0.02), numbered(3000))[1]).set_output()"
UPSCALED = SLOW + "core.animesr.Upscale(jittered(numbered(3000)), engine='null').set_output()"


def cut_off(folder: Path, text: str, *, signal_after: float | None) -> tuple[int, bytes]:
    """Exit code and stderr of a vspipe that is stopped by Ctrl-C so long after its first bytes, or by a closed pipe."""
    with subprocess.Popen(
        [sys.executable, SCRIPTS / "vspipe", script(folder, text), "-"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches every process of the terminal's job
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert len(running.stdout.read(1000)) == 1000
        if signal_after is None:
            running.stdout.close()
        else:
            time.sleep(signal_after)
            os.killpg(running.pid, signal.SIGINT)
            running.stdout.read()
        message = running.stderr.read()
        return running.wait(timeout=60), message


@pytest.mark.parametrize("signal_after", [None, 0.0, 0.1, 0.5])
def test_vspipe_is_cut_off_as_with_any_other_script(tmp_path: Path, signal_after: float | None) -> None:
    plain = cut_off(tmp_path, PLAIN, signal_after=signal_after)

    code, message = cut_off(tmp_path, UPSCALED, signal_after=signal_after)

    assert code == plain[0]
    assert (b"Upscale" in message, b"rror" in message) == (False, b"rror" in plain[1])


def test_ctrl_c_ends_a_python_script_with_frames_in_flight(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        SLOW
        + """
upscaled = core.animesr.Upscale(jittered(numbered(3000)), engine='null')
core.num_threads = 4
print("ready", flush=True)
for frame in upscaled.frames(prefetch=16):
    pass
""",
    )
    running = subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)

    message = running.stderr.read()
    running.stdout.close()
    running.stderr.close()
    assert running.wait(timeout=60) == -signal.SIGINT
    assert b"KeyboardInterrupt" in message
    assert b"Fatal" not in message


@pytest.mark.skipif(sys.platform == "win32", reason="signals are handled on a stack of their own elsewhere")
@pytest.mark.parametrize("engine", ["null", "openvino", "onnxruntime", "torch"])
def test_signals_are_survived_after_a_filter_is_gone(tmp_path: Path, engine: str) -> None:
    """Opened on one thread and dropped on another, as in an editor that evaluates its script again."""
    path = script(
        tmp_path,
        f"""
import signal, subprocess, sys, threading

signal.signal(signal.SIGCHLD, lambda *_: None)
upscaled = [core.animesr.Upscale(numbered(2), engine={engine!r}, preroll=0)]
upscaled[0].get_frame(0)
thread = threading.Thread(target=upscaled.clear)
thread.start()
thread.join()
subprocess.run([sys.executable, "-c", ""], check=True)
print("survived")
""",
    )
    result = subprocess.run([sys.executable, path], capture_output=True, timeout=120)
    assert (result.returncode, result.stdout) == (0, b"survived\n"), result.stderr.decode()


def test_a_script_that_ends_with_frames_in_flight(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        SLOW
        + """
upscaled = core.animesr.Upscale(jittered(numbered(3000)), engine='null')
pending = [upscaled.get_frame_async(n) for n in range(40)]
pending[0].result()
""",
    )
    for _ in range(5):
        result = subprocess.run([sys.executable, path], capture_output=True, timeout=60)
        assert (result.returncode, result.stderr) == (0, b"")


def test_when_python_goes_calls_under_way_are_waited_for_and_no_other_is_let_in(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
import time, types
from vsanimesr import bridge
from vsanimesr.engines import null

stops, finished = [], []
bridge.atexit = types.SimpleNamespace(register=stops.append)
step = null.NullEngine.submit
def slowly(self, *window, **options):
    result = step(self, *window, **options)
    time.sleep(0.3)
    finished.append(window[1].number)
    return result

upscaled = core.animesr.Upscale(numbered(5), engine='null', preroll=0)
null.NullEngine.submit = slowly
pending = upscaled.get_frame_async(0)
time.sleep(0.1)
stops[0]()
print(finished)
try:
    upscaled.get_frame(3)
except vs.Error as error:
    print(error)
del upscaled
""",
    )
    result = subprocess.run([sys.executable, path], capture_output=True, timeout=60, text=True)

    assert result.returncode == 0
    assert result.stdout == "[0]\nUpscale: frame 3: Python is shutting down\n"


def failing_at(monkeypatch: pytest.MonkeyPatch, frames: set[int]) -> None:
    step = null.NullEngine.submit

    def submit(self: null.NullEngine, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if cur.number in frames and output:
            frames.discard(cur.number)
            raise EngineError("the device is gone")
        return step(self, prev, cur, next, output=output)

    monkeypatch.setattr(null.NullEngine, "submit", submit)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("plane", "y", "x"), [(0, 0, 1), (1, 5, 7), (2, 11, 15)])
def test_a_frame_that_is_not_finite_is_an_error_and_not_a_picture(value: float, plane: int, y: int, x: int) -> None:
    def spoil(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        copy = f.copy()
        np.asarray(copy[plane])[y, x] = value
        return copy

    clip = numbered(5)
    spoilt = core.std.ModifyFrame(clip, clip, spoil)
    upscaled = core.animesr.Upscale(clip[:3] + spoilt[3] + clip[4:], engine="null")

    for n in (2, 0):
        upscaled.get_frame(n).close()
    with pytest.raises(vs.Error, match=r'Upscale: frame 3: SR frame 3 holds NaN or infinity;.*precision="fp32"'):
        upscaled.get_frame(3)


def test_an_engine_that_fails_at_a_frame_fails_that_frame_only(monkeypatch: pytest.MonkeyPatch) -> None:
    failing_at(monkeypatch, {5})
    upscaled = core.animesr.Upscale(numbered(10), engine="null")
    for n in range(5):
        upscaled.get_frame(n)

    with pytest.raises(vs.Error, match="Upscale: frame 5: the device is gone"):
        upscaled.get_frame(5)

    for n in (6, 5, 9):
        assert content(upscaled.get_frame(n)) == run_of(n, 10, (), 16, 12)


@pytest.mark.parametrize("scene", [0, 3])
def test_a_ticket_that_fails_fails_its_frame_only(monkeypatch: pytest.MonkeyPatch, scene: int) -> None:
    """Whether its own request finds out, or that of a later frame on the way."""
    upscaled = core.animesr.Upscale(numbered(10), engine="null", scene_change=scene)
    with monkeypatch.context() as patched:
        patched.setattr(null._Copy, "wait", lambda *_: (_ for _ in ()).throw(EngineError("the copy was lost")))
        with pytest.raises(vs.Error, match="Upscale: frame 3: the copy was lost"):
            upscaled.get_frame(3)

    for n in (3, 4, 0, 1):
        assert content(upscaled.get_frame(n)) == run_of(n, 10, {scene}, 16, 12)


def test_a_bug_in_an_engine_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    upscaled = core.animesr.Upscale(numbered(3), engine="null")
    monkeypatch.setattr(null.NullEngine, "submit", lambda *_, **__: 1 / 0)

    with pytest.raises(vs.Error, match="internal error, please report it: ZeroDivisionError"):
        upscaled.get_frame(1)


def test_an_engine_that_fails_ends_vspipe_with_a_message(tmp_path: Path) -> None:
    failing = """
from vsanimesr.engines import null
from vsanimesr.errors import EngineError
step = null.NullEngine.submit
def submit(self, prev, cur, next, *, output):
    if cur.number == 7:
        raise EngineError("the device is gone")
    return step(self, prev, cur, next, output=output)
null.NullEngine.submit = submit
core.animesr.Upscale(numbered(20), engine='null').set_output()
"""
    result = vspipe(script(tmp_path, failing), "-")

    assert result.returncode != 0
    # A later frame whose turn came first needs frame 7 just as much.
    assert re.search(rb"Upscale: frame ([789]|1\d): the device is gone", result.stderr)


def test_a_source_frame_that_fails_fails_what_needs_it_only() -> None:
    clip = numbered(100, cuts={60})

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        if n == 10:
            raise ValueError("a damaged frame")
        return f

    upscaled = core.animesr.Upscale(core.std.ModifyFrame(clip, clip, draw), engine="null")
    for n in (9, 10, 15):
        with pytest.raises(vs.Error, match="a damaged frame"):
            upscaled.get_frame(n)

    for n in (8, 65):
        assert content(upscaled.get_frame(n)) == run_of(n, 100, {60}, 16, 12)


def test_a_node_freed_while_frames_are_in_flight() -> None:
    for _ in range(30):
        upscaled = core.animesr.Upscale(jittered(numbered(60)), engine="null")
        futures = [upscaled.get_frame_async(n) for n in (50, 0, 3, 59)]
        del upscaled
        for future in futures[:2]:
            future.result().close()
        for future in futures[2:]:
            future.result().close()


def test_sessions_end_with_their_nodes() -> None:
    from vsanimesr import bridge

    before = len(bridge._sessions)
    for _ in range(50):
        core.animesr.Upscale(numbered(2), engine="null").get_frame(1).close()

    assert len(bridge._sessions) <= before


GROWTH = """
import ctypes
import os
from pathlib import Path

class Heap(ctypes.Structure):  # mallinfo2 of glibc; its eighth field is what is in use
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefgh"] + [("rest", ctypes.c_size_t * 2)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Heap

def memory():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return libc.mallinfo2().h // 1024, pages * os.sysconf("SC_PAGE_SIZE") // 1024
"""


def growth(folder: Path, text: str) -> tuple[int, int]:
    """By how many KiB the heap in use and the resident memory of a script of its own grew between two calls of it."""
    body = f"{GROWTH}{text}\nprint(*(end - begin for begin, end in zip(before, memory())))"
    result = subprocess.run([sys.executable, script(folder, body)], capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    in_use, resident = map(int, result.stdout.split())
    return in_use, resident


def test_memory_is_flat_over_many_frames(tmp_path: Path) -> None:
    in_use, resident = growth(
        tmp_path,
        """
frames = core.animesr.Upscale(numbered(3000, 64, 48), engine="null").frames(prefetch=4, close=True)
for _ in range(1000):
    next(frames)
before = memory()
for _ in range(2000):
    next(frames)
""",
    )
    # A source frame has 36 KiB, an SR frame 576: 2,000 of them would be 72 MiB and over a gigabyte.
    assert in_use < 2 * 1024
    assert resident < 32 * 1024


def test_memory_is_flat_over_many_starts(tmp_path: Path) -> None:
    in_use, resident = growth(
        tmp_path,
        """
def start():
    core.animesr.Upscale(numbered(2, 64, 48), engine="openvino").get_frame(0).close()

for _ in range(10):
    start()
before = memory()
for _ in range(30):
    start()
""",
    )
    # The weights alone have 6 MB in fp32: 30 starts that kept them would be 180.
    assert in_use < 4 * 1024
    assert resident < 40 * 1024


def test_fifty_starts_and_exits(tmp_path: Path) -> None:
    path = script(tmp_path, "core.animesr.Upscale(numbered(4), engine='null').set_output()")
    for _ in range(50):
        result = vspipe(path, "-", timeout=30)
        assert result.returncode == 0, result.stderr.decode()
        assert len(result.stdout) == 4 * 64 * 48 * 3 * 4


def test_without_python_in_the_process_the_error_says_so(tmp_path: Path) -> None:
    """A plain C++ host, linked to the same VapourSynth, calls the function."""
    host = tmp_path / "host.cpp"
    host.write_text(r"""
#include <VapourSynth4.h>
#include <cstdio>
int main() {
    const VSAPI *vsapi = getVapourSynthAPI(VAPOURSYNTH_API_VERSION);
    VSCore *core = vsapi->createCore(0);
    VSMap *args = vsapi->createMap();
    VSMap *result = vsapi->invoke(vsapi->getPluginByNamespace("animesr", core), "Version", args);
    std::puts(vsapi->mapGetError(result) ? vsapi->mapGetError(result) : "no error");
    vsapi->freeMap(args);
    vsapi->freeMap(result);
    vsapi->freeCore(core);
}
""")
    from .native.driven import COMPILER

    library = Path(vs.__file__).with_name("libvapoursynth.so.4")
    program = tmp_path / "host"
    subprocess.run(
        [COMPILER, "-std=c++20", f"-I{vs.get_include()}", host, library, f"-Wl,-rpath,{library.parent}", "-o", program],
        check=True,
    )
    result = subprocess.run([program], capture_output=True, timeout=60, text=True)

    assert result.returncode == 0
    assert "no Python in this process" in result.stdout
