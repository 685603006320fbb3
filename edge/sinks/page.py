"""A live page for boards without a screen: picture, people, latencies, power and events, in any browser."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

from edge.contract.errors import ConfigError, OutputError
from edge.contract.layouts import JointLayout
from edge.contract.types import Event, FrameResult
from edge.latency import DECISION, LatencyHistory
from edge.overlay import Overlay, following_text
from edge.power import power_w
from edge.sinks.json_lines import event_record
from edge.sinks.sink import Sink

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BOUNDARY = "picture"
WIDEST = 960
"""Pictures are sent no wider: a browser's window rarely is, and each pixel costs the board's time."""
JPEG_QUALITY = 80
SHOWN_EVENTS = 100
RECENT_FRAMES = 300
"""Frames that the page's latencies are taken over."""
VIEWER_TIMEOUT_S = 10.0
"""A browser that takes nothing for so long has gone."""


@dataclass(frozen=True)
class PageAddress:
    """host, port: to listen on; 0 for any port that is free. token: asked of whoever wants to see; None for nobody."""

    host: str
    port: int
    token: str | None


def page_address(text: str, token: str | None) -> PageAddress:
    """Of "8080" or "host:8080". Only this machine is served unless a host is given, and then only with a token."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"sinks.page is {text!r}", hint="give a port, or host:port: 8080, 0.0.0.0:8080")
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(12)
    return PageAddress(host, int(port), token)


class Page:
    """What the page shows, kept for browsers to ask for. Pictures are drawn and coded only while somebody looks."""

    def __init__(self, overlay: Overlay, layout: JointLayout, history: LatencyHistory, source: str) -> None:
        self._overlay, self._layout, self._history, self._source = overlay, layout, history, source
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=SHOWN_EVENTS)
        self._times: deque[float] = deque(maxlen=31)
        self._result: FrameResult | None = None
        self._jpeg, self._number, self._viewers = b"", 0, 0
        self._lost = False
        self.ended = False

    def show(self, result: FrameResult) -> None:
        """One frame's result."""
        jpeg = self._coded(result) if self._viewers else b""
        with self._changed:
            self._result = result
            self._times.append(time.monotonic())
            if jpeg:
                self._jpeg, self._number = jpeg, self._number + 1
            self._changed.notify_all()

    def tell(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._lost = event.kind == "source_lost" or (self._lost and event.kind != "source_back")

    def end(self) -> None:
        """Browsers that watch are let go."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def pictures(self) -> Iterator[bytes]:
        """JPEG pictures as they come, the newest each time; waits for them."""
        with self._changed:
            self._viewers += 1
        number = 0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self.ended or self._number > number)  # noqa: B023 asked at once
                    if self.ended:
                        return
                    jpeg, number = self._jpeg, self._number
                yield jpeg
        finally:
            with self._changed:
                self._viewers -= 1

    def state(self) -> dict[str, Any]:
        """Everything but the picture, ready for JSON."""
        rows = self._history.summary(RECENT_FRAMES)
        with self._changed:
            result, times = self._result, list(self._times)
            events = [event_record(event) for event in reversed(self._events)]
            lost = self._lost
        fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        return {
            "source": self._source,
            "lost": lost,
            "fps": round(fps, 1),
            "age_ms": round(rows[DECISION].p50_ms, 1) if DECISION in rows else None,
            "power_w": power_w(),
            "failure": result.failure if result else None,
            "following": _following(result),
            "people": [_person(person) for person in result.people] if result else [],
            "latency": {name: [round(row.p50_ms, 2), round(row.p90_ms, 2)] for name, row in rows.items()},
            "dropout": self._dropout(result),
            "events": events,
        }

    def _dropout(self, result: FrameResult | None) -> dict[str, float]:
        if result is None or result.joint_dropout is None:
            return {}
        return {n: round(p, 3) for n, p in zip(self._layout.joints, result.joint_dropout.tolist(), strict=True)}

    def _coded(self, result: FrameResult) -> bytes:
        image = self._overlay.picture(result)
        if image.shape[1] > WIDEST:
            size = (WIDEST, round(image.shape[0] * WIDEST / image.shape[1]))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1])


def _following(result: FrameResult | None) -> str | None:
    return following_text(result) if result is not None and result.following is not None else None


def _person(person: Any) -> dict[str, Any]:
    action = person.action
    return {
        "track_id": person.track_id,
        "followed": person.followed,
        "fill": round(person.clip_fill, 2),
        "label": None if action is None else action.label,
        "score": None if action is None else round(action.score, 3),
    }


@contextmanager
def page_sink(page: Page, address: PageAddress, say: Callable[[str], None]) -> Iterator[Sink]:
    """Serves the page while the block runs; says where. Raises OutputError where the port cannot be had."""
    try:
        server = ThreadingHTTPServer((address.host, address.port), _handler(page, address))
    except OSError as error:
        raise OutputError(
            f"the live page cannot listen: {error.strerror or error}",
            where=f"{address.host}:{address.port}",
            hint="choose another port",
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, name="page", daemon=True)
    thread.start()
    query = f"/?token={address.token}" if address.token else "/"
    say(f"http://{address.host}:{server.server_port}{query}")
    try:
        yield page.show
    finally:
        page.end()
        server.shutdown()
        server.server_close()


def _handler(page: Page, address: PageAddress) -> type[BaseHTTPRequestHandler]:
    html = files("edge.sinks").joinpath("page.html").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        timeout = VIEWER_TIMEOUT_S
        server_version, sys_version = "skd-edge", ""

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            given = parse_qs(where.query).get("token", [""])[0]
            if not self._is_allowed(given):
                self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"the token is missing or wrong\n")
            elif where.path == "/":
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", html, token=given)
            elif where.path == "/state":
                self._answer(HTTPStatus.OK, "application/json", json.dumps(page.state()).encode())
            elif where.path == "/stream":
                self._stream()
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here\n")

        def _is_allowed(self, given: str) -> bool:
            if address.token is None:
                # Another site's page must not read this one through a name that points to this machine.
                return self.headers.get("Host", "").rpartition(":")[0].strip("[]") in LOOPBACK
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("token")
            return any(
                hmac.compare_digest(token.encode(), address.token.encode())
                for token in (given, cookie.value if cookie else "")
            )

        def _answer(self, status: HTTPStatus, kind: str, body: bytes, token: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
            self.send_header("Referrer-Policy", "no-referrer")
            if token:
                self.send_header("Set-Cookie", f"token={token}; HttpOnly; SameSite=Strict; Path=/")
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            try:
                for jpeg in page.pictures():
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                self.close_connection = True  # the browser has gone, or takes nothing any more

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are nobody's news, and would carry the token into logs."""

    return Handler
