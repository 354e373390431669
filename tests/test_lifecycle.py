"""Interrupted, failing, freed early, or started many times: no hang, no crash, no leak. stdout is the video only."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from scripts.compiler import COMPILER
from scripts.vspipe import SCRIPTS, environment, vspipe
from tests.video import add_jitter, break_frames, core, expected_frame, numbered_clip, read_planes, write_script
from vsanimesr import bridge
from vsanimesr.backends import null
from vsanimesr.backends.base import Frame, Ticket
from vsanimesr.errors import BackendError

SLOW = """
import time
from vsanimesr.backends import null
step = null.NullBackend.submit
def slowly(self, *window, **options):
    time.sleep(0.02)
    return step(self, *window, **options)
null.NullBackend.submit = slowly
"""


@pytest.mark.parametrize("backend", ["null", "openvino", "onnxruntime", "torch"])
def test_stdout_is_the_video_and_nothing_else(tmp_path: Path, backend: str) -> None:
    clip = "core.resize.Bicubic(numbered_clip(3), format=vs.YUV420P8, matrix=1)"
    path = write_script(tmp_path, f"core.animesr.Upscale({clip}, backend={backend!r}).set_output()")

    result = vspipe("-c", "y4m", "-p", path, "-")

    assert result.returncode == 0
    header, _, rest = result.stdout.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 ")
    size = 64 * 48 * 3 // 2
    assert len(rest) == 3 * (len(b"FRAME\n") + size)
    assert b"Output 3 frames" in result.stderr


def test_output_of_a_backend_goes_to_stderr(tmp_path: Path) -> None:
    noisy = """
import os
from vsanimesr.backends import null
init = null.NullBackend.__init__
def loudly(self, setup):
    print("from python")
    os.write(1, b"from native code\\n")
    init(self, setup)
null.NullBackend.__init__ = loudly
core.animesr.Upscale(numbered_clip(2), backend='null', format=vs.GRAY8).set_output()
"""
    result = vspipe("-c", "y4m", write_script(tmp_path, noisy), "-")

    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert b"from python" not in result.stdout
    assert b"from python" in result.stderr
    assert b"from native code" in result.stderr


def test_output_during_the_choice_of_a_backend_goes_to_stderr(tmp_path: Path) -> None:
    noisy = """
import os
from vsanimesr import session
def loudly(name, open_one):
    os.write(1, b"a message of a package\\n")
    return "null", open_one("null")
session.open_first = loudly
core.animesr.Upscale(numbered_clip(2), format=vs.GRAY8).set_output()
"""
    result = vspipe("-c", "y4m", write_script(tmp_path, noisy), "-")

    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert b"a message of a package" not in result.stdout
    assert b"a message of a package" in result.stderr


def test_fetching_weights_keeps_stdout_clean(tmp_path: Path) -> None:
    path = write_script(tmp_path, "core.animesr.Upscale(numbered_clip(1), format=vs.GRAY8).set_output()")
    fresh = {**environment(), "XDG_CACHE_HOME": str(tmp_path / "cache"), "ANIMESR_WEIGHTS": "", "ANIMESR_CACHE": ""}

    result = vspipe("-c", "y4m", path, "-", env=fresh)

    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.startswith(b"YUV4MPEG2 ")
    assert list((tmp_path / "cache").rglob("AnimeSR_v2.pth"))


PLAIN = """
import time
clip = numbered_clip(3000)
core.std.FrameEval(clip, lambda n: (time.sleep(0.02), clip)[1]).set_output()
"""
UPSCALED = SLOW + "core.animesr.Upscale(add_jitter(numbered_clip(3000)), backend='null').set_output()"


def interrupt(folder: Path, text: str, *, signal_after: float | None) -> tuple[int, bytes]:
    """Start vspipe. Stop it `signal_after` seconds after its first bytes with Ctrl-C, or with None by closing its pipe.

    Returns:
        Exit code and stderr.
    """
    with subprocess.Popen(
        [sys.executable, SCRIPTS / "vspipe", write_script(folder, text), "-"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches all processes of a terminal's job
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
def test_an_interrupted_vspipe_ends_as_with_any_other_script(tmp_path: Path, signal_after: float | None) -> None:
    plain = interrupt(tmp_path, PLAIN, signal_after=signal_after)

    code, message = interrupt(tmp_path, UPSCALED, signal_after=signal_after)

    assert code == plain[0]
    assert (b"Upscale" in message, b"rror" in message) == (False, b"rror" in plain[1])


def test_ctrl_c_ends_a_python_script_with_frames_in_flight(tmp_path: Path) -> None:
    path = write_script(
        tmp_path,
        SLOW
        + """
