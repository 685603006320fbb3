"""Serve the live page over HTTP: access control, the page, its state and the MJPEG stream."""

from __future__ import annotations

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from edge.contract.errors import ConfigError, OutputError
from edge.sinks.interfaces import addresses_to_open
from edge.sinks.sink import Sink

if TYPE_CHECKING:  # imports OpenCV
    from edge.sinks.page import Page

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BOUNDARY = "picture"
CONTENT_POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
"""data: is for the page's empty icon, without which browsers ask for /favicon.ico."""

VIEWER_TIMEOUT_S = 10.0
"""Socket timeout: a browser that reads nothing for this long is disconnected."""
REQUEST_TIMEOUT_S = 10.0
"""Until the whole request has arrived. Otherwise one that drips in would hold its connection for good."""

MAX_CONNECTIONS = 32
"""More are refused: each takes a thread and, before it needs a token, up to six megabytes of headers."""

RETRY_S = 0.2
"""Pause after a connection that cannot be accepted: without free file descriptors it stays pending."""


@dataclass(frozen=True)
class PageAddress:
    """host, port: where to listen; port 0 is any free one. token: required of browsers; None if not."""

    host: str
    port: int
    token: str | None

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def parse_page_address(text: str, token: str | None) -> PageAddress:
    """Parse "8080" or "host:8080". Without a host only this machine is served; other hosts always get a token."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"sinks.page is {text!r}", hint="give a port, or host:port: 8080, 0.0.0.0:8080")
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(12)
    if token is not None and not re.fullmatch(r"[\w.~-]+", token, re.ASCII):
        # An empty token would admit everybody; other characters do not survive a URL or a cookie.
        raise ConfigError(
            "sinks.page_token is empty or has invalid characters", hint="use only letters, digits, - . _ and ~"
        )
    return PageAddress(host, int(port), token)


def require_port(address: PageAddress) -> None:
    """Raise OutputError if the port is not available."""
    with _wrap_listen_errors(address):
        socket.create_server((address.host, address.port), family=address.family).close()


@contextmanager
def page_sink(page: Page, address: PageAddress, log: Callable[[str], None]) -> Iterator[Sink]:
    """Serve the page while the block runs, and log its URLs. Raises OutputError if the port is not available."""
    with _wrap_listen_errors(address):
        server = _Server(page, address, log)
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="page", daemon=True)
        thread.start()
        query = f"/?token={address.token}" if address.token else "/"
        for host in addresses_to_open(address.host):
            log(f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}{query}")
        try:
            yield page.show
        finally:
            page.end()
            server.shutdown()


@contextmanager
def _wrap_listen_errors(address: PageAddress) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the live page cannot listen: {error.strerror or error}",
            where=f"{address.host}:{address.port}",
            hint="choose another port, or an address of this machine; 0.0.0.0:8080 listens on all",
        ) from error


class _Server(ThreadingHTTPServer):
    def __init__(self, page: Page, address: PageAddress, log: Callable[[str], None]) -> None:
        self.page, self.token, self._log, self._problem = page, address.token, log, ""
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        # Connection whose request has not arrived -> when it began.
        self.pending: dict[socket.socket, float] = {}
        # Cookies ignore the port: with a fixed name, the pages of two cameras on a board would overwrite each other's.
        self.cookie = f"token-{hashlib.sha256((address.token or '').encode()).hexdigest()[:8]}"
        self.html = files("edge.sinks").joinpath("page.html").read_bytes()
        self.address_family = address.family
        super().__init__((address.host, address.port), _Handler)

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError as error:
            self._log_once(f"warning: the live page cannot accept a connection: {error.strerror}")
            time.sleep(RETRY_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self._log_once(f"warning: the live page has {MAX_CONNECTIONS} connections and refuses more")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self.pending[request] = time.monotonic()
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.pending.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """Called at least twice a second."""
        for request, since_s in list(self.pending.items()):
            if time.monotonic() - since_s > REQUEST_TIMEOUT_S:
                with suppress(OSError):  # closed just now
                    request.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log one line instead of a traceback, and nothing if the browser has disconnected."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self._log_once(f"warning: the live page failed to answer: {error!r}")

    def _log_once(self, problem: str) -> None:
        """Browsers poll twice a second."""
        if problem != self._problem:
            self._problem = problem
            self._log(problem)


class _Handler(BaseHTTPRequestHandler):
    """Answer one request."""

    server: _Server
    timeout = VIEWER_TIMEOUT_S
    server_version, sys_version = "skd-edge", ""

    def do_GET(self) -> None:
        self.server.pending.pop(self.connection, None)
        path, _, query = self.path.partition("?")
        token, viewer = (parse_qs(query).get(name, [""])[0] for name in ("token", "viewer"))
        if (refusal := self._refusal(token)) is not None:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", refusal.encode())
        elif path == "/":
            set_cookie = token == self.server.token
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self.server.html, set_cookie=set_cookie)
        elif path == "/state":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.server.page.state(viewer)).encode())
        elif path == "/stream":
            self._stream(viewer)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    do_HEAD = do_GET

    def _refusal(self, given: str) -> str | None:
        """Why access is refused; None if it is granted."""
        token = self.server.token
        if token is None:
            # Another site may embed the pictures, or its name may point to this machine (DNS rebinding).
            ask = self.headers.get
            is_embedded = ask("Sec-Fetch-Site") == "cross-site" and ask("Sec-Fetch-Dest") != "document"
            is_ours = self._host() in LOOPBACK and not is_embedded
            return None if is_ours else "open it as localhost, or serve it with a token\n"
        known = any(hmac.compare_digest(value.encode(), token.encode()) for value in (given, *self._cookies()))
        return None if known else "the token is missing or wrong\n"

    def _host(self) -> str | None:
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return None

    def _cookies(self) -> list[str]:
        """Values of our cookie. Parsed by hand: http.cookies rejects the header if another cookie is malformed."""
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return [value for name, _, value in pairs if name == self.server.cookie]

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *, set_cookie: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", CONTENT_POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        if set_cookie:
            # The server's own token, never the client's text, which could inject headers.
            text = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            self.send_header("Set-Cookie", text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, viewer: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        images = () if self.command == "HEAD" else self.server.page.images(viewer)
        try:
            for jpeg in images:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:
            self.close_connection = True  # disconnected or timed out

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: their URLs hold the token."""
