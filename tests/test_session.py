"""A session owns its backend, its tickets and the resets."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from vsanimesr.backends import null
from vsanimesr.backends.base import Frame, Planes, Ticket
from vsanimesr.options import Options
from vsanimesr.session import Session

WIDTH, HEIGHT = 5, 3


def make_session(scene_change: str | tuple[int, ...] = "props") -> Session:
    return Session(Options(backend="null", scene_change=scene_change), width=WIDTH, height=HEIGHT)


def make_planes(height: int, width: int, value: float = 0) -> Planes:
    red, green, blue = np.full((3, height, width), value, np.float32)
    return red, green, blue


def make_frame(n: int) -> Frame:
    return Frame(n, make_planes(HEIGHT, WIDTH, n / 16))


def submit(session: Session, n: int, *, reset: bool = False, output: bool = True) -> int:
    return session.submit(make_frame(n), make_frame(n), make_frame(n), reset=reset, output=output)


def wait(session: Session, ticket: int) -> bytes:
    out = make_planes(*session.sr)
    session.wait(ticket, out)
    return b"".join(plane.tobytes() for plane in out)


def test_a_step_resets_the_state_only_on_demand() -> None:
    session = make_session()
    frame, out = make_frame(1), make_planes(*session.sr)

    def run(*, reset: bool) -> float:
        ticket = session.step(frame, frame, frame, reset=reset, output=True)
        assert ticket is not None
        ticket.wait(out)
        return float(out[0][0, 0])  # holds a digest of all windows since the last reset

    first, second, third = run(reset=True), run(reset=False), run(reset=True)

    assert first != second
    assert first == third


def test_tickets_are_kept_until_they_are_waited_for() -> None:
    session, other = make_session(), make_session()
    tickets = {n: submit(session, n, reset=True) for n in range(5)}
    results = {n: wait(other, submit(other, n, reset=True)) for n in range(5)}

    assert len(set(tickets.values())) == 5
    assert len(set(results.values())) == 5
    for n in (3, 0, 4, 1, 2):
        assert wait(session, tickets[n]) == results[n]
    for ticket in tickets.values():
        with pytest.raises(KeyError):
            wait(session, ticket)


def test_a_step_without_output_has_no_ticket() -> None:
    session = make_session()

    assert submit(session, 0, output=False) == 0
    assert session.step(make_frame(0), make_frame(0), make_frame(0), reset=False, output=False) is None
    assert session._tickets == {}


def test_another_thread_waits_while_a_step_is_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, submitted = threading.Event(), threading.Event()
    copy = null._Copy.wait

    def wait_slowly(self: Ticket, out: Planes) -> None:
        waiting.set()
        assert submitted.wait(10)
        copy(self, out)  # type: ignore[arg-type]

    session = make_session()
    ticket = submit(session, 0)
    monkeypatch.setattr(null._Copy, "wait", wait_slowly)
    thread = threading.Thread(target=wait, args=(session, ticket))
    thread.start()
    assert waiting.wait(10)

    later = submit(session, 1)
    submitted.set()
    thread.join(10)

    assert not thread.is_alive()
    assert list(session._tickets) == [later]


def test_snapshots_are_kept_until_they_are_dropped() -> None:
    session, other = make_session(), make_session()
    expected = [wait(other, submit(other, n, reset=n == 0)) for n in range(4)]
    session.step(make_frame(0), make_frame(0), make_frame(0), reset=True, output=False)
    first = session.save()
    submit(session, 1, output=False)
    second = session.save()

    for _ in range(2):
        session.restore(second)
        assert wait(session, submit(session, 2)) == expected[2]
        session.restore(first)
        assert [wait(session, submit(session, n)) for n in (1, 2, 3)] == expected[1:]
    session.drop(first)
    session.restore(second)
    assert wait(session, submit(session, 2)) == expected[2]
    for number in (first, 99):
        with pytest.raises(KeyError):
            session.restore(number)
        with pytest.raises(KeyError):
            session.drop(number)
    assert session.state_bytes == null.NullBackend.state_bytes


def test_snapshots_are_dropped_when_the_session_closes() -> None:
    session = make_session()
    number = session.save()

    session.close()

    with pytest.raises(KeyError):
        session.restore(number)


def test_a_session_closes_its_backend_and_drops_its_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(null.NullBackend, "close", lambda self: closed.append(self))
    session = make_session()
    ticket = submit(session, 0)

    session.close()
    session.close()

    assert len(closed) == 2
    with pytest.raises(KeyError):
        wait(session, ticket)


@pytest.mark.parametrize(("scene_change", "anchors"), [("props", []), ("none", []), ((4, 9), [4, 9])])
def test_sizes_and_anchors(scene_change: str | tuple[int, ...], anchors: list[int]) -> None:
    session = make_session(scene_change)

    assert session.lr == (HEIGHT, WIDTH)
    assert session.sr == (4 * HEIGHT, 4 * WIDTH)
    assert session.anchors.dtype == np.int32
    assert session.anchors.tolist() == anchors
    assert session.depth == null.NullBackend.depth