upscaled = core.animesr.Upscale(add_jitter(numbered_clip(3000)), backend='null')
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


@pytest.mark.skipif(sys.platform == "win32", reason="only other systems handle signals on a separate stack")
@pytest.mark.parametrize("backend", ["null", "openvino", "onnxruntime", "torch"])
def test_a_signal_after_a_filter_is_freed(tmp_path: Path, backend: str) -> None:
    """The filter is opened on one thread and freed on another, as in an editor that runs its script again."""
    path = write_script(
        tmp_path,
        f"""
import signal, subprocess, sys, threading

signal.signal(signal.SIGCHLD, lambda *_: None)
upscaled = [core.animesr.Upscale(numbered_clip(2), backend={backend!r}, preroll=0)]
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
    path = write_script(
        tmp_path,
        SLOW
        + """
upscaled = core.animesr.Upscale(add_jitter(numbered_clip(3000)), backend='null')
pending = [upscaled.get_frame_async(n) for n in range(40)]
pending[0].result()
""",
    )
    for _ in range(5):
        result = subprocess.run([sys.executable, path], capture_output=True, timeout=60)
        assert (result.returncode, result.stderr) == (0, b"")


def test_python_waits_for_open_calls_at_exit_and_refuses_new_ones(tmp_path: Path) -> None:
    path = write_script(
        tmp_path,
        """
import time, types
from vsanimesr import bridge
from vsanimesr.backends import null

stops, finished = [], []
bridge.atexit = types.SimpleNamespace(register=stops.append)
step = null.NullBackend.submit
def slowly(self, *window, **options):
    result = step(self, *window, **options)
    time.sleep(0.3)
    finished.append(window[1].number)
    return result

upscaled = core.animesr.Upscale(numbered_clip(5), backend='null', preroll=0)
null.NullBackend.submit = slowly
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


SLOW_START = {
    "import": """
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "vsanimesr.bridge":
            print("go", file=sys.stderr, flush=True)
            time.sleep(30)

sys.meta_path.insert(0, Slow())
""",
    "open": """
from vsanimesr import session

def slow(*_):
    print("go", file=sys.stderr, flush=True)
    time.sleep(30)

session.open_tiled = slow
""",
}


@pytest.mark.parametrize("stage", SLOW_START)
def test_ctrl_c_while_opening_is_a_keyboard_interrupt(tmp_path: Path, stage: str) -> None:
    path = write_script(
        tmp_path,
        f"""
import sys, time
clip = numbered_clip(5)
{SLOW_START[stage]}
try:
    core.animesr.Upscale(clip, backend="null")
except vs.Error as error:
    print(error, flush=True)
    time.sleep(30)
""",
    )
    process = subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "go\n"

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)

    assert process.returncode not in (0, None)
    assert "KeyboardInterrupt" in errors.splitlines()[-1]
    assert "internal error" not in output


def fail_at(monkeypatch: pytest.MonkeyPatch, frames: set[int]) -> None:
    """Make the backend `null` fail once at each of these frames, after its state has changed."""
    step = null.NullBackend.submit

    def submit(self: null.NullBackend, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if cur.number in frames and output:
            frames.discard(cur.number)
            step(self, prev, cur, next, output=False)
            raise BackendError("the device is gone")
        return step(self, prev, cur, next, output=output)

    monkeypatch.setattr(null.NullBackend, "submit", submit)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("plane", "y", "x"), [(0, 0, 1), (1, 5, 7), (2, 11, 15)])
