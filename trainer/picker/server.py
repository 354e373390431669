"""Serves the page to this machine's browser, and waits for the choice."""

from __future__ import annotations

import json
import secrets
import threading
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from ..errors import PickerError
from ..lbo.choice import Hint
from ..lbo.scenes import Scene

HOST = "127.0.0.1"
PAGE = {"": "index.html", "picker.css": "picker.css", "picker.js": "picker.js"}
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
HEADERS = {
    # Nothing comes from elsewhere, nothing is kept, nothing shows the page inside another one.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
POLL = 0.05
"""Seconds until the server sees that it should end."""
LONGEST = 1000
"""Bytes of a choice."""


@dataclass
class _Asked:
    """What is shown, and what came of it."""

    scenes: Sequence[Scene]
    hints: Sequence[Hint]
    suggested: float
    # A path that only who was told it knows: neither another user of this machine nor a page elsewhere can choose.
    token: str = field(default_factory=partial(secrets.token_urlsafe, 16))
    answered: threading.Event = field(default_factory=threading.Event)
    factor: float = 0.0

    def described(self) -> dict[str, Any]:
        return {
            "scenes": [scene.name for scene in self.scenes],
            "hints": [hint.model_dump() for hint in self.hints],
            "suggested": self.suggested,
        }


def picked(
    scenes: Sequence[Scene],
    hints: Sequence[Hint],
    suggested: float,
    *,
    announce: Callable[[str], object],
    port: int = 0,
    browse: bool = True,
) -> float:
    """Show the page until somebody has chosen.

    Args:
        hints: one for each factor that may be chosen.
        suggested: the factor that is chosen to begin with.
        announce: is told the address.
        port: 0 for any that is free.
        browse: whether to open a browser.

    Returns:
        One of the factors.

    Raises:
        PickerError: the port is taken.
    """
    asked = _Asked(scenes, hints, suggested)
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, asked))
    except (OSError, OverflowError) as error:
        raise PickerError(f"--port {port} cannot be had ({getattr(error, 'strerror', error)}); give another") from error
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
        thread.start()
        try:
            address = f"http://{HOST}:{server.server_port}/{asked.token}/"
            announce(address)
            if browse:
                webbrowser.open(address)
            while not asked.answered.wait(0.5):  # in short turns: on Windows Ctrl-C would not end a long one
                pass
        finally:
            server.shutdown()
            thread.join()
    return asked.factor


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def __init__(self, asked: _Asked, *arguments: Any) -> None:
        self._asked = asked
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if (path := self._path()) is None:
            return
        match path.split("/"):
            case [name] if name in PAGE:
                file = PAGE[name]
                self._send(files(__package__).joinpath("page", file).read_bytes(), TYPES[Path(file).suffix])
            case ["scenes.json"]:
                self._send(json.dumps(self._asked.described()).encode(), "application/json")
            case ["lq", scene]:
                self._send_picture(scene, None)
            case ["at", scene, factor]:
                self._send_picture(scene, factor)
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        own = f"http://{self.headers['Host']}"
        if path != "choice" or self.headers.get("Origin", own) != own:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            factor = json.loads(self.rfile.read(length))["factor"] if 0 < length <= LONGEST else None
        except (ValueError, TypeError, KeyError):
            factor = None
        factors = [hint.factor for hint in self._asked.hints]
        if type(factor) not in (int, float) or factor not in factors:  # true is an int, and equals 1
            named = ", ".join(f"{each:g}" for each in factors)
            self._refuse(HTTPStatus.BAD_REQUEST, f'the choice should be {{"factor": ...}} with one of {named}')
            return
        self._send(b"{}", "application/json")
        self._asked.factor = float(factor)
        self._asked.answered.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: stderr belongs to what the command says."""

    def _path(self) -> str | None:
        """What is asked for; None, and refused, where it is not for who knows the address."""
        here = {f"{name}:{cast(HTTPServer, self.server).server_port}" for name in (HOST, "localhost")}
        first, _, rest = self.path.removeprefix("/").partition("/")
        # Another name in Host is a page elsewhere whose name was turned to this machine.
        if self.headers.get("Host") not in here or not secrets.compare_digest(
            first.encode(), self._asked.token.encode()
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "open the address that the command told, all of it")
            return None
        return rest

    def _send_picture(self, scene: str, factor: str | None) -> None:
        """By their numbers: no name of a file is ever asked for."""
        try:
            shown = self._asked.scenes[_number(scene)]
            file = shown.lq if factor is None else shown.pseudo_hq[self._asked.hints[_number(factor)].factor]
        except (IndexError, ValueError):
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such picture")
            return
        self._send(file.read_bytes(), TYPES[".png"])

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._send(why.encode(), "text/plain; charset=utf-8", status)

    def _send(self, content: bytes, type: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)
