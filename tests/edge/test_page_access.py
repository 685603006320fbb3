"""Access control and address of the live page."""

import socket
import urllib.error

import pytest
from people import PENN, person, result
from served_page import get, serving

from edge.contract.errors import ConfigError, OutputError
from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.page import Page
from edge.sinks.page_server import PageAddress, page_sink, parse_page_address


def refused(url, **headers):
    with pytest.raises(urllib.error.HTTPError) as error:
        get(url, **headers)
    error.value.close()
    return error.value.code


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        ("8080", None, PageAddress("127.0.0.1", 8080, None)),
        ("localhost:81", None, PageAddress("localhost", 81, None)),
        ("0.0.0.0:8080", "abc", PageAddress("0.0.0.0", 8080, "abc")),
        ("[::1]:8080", None, PageAddress("::1", 8080, None)),
        ("9000", "abc", PageAddress("127.0.0.1", 9000, "abc")),
    ],
)
def test_only_this_machine_is_served_by_default(text, token, expected):
    assert parse_page_address(text, token) == expected


def test_other_machines_need_a_token_and_every_run_generates_its_own():
    first, second = parse_page_address("0.0.0.0:8080", None), parse_page_address("0.0.0.0:8080", None)
    assert first.token and second.token and first.token != second.token and len(first.token) >= 16


@pytest.mark.parametrize("text", ["", "page", "host:", "0.0.0.0:99999", "8080:host"])
def test_an_invalid_address_is_refused(text):
    with pytest.raises(ConfigError, match="8080"):
        parse_page_address(text, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_url_of_a_page_on_all_addresses_can_be_opened(host):
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")
    page, urls = Page(Overlay(PENN), PENN, LatencyHistory(0), "camera of this test"), []
    with page_sink(page, PageAddress(host, 0, "secret"), urls.append):
        assert urls and not any(url.startswith((f"http://{host}:", f"http://[{host}]:")) for url in urls)
        assert all(get(url)[0] == 200 for url in urls)


@pytest.mark.parametrize("token", ["", "a b", "a;b", "a&b", "a/b", "\u20ac", "a\nb"])
def test_an_empty_token_or_one_that_no_cookie_can_hold_is_refused(token):
    with pytest.raises(ConfigError, match="page_token"):
        parse_page_address("0.0.0.0:8080", token)
    assert parse_page_address("0.0.0.0:8080", "a-Z_0.9~").token == "a-Z_0.9~"


def test_access_needs_the_token_and_a_cookie_then_carries_it():
    with serving(token="secret") as (_, show, url):
        show(result(person()))
        base = url.partition("?")[0]
        assert url.endswith("?token=secret")
        for path in ("", "state", "stream", "?token=wrong", "state?token="):
            assert refused(base + path) == 403
        status, headers, body = get(url)
        assert status == 200 and b"<title>" in body
        assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert get(base + "state", Cookie=cookie)[0] == 200
        for wrong in ("token=wrong", f"{cookie}r", "token", ""):
            assert refused(base + "state", Cookie=wrong) == 403


def test_malformed_cookies_of_other_pages_do_not_prevent_access():
    with serving(token="secret") as (_, _, url):
        cookie = get(url)[1]["Set-Cookie"].partition(";")[0]
        for other in ("a/b=1", 'a="b', "{1:2}", "a[b]=1", "\xe4=1", "=", "token=other"):
            for given in (f"{other}; {cookie}", f"{cookie}; {other}"):
                assert get(url.partition("?")[0] + "state", Cookie=given)[0] == 200


@pytest.mark.parametrize("token", [None, "secret"])
def test_a_url_cannot_inject_response_headers(token):
    with serving(token=token) as (_, _, url):
        cookie = {} if token is None else {"Cookie": get(url)[1]["Set-Cookie"].partition(";")[0]}
        headers = get(f"{url.partition('?')[0]}?token=a%0d%0aX-Evil:%201%0d%0a%0d%0a<script>", **cookie)[1]
        assert headers["X-Evil"] is None and headers["Set-Cookie"] is None


def test_two_pages_on_one_host_do_not_overwrite_each_others_cookie():
    with serving(token="secret") as (_, _, one), serving(token="other") as (_, _, two):
        # A browser keeps cookies by name, regardless of the port.
        kept = dict(get(url)[1]["Set-Cookie"].partition(";")[0].split("=") for url in (one, two))
        cookies = "; ".join(f"{name}={value}" for name, value in kept.items())
        assert all(get(url.partition("?")[0] + "state", Cookie=cookies)[0] == 200 for url in (one, two))


def test_dns_rebinding_is_refused():
    with serving() as (_, _, url):
        for host in ("evil.example:80", "evil.example", "localhost.evil.example", "127.0.0.1@evil.example:80", "[", ""):
            assert refused(url + "state", Host=host) == 403
        for host in ("localhost:80", "localhost", "[::1]:80", "127.0.0.1"):
            assert get(url + "state", Host=host)[0] == 200


def test_another_site_cannot_embed_the_pictures_but_may_link_to_the_page():
    with serving() as (_, show, url):
        show(result(person()))
        assert refused(url + "stream", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}) == 403
        assert get(url, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"})[0] == 200
        assert get(url + "state", **{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"})[0] == 200


def test_the_page_is_served_on_ipv6_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    page, messages = Page(Overlay(PENN), PENN, LatencyHistory(0), "camera of this test"), []
    with page_sink(page, parse_page_address("[::1]:0", None), messages.append):
        assert messages[0].startswith("http://[::1]:") and get(messages[0] + "state")[0] == 200


def test_a_port_in_use_is_an_error_with_a_hint():
    with serving() as (_, _, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        page = Page(Overlay(PENN), PENN, LatencyHistory(0), "")
        with (
            pytest.raises(OutputError, match="choose another port"),
            page_sink(page, PageAddress("127.0.0.1", port, None), print),
        ):
            pass
