"""Connections to the live page: too many, too slow, broken, and none left."""

import os
import resource
import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import numpy as np
import pytest
from people import PENN, result
from served_page import get, serving

from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.page import Page
from edge.sinks.page_server import PageAddress, page_sink


def test_a_disconnect_during_a_request_prints_nothing(capfd):
    with serving() as (_, show, url):
        show(result(n=0, image=np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)))
        for asked in (b"", b"GET / HT", b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            browser = socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])))
            browser.sendall(asked)
            # Close with a TCP reset.
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            browser.close()
        assert get(url + "state")[0] == 200
        time.sleep(0.1)
    assert capfd.readouterr() == ("", "")


def answer(url, method, path):
    """The lines of the head, and the first byte after it; of a HEAD all that is sent."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as sent:
            head = [line for line in iter(sent.readline, b"\r\n") if not line.startswith(b"Date:")]
            return head, sent.read(1)


@pytest.mark.parametrize("path", ["/", *(f"/{name}?token=secret" for name in ("", "state", "stream", "nowhere"))])
def test_head_is_answered_as_get_without_a_body(path):
    with serving(token="secret") as (_, show, url):
        show(result(n=0, image=np.zeros((48, 64, 3), np.uint8)))
        (asked, nothing), (got, something) = answer(url, "HEAD", path), answer(url, "GET", path)
    assert asked == got and len(something) == 1 and not nothing


def test_connections_beyond_the_limit_are_refused_and_served_again_later(monkeypatch):
    monkeypatch.setattr("edge.sinks.page_server.MAX_CONNECTIONS", 3)
    with serving() as (_, _, url):
        address = "127.0.0.1", int(url.rstrip("/").rpartition(":")[2])
        waiting = [socket.create_connection(address) for _ in range(3)]
        with socket.create_connection(address, timeout=10) as refused:
            assert refused.recv(1) == b""
        for browser in waiting:
            browser.close()
        served_again(url)


def test_requests_that_drip_in_do_not_keep_others_out(monkeypatch):
    """Each byte restarts the socket's timeout."""
    monkeypatch.setattr("edge.sinks.page_server.MAX_CONNECTIONS", 3)
    monkeypatch.setattr("edge.sinks.page_server.REQUEST_TIMEOUT_S", 0.5)
    done = threading.Event()

    def drip(browser):
        with suppress(OSError):
            while not done.wait(0.1):
                browser.sendall(b"x")

    with serving() as (_, _, url):
        address = "127.0.0.1", int(url.rstrip("/").rpartition(":")[2])
        dripping = [socket.create_connection(address) for _ in range(3)]
        for browser in dripping:
            threading.Thread(target=drip, args=(browser,), daemon=True).start()
        served_again(url)
        done.set()
        for browser in dripping:
            browser.close()


def served_again(url):
    end = time.monotonic() + 10
    while True:
        try:
            assert get(url + "state")[0] == 200
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_the_page_and_its_thread_end_with_the_loop():
    with serving() as (_, _, url):
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "page"]
    thread.join(timeout=10)
    assert not thread.is_alive()
    with pytest.raises(OSError, match="refused"):
        get(url)


def test_an_exception_in_a_request_is_logged_once_in_one_line(capfd):
    page, messages = Page(Overlay(PENN), PENN, LatencyHistory(0), "", lambda: 1 / 0), []
    with page_sink(page, PageAddress("127.0.0.1", 0, None), messages.append):
        for _ in range(2):
            with pytest.raises(OSError):
                get(messages[0] + "state")
    assert messages[1:] == ["warning: the live page failed to answer: ZeroDivisionError('division by zero')"]
    assert capfd.readouterr() == ("", "")


def test_without_free_file_descriptors_the_server_waits_instead_of_spinning():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving() as (_, _, url), socket.socket() as browser:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            browser.connect(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])))
            busy_s = time.process_time()
            time.sleep(1)
            busy_s = time.process_time() - busy_s
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        browser.settimeout(10)
        browser.sendall(b"GET /state HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert browser.recv(100).startswith(b"HTTP/1.0 200") and busy_s < 0.05
