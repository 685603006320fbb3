"""Serve the live page on this machine and request it over HTTP."""

import urllib.request
from contextlib import contextmanager

from people import PENN

from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.page import Page
from edge.sinks.page_server import PageAddress, page_sink


@contextmanager
def serving(token=None, history=None, host="127.0.0.1"):
    """Yield the page, its sink and its URL."""
    history, messages = history or LatencyHistory(0), []
    page = Page(Overlay(PENN), PENN, history, "camera of this test", lambda: {"video": 41})
    with page_sink(page, PageAddress(host, 0, token), messages.append) as show:
        yield page, show, messages[0]


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.status, answer.headers, answer.read()
