"""The live page's server: who may see it, and what browsers are answered."""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge.contract.errors import ConfigError, OutputError
from edge.sinks.page import Page
from edge.sinks.sink import Sink

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BOUNDARY = "picture"
VIEWER_TIMEOUT_S = 10.0
"""A browser that takes nothing for so long has gone."""

NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""The system takes no further connection."""
NO_ROOM_S = 0.5
"""A browser that cannot be let in is kept waiting for so long before it is tried again."""


@dataclass(frozen=True)
class PageAddress:
    """host, port: to listen on; 0 for any port that is free. token: asked of whoever wants to see; None for nobody."""

    host: str
    port: int
    token: str | None


def parse_page_address(text: str, token: str | None) -> PageAddress:
    """Of "8080" or "host:8080". Only this machine is served unless a host is given, and then only with a token."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"sinks.page is {text!r}", hint="give a port, or host:port: 8080, 0.0.0.0:8080")
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(12)
    if token is not None and not re.fullmatch(r"[\w.~-]+", token, re.ASCII):
        # An empty one would let everybody in, another would not survive an address or a cookie.
        raise ConfigError(
            "sinks.page_token is empty or has other signs", hint="give letters, digits, - . _ and ~ alone"
        )
    return PageAddress(host, int(port), token)


@contextmanager
def page_sink(page: Page, address: PageAddress, say: Callable[[str], None]) -> Iterator[Sink]:
    """Serves the page while the block runs; says where. Raises OutputError where the port cannot be had."""
    try:
        server = _Server(page, address, say)
    except OSError as error:
        raise OutputError(
            f"the live page cannot listen: {error.strerror or error}",
            where=f"{address.host}:{address.port}",
            hint="choose another port, or an address of this machine: 0.0.0.0:8080 is all of them",
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, name="page", daemon=True)
        thread.start()
        query = f"/?token={address.token}" if address.token else "/"
        host = f"[{address.host}]" if ":" in address.host else address.host
        say(f"http://{host}:{server.server_port}{query}")
        try:
            yield page.show
        finally:
            page.end()
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, page: Page, address: PageAddress, say: Callable[[str], None]) -> None:
        self.page, self.token, self._say, self._trouble = page, address.token, say, ""
        # Cookies know no ports: by one name the pages of two cameras on a board would overwrite each other's.
        self.cookie = f"token-{hashlib.sha256((address.token or '').encode()).hexdigest()[:8]}"
        self.html = files("edge.sinks").joinpath("page.html").read_bytes()
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__((address.host, address.port), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        """The next browser. Where there is no room for it, it goes on knocking, and would be tried without a pause."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._say_once(f"warning: the live page lets nobody in: {error.strerror}")
                time.sleep(NO_ROOM_S)
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Python's own prints a traceback, also where a browser has left in the middle, which is no news."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self._say_once(f"warning: the live page gave no answer: {error!r}")

    def _say_once(self, trouble: str) -> None:
        """Browsers ask twice a second."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._say(trouble)


class _Handler(BaseHTTPRequestHandler):
    """Answers one browser's request."""

    server: _Server
    timeout = VIEWER_TIMEOUT_S
    server_version, sys_version = "skd-edge", ""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        token, viewer = (parse_qs(query).get(name, [""])[0] for name in ("token", "viewer"))
        if (refusal := self._refusal(token)) is not None:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", refusal.encode())
        elif path == "/":
            is_first = token == self.server.token
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self.server.html, is_first=is_first)
        elif path == "/state":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.server.page.state(viewer)).encode())
        elif path == "/stream":
            self._stream(viewer)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here\n")

    def _refusal(self, given: str) -> str | None:
        """Why this browser may see nothing; None where it may."""
        token = self.server.token
        if token is None:
            # Another site's page must not read this one through a name that points to this machine.
            return None if self._asked_host() in LOOPBACK else "ask for it as localhost, or serve it with a token\n"
        known = any(hmac.compare_digest(one.encode(), token.encode()) for one in (given, *self._cookies()))
        return None if known else "the token is missing or wrong\n"

    def _asked_host(self) -> str | None:
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return None

    def _cookies(self) -> list[str]:
        """Values of our cookie. Others of this machine come along, some of which Python's own parser refuses."""
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return [value for name, _, value in pairs if name == self.server.cookie]

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *, is_first: bool = False) -> None:
        """is_first: the token came with the address, and a cookie is to bring it from now on."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        if is_first:
            # Our own and never what was sent, which may hold the end of a line, and headers of somebody else's.
            text = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            self.send_header("Set-Cookie", text)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, viewer: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        try:
            for jpeg in self.server.page.images(viewer):
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:
            self.close_connection = True  # the browser has gone, or takes nothing any more

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are nobody's news, and would carry the token into logs."""
