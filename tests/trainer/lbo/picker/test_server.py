"""The picker's server: its answers, its refusals, and its end."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from trainer.errors import PickerError
from trainer.lbo.factor import FactorHint, Suggestion
from trainer.lbo.picker.server import serve_picker
from trainer.lbo.scenes import Scene

FACTORS = (1.0, 0.5, 0.3)
type Headers = Mapping[str, str]

NO_HEADERS: Headers = {}
HINTS = [FactorHint(factor=factor, sharpness=factor, artefacts=2 * factor) for factor in FACTORS]
SUGGESTION = Suggestion(factor=0.5, confidence="low", runner_up=0.3, about_as_good=(0.3, 0.5))


@pytest.fixture
def scenes(tmp_path: Path) -> list[Scene]:
    """Scenes whose pictures have a red of their own."""
    scenes = []
    for number in range(2):
        files = {factor: tmp_path / f"{number}-{factor}.png" for factor in FACTORS}
        for n, file in enumerate(files.values()):
            Image.new("RGB", (64, 48), (100 * number + n, 0, 0)).save(file)
        Image.new("RGB", (32, 24), (250, 0, 0)).save(tmp_path / f"{number}.png")
        scenes.append(Scene(f"scene-{number}", tmp_path / f"{number}.png", files))
    return scenes


class Client:
    """Sends requests to the server."""

    def __init__(self, address: str, choice: Future[float]) -> None:
        self.address = address
        self.choice = choice
        parts = urlsplit(address)
        self.port, self.path = parts.port or 0, parts.path

    def request(
        self, path: str, *, method: str = "GET", body: bytes = b"", whole: bool = False, headers: Headers = NO_HEADERS
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path if whole else self.path + path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def choose(self, body: object, headers: Headers = NO_HEADERS) -> tuple[int, str]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = self.request("choice", method="POST", body=content, headers=headers)
        return status, answer.decode()


@pytest.fixture
def client(scenes: list[Scene]) -> Iterator[Client]:
    addresses: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        choice = pool.submit(serve_picker, scenes, HINTS, SUGGESTION, announce=addresses.append, browse=False)
        until(lambda: bool(addresses))
        client = Client(addresses[0], choice)
        yield client
        with suppress(OSError):  # the server has ended, or is about to
            client.choose({"factor": 1.0})


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_choice_is_returned_and_the_server_ends(factor: float, client: Client) -> None:
    assert client.choose({"factor": factor})[0] == 200

    assert client.choice.result(timeout=5) == factor
    with pytest.raises(ConnectionRefusedError):
        client.request("")


def test_it_serves_this_machine_alone_at_a_secret_address(client: Client) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", client.address)
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1", "::1"}
    for other in others:
        with pytest.raises(OSError), socket.create_connection((str(other), client.port), 2):  # noqa: PT011  # any error will do
            pass


def test_page_pictures_and_description(client: Client, scenes: list[Scene]) -> None:
    for name, type_ in (("", "text/html; charset=utf-8"), ("picker.css", "text/css"), ("picker.js", "text/javascript")):
        status, headers, content = client.request(name)
        assert (status, headers["Content-Type"]) == (200, type_)
        assert len(content) > 500
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["Cache-Control"] == "no-store"
        assert b"http://" not in content
        assert b"https://" not in content
    for number, scene in enumerate(scenes):
        assert client.request(f"lq/{number}")[2] == scene.lq.read_bytes()
        for n, file in enumerate(scene.pseudo_hq.values()):
            assert client.request(f"at/{number}/{n}")[2] == file.read_bytes()
    described: dict[str, Any] = json.loads(client.request("scenes.json")[2])
    assert described["scenes"] == ["scene-0", "scene-1"]
    assert [hint["factor"] for hint in described["hints"]] == list(FACTORS)
    assert described["suggestion"] == {
        **{"factor": 0.5, "confidence": "low", "runner_up": 0.3, "about_as_good": [0.3, 0.5]},
        "text": "x0.5 is suggested with low confidence; the next best is x0.3; x0.3 to x0.5 may be as good",
    }


@pytest.mark.parametrize(
    "path",
    [
        *("at/2/0", "at/0/3", "at/0/-1", "at/-1/0", "at/0", "at/0/0/0", "at/x/0", "lq/2", "lq/%C2%B2", "nothing"),
        *("../server.py", "..%2fserver.py", "picker.js/..", "page/index.html", "index.html", "//"),
    ],
)
def test_other_paths_are_not_found(path: str, client: Client) -> None:
    status, _, content = client.request(path)

    assert status == 404
    assert len(content) < 100


def test_requests_without_the_token_are_refused(client: Client) -> None:
    for path in ("/", "/scenes.json", "/" + client.path[2:], client.path.upper().lower() + "x", "/choice"):
        if path != client.path:
            assert client.request(path, whole=True)[0] in (403, 404)
    assert client.request("/", whole=True)[0] == 403
    assert client.request("/choice", whole=True, method="POST", body=b'{"factor": 1.0}')[0] == 403
    assert not client.choice.done()


def test_requests_of_foreign_pages_are_refused(client: Client) -> None:
    assert client.request("", headers={"Host": "evil.example"})[0] == 403
    assert client.request("", headers={"Host": f"evil.example:{client.port}"})[0] == 403
    assert client.choose({"factor": 1.0}, {"Origin": "http://evil.example"})[0] == 404
    assert not client.choice.done()
    assert client.request("", headers={"Host": f"localhost:{client.port}"})[0] == 200
    assert client.choose({"factor": 1.0}, {"Origin": f"http://127.0.0.1:{client.port}"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"1", b"null", b'{"factor": NaN}', b'{"factor": 0.5' + b" " * 2000 + b"}", b"\xff\xfe"),
        *({"factor": 0.4}, {"factor": "0.5"}, {"factor": None}, {"factor": True}, {"factor": [0.5]}, {"f": 1.0}),
    ],
)
def test_an_invalid_choice_is_refused_and_another_is_accepted(body: object, client: Client) -> None:
    status, message = client.choose(body)

    assert (status, message) == (400, 'the choice must be {"factor": ...} with one of 1, 0.5, 0.3')
    assert not client.choice.done()
    assert client.choose({"factor": 0.3})[0] == 200
    assert client.choice.result(timeout=5) == 0.3


def test_other_methods_are_refused(client: Client) -> None:
    for method in ("PUT", "DELETE", "HEAD"):
        assert client.request("choice", method=method)[0] == 501
    assert client.request("choice")[0] == 404
    assert client.request("", method="POST", body=b'{"factor": 1.0}')[0] == 404


def test_a_port_in_use_is_an_error(scenes: list[Scene]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            PickerError, match=rf"^--port {port} cannot be used \(Address already in use\); use another port"
        ):
            serve_picker(scenes, HINTS, SUGGESTION, announce=lambda _: None, port=port, browse=False)


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_invalid_port_is_an_error(port: int, scenes: list[Scene]) -> None:
    with pytest.raises(PickerError, match=rf"^--port {port} cannot be used \(.*0-65535.*\); use another port"):
        serve_picker(scenes, HINTS, SUGGESTION, announce=lambda _: None, port=port, browse=False)


def test_ctrl_c_ends_the_server(scenes: list[Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    before = threading.active_count()

    def interrupt(address: str) -> bool:
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        serve_picker(scenes, HINTS, SUGGESTION, announce=lambda _: None)

    assert len(opened) == 1
    until(lambda: threading.active_count() == before)
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", urlsplit(opened[0]).port or 0), 2):
        pytest.fail("the port is still open")


def test_requests_are_not_logged(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.request("")
    client.request("nothing")
    client.choose({"factor": 1.0})
    client.choice.result(timeout=5)

    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
