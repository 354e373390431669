"""A server for the picker's page. It serves this machine's browser only and ends with the user's choice."""

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

from ...errors import PickerError
from ..factor import FactorHint, Suggestion
from ..scenes import Scene

HOST = "127.0.0.1"
PAGE = {"": "index.html", "picker.css": "picker.css", "picker.js": "picker.js"}
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
HEADERS = {
    # No content from other hosts, no caching, no embedding in other pages.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
POLL_SECONDS = 0.05
"""Seconds between two checks whether the server should end."""
MAX_BODY = 1000
"""Largest size of a choice in bytes."""


@dataclass
class _PickerState:
    """Content of the page, and the user's choice."""

    scenes: Sequence[Scene]
    hints: Sequence[FactorHint]
    suggestion: Suggestion
    # A secret part of the address. Other users of this machine and other web pages do not know it.
    token: str = field(default_factory=partial(secrets.token_urlsafe, 16))
    answered: threading.Event = field(default_factory=threading.Event)
    factor: float = 0.0

    def describe(self) -> dict[str, Any]:
        return {
            "scenes": [scene.name for scene in self.scenes],
            "hints": [hint.model_dump() for hint in self.hints],
            "suggestion": self.suggestion.model_dump() | {"text": self.suggestion.describe()},
        }


def serve_picker(
    scenes: Sequence[Scene],
    hints: Sequence[FactorHint],
    suggestion: Suggestion,
    *,
    announce: Callable[[str], object],
    port: int = 0,
    browse: bool = True,
) -> float:
    """Serve the page until the user has chosen a factor.

    Args:
        hints: measures of each factor on offer.
        suggestion: the factor that is selected at first, and how sure it is.
        announce: called with the address of the page.
        port: port to serve on; 0 for a free one.
        browse: open a browser.

    Returns:
        The chosen factor.

    Raises:
        PickerError: the port is in use.
    """
    state = _PickerState(scenes, hints, suggestion)
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, state))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", error)
        raise PickerError(f"--port {port} cannot be used ({reason}); use another port") from error
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            address = f"http://{HOST}:{server.server_port}/{state.token}/"
            announce(address)
            if browse:
                webbrowser.open(address)
            while not state.answered.wait(0.5):  # with a timeout, since Ctrl-C does not end a wait on Windows
                pass
        finally:
            server.shutdown()
            thread.join()
    return state.factor


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def __init__(self, state: _PickerState, *arguments: Any) -> None:
        self._state = state
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if (path := self._check_request()) is None:
            return
        match path.split("/"):
            case [name] if name in PAGE:
                file = PAGE[name]
                self._send(files(__package__).joinpath("page", file).read_bytes(), TYPES[Path(file).suffix])
            case ["scenes.json"]:
                self._send(json.dumps(self._state.describe()).encode(), "application/json")
            case ["lq", scene]:
                self._send_picture(scene, None)
            case ["at", scene, factor]:
                self._send_picture(scene, factor)
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        path = self._check_request()
        if path is None:
            return
        own_origin = f"http://{self.headers['Host']}"
        if path != "choice" or self.headers.get("Origin", own_origin) != own_origin:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            factor = json.loads(self.rfile.read(length))["factor"] if 0 < length <= MAX_BODY else None
        except (ValueError, TypeError, KeyError):
            factor = None
        factors = [hint.factor for hint in self._state.hints]
        if type(factor) not in (int, float) or factor not in factors:  # not bool: true equals 1
            known = ", ".join(f"{each:g}" for each in factors)
            self._refuse(HTTPStatus.BAD_REQUEST, f'the choice must be {{"factor": ...}} with one of {known}')
            return
        self._send(b"{}", "application/json")
        self._state.factor = float(factor)
        self._state.answered.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing. stderr is for the command's own messages."""

    def _check_request(self) -> str | None:
        """Return the path behind the token. Without the right host and token, refuse the request and return None."""
        hosts = {f"{name}:{cast(HTTPServer, self.server).server_port}" for name in (HOST, "localhost")}
        token, _, path = self.path.removeprefix("/").partition("/")
        # Another host name here means that a foreign page made its name resolve to this machine (DNS rebinding).
        if self.headers.get("Host") not in hosts or not secrets.compare_digest(
            token.encode(), self._state.token.encode()
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "open the complete address that the command printed")
            return None
        return path

    def _send_picture(self, scene: str, factor: str | None) -> None:
        """Send a picture by the index of its scene and factor. Requests never contain file names."""
        try:
            shown = self._state.scenes[_parse_index(scene)]
            file = shown.lq if factor is None else shown.pseudo_hq[self._state.hints[_parse_index(factor)].factor]
        except (IndexError, ValueError):
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such picture")
            return
        self._send(file.read_bytes(), TYPES[".png"])

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._send(reason.encode(), "text/plain; charset=utf-8", status)

    def _send(self, content: bytes, type: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _parse_index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)