def test_nan_and_infinity_are_errors(value: float, plane: int, y: int, x: int) -> None:
    def spoil(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        copy = f.copy()
        np.asarray(copy[plane])[y, x] = value
        return copy

    clip = numbered_clip(5)
    spoilt = core.std.ModifyFrame(clip, clip, spoil)
    upscaled = core.animesr.Upscale(clip[:3] + spoilt[3] + clip[4:], backend="null")

    for n in (2, 0):
        upscaled.get_frame(n).close()
    with pytest.raises(vs.Error, match=r'Upscale: frame 3: SR frame 3 holds NaN or infinity;.*precision="fp32"'):
        upscaled.get_frame(3)


def test_a_failing_backend_fails_its_frame_only(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(monkeypatch, {5})
    upscaled = core.animesr.Upscale(numbered_clip(10), backend="null")
    for n in range(5):
        upscaled.get_frame(n)

    with pytest.raises(vs.Error, match="Upscale: frame 5: the device is gone"):
        upscaled.get_frame(5)

    for n in (6, 5, 9):
        assert read_planes(upscaled.get_frame(n)) == expected_frame(n, 10, (), 16, 12)


@pytest.mark.parametrize("scene", [0, 3])
def test_a_failing_ticket_fails_its_frame_only(monkeypatch: pytest.MonkeyPatch, scene: int) -> None:
    """The error reaches the request for the frame, or a later request whose run needs the frame. The state is lost."""
    upscaled = core.animesr.Upscale(numbered_clip(10), backend="null", scene_change=scene)
    step = null.NullBackend.submit

    def submit(self: null.NullBackend, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        ticket = step(self, prev, cur, next, output=output)
        self._digest ^= 1
        return ticket

    with monkeypatch.context() as patched:
        patched.setattr(null.NullBackend, "submit", submit)
        patched.setattr(null._Copy, "wait", lambda *_: (_ for _ in ()).throw(BackendError("the copy was lost")))
        with pytest.raises(vs.Error, match="Upscale: frame 3: the copy was lost"):
            upscaled.get_frame(3)

    for n in (4, 3, 0, 1):
        assert read_planes(upscaled.get_frame(n)) == expected_frame(n, 10, {scene}, 16, 12)


def test_a_bug_in_a_backend_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    upscaled = core.animesr.Upscale(numbered_clip(3), backend="null")
    monkeypatch.setattr(null.NullBackend, "submit", lambda *_, **__: 1 / 0)

    with pytest.raises(vs.Error, match="internal error, please report it: ZeroDivisionError"):
        upscaled.get_frame(1)


def test_a_failing_backend_ends_vspipe_with_a_message(tmp_path: Path) -> None:
    failing = """
from vsanimesr.backends import null
from vsanimesr.errors import BackendError
step = null.NullBackend.submit
def submit(self, prev, cur, next, *, output):
    if cur.number == 7:
        raise BackendError("the device is gone")
    return step(self, prev, cur, next, output=output)
null.NullBackend.submit = submit
core.animesr.Upscale(numbered_clip(20), backend='null').set_output()
"""
    result = vspipe(write_script(tmp_path, failing), "-")

    assert result.returncode != 0
    # The request for a later frame may be served first, and it needs frame 7 too.
    assert re.search(rb"Upscale: frame ([789]|1\d): the device is gone", result.stderr)


def test_a_failing_source_frame_fails_only_frames_that_need_it() -> None:
    upscaled = core.animesr.Upscale(break_frames(numbered_clip(100, cuts={60}), {10}), backend="null")
    for n in (9, 10, 15):
        with pytest.raises(vs.Error, match="a damaged frame"):
            upscaled.get_frame(n)

    for n in (8, 65):
        assert read_planes(upscaled.get_frame(n)) == expected_frame(n, 100, {60}, 16, 12)


def test_a_node_freed_while_frames_are_in_flight() -> None:
    for _ in range(30):
        upscaled = core.animesr.Upscale(add_jitter(numbered_clip(60)), backend="null")
        futures = [upscaled.get_frame_async(n) for n in (50, 0, 3, 59)]
        del upscaled
        for future in futures[:2]:
            future.result().close()
        for future in futures[2:]:
            future.result().close()


def test_sessions_end_with_their_nodes() -> None:
    before = len(bridge._sessions)
    for _ in range(50):
        core.animesr.Upscale(numbered_clip(2), backend="null").get_frame(1).close()

    assert len(bridge._sessions) <= before


def test_no_more_steps_than_depth_are_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the way to a frame, the filter keeps outputs for later requests, and waits for each in time."""
    unfinished: list[int] = []
    step = null.NullBackend.submit

    def submit(self: null.NullBackend, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        unfinished.append(len(session._tickets))
        return step(self, prev, cur, next, output=output)

    monkeypatch.setattr(null.NullBackend, "submit", submit)
    upscaled = core.animesr.Upscale(numbered_clip(60), backend="null")
    session = bridge._sessions[max(bridge._sessions)]

    frames = [read_planes(upscaled.get_frame(n)) for n in (40, 39, 38, 59)]

    assert max(unfinished) == session.depth - 1
    assert frames == [expected_frame(n, 60, (), 16, 12) for n in (40, 39, 38, 59)]


GROWTH = """
import ctypes
import os
from pathlib import Path

class Heap(ctypes.Structure):  # mallinfo2 of glibc; the eighth field is the memory in use
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefgh"] + [("rest", ctypes.c_size_t * 2)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Heap

def memory():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return libc.mallinfo2().h // 1024, pages * os.sysconf("SC_PAGE_SIZE") // 1024
"""


def measure_growth(folder: Path, text: str) -> tuple[int, int]:
    """Run a script that sets `before` and `after` to results of `memory()`.

    Returns:
        Growth of the heap in use and of the resident memory, in KiB.
    """
    body = f"{GROWTH}{text}\nprint(*(end - begin for begin, end in zip(before, after)))"
    result = subprocess.run([sys.executable, write_script(folder, body)], capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    in_use, resident = map(int, result.stdout.split())
    return in_use, resident


def test_memory_is_flat_over_many_frames(tmp_path: Path) -> None:
    in_use, resident = measure_growth(
        tmp_path,
        """
frames = core.animesr.Upscale(numbered_clip(3000, 64, 48), backend="null").frames(prefetch=4, close=True)

def lowest(count):
    # The plugin calls malloc_trim every 256 MiB: about every 400 frames. In between, the resident memory varies by tens
    # of MiB.
    samples = [memory() for _ in zip(range(count), frames)]
    return [min(column) for column in zip(*samples)]

lowest(400)
before = lowest(600)
lowest(1400)
after = lowest(600)
""",
    )
    # A source frame has 36 KiB, an SR frame 576 KiB: 2,000 of them would take 72 MiB and more than 1 GiB.
    assert in_use < 2 * 1024
    assert resident < 32 * 1024


def test_memory_is_flat_over_many_failures(tmp_path: Path) -> None:
    in_use, resident = measure_growth(
        tmp_path,
        """
clip = numbered_clip(900, 64, 48)

def spoil(n, f):
    frame = f.copy()
    np.asarray(frame[0])[1, 1] = np.nan
    return frame

upscaled = core.animesr.Upscale(core.std.ModifyFrame(clip, clip, spoil), backend="null", scene_change=range(900))
failures = 0

def fail(frames):
    global failures
    for n in frames:
        try:
            upscaled.get_frame(n)
        except vs.Error as error:
            failures += "holds NaN" in str(error)

fail(range(300))
before = memory()
fail(range(300, 900))
after = memory()
assert failures == 900
""",
    )
    # The request for a frame holds a source frame of 36 KiB: 600 of them would take 21 MiB.
    assert in_use < 2 * 1024
    assert resident < 16 * 1024


def test_memory_is_flat_over_many_starts(tmp_path: Path) -> None:
    in_use, resident = measure_growth(
        tmp_path,
        """
def start():
    core.animesr.Upscale(numbered_clip(2, 64, 48), backend="openvino").get_frame(0).close()

for _ in range(10):
    start()
before = memory()
for _ in range(30):
    start()
after = memory()
""",
    )
    # The weights have 6 MB in fp32: 30 starts that keep them would take 180 MB.
    assert in_use < 4 * 1024
    assert resident < 40 * 1024


def test_fifty_starts_and_exits(tmp_path: Path) -> None:
    path = tmp_path / "short.vpy"  # without the imports of `tests.video`, which take longer than all else
    path.write_text("""
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.RGBS, width=16, height=12, length=4)
clip = core.std.ModifyFrame(clip, clip, lambda n, f: f.copy())
core.animesr.Upscale(clip, backend="null").set_output()
""")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: vspipe(path, "-", timeout=30), range(50)))
    for result in results:
        assert result.returncode == 0, result.stderr.decode()
        assert len(result.stdout) == 4 * 64 * 48 * 3 * 4


def test_without_python_in_the_process_the_error_says_so(tmp_path: Path) -> None:
    """A C++ program with the same VapourSynth calls the function."""
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
    library = Path(vs.__file__).with_name("libvapoursynth.so.4")
    program = tmp_path / "host"
    subprocess.run(
        [COMPILER, "-std=c++20", f"-I{vs.get_include()}", host, library, f"-Wl,-rpath,{library.parent}", "-o", program],
        check=True,
    )
    result = subprocess.run([program], capture_output=True, timeout=60, text=True)

    assert result.returncode == 0
    assert "no Python in this process" in result.stdout
