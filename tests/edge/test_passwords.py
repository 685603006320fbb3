"""Passwords in addresses are not shown, logged or written."""

import pytest
from bad_input.rows import refused
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import SourceError
from edge.contract.passwords import without_passwords


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/s?a=b@c", "rtsp://admin:***@10.0.0.5:554/s?a=b@c"),
        ("rtsp://host/s", "rtsp://host/s"),
        ("http://user@host/", "http://user@host/"),
        ("http://host:80?mail=a@b", "http://host:80?mail=a@b"),
        ("/videos/a:b@c.mp4", "/videos/a:b@c.mp4"),
        ("http://h/video.cgi?user=a&pwd=b/c&channel=1", "http://h/video.cgi?user=a&pwd=***&channel=1"),
        ("rtsp://h/user=a&password=bc&channel=1.sdp", "rtsp://h/user=a&password=***&channel=1.sdp"),
        ("http://h/a?Password=b&token=c#flip=vertical", "http://h/a?Password=***&token=***#flip=vertical"),
        (
            "http://h/a?user=x&loginpas=s&api_key=t&access_token=u",
            "http://h/a?user=x&loginpas=***&api_key=***&access_token=***",
        ),
        ("rtsp://me@mail.com:secret@host/s", "rtsp://me@mail.com:***@host/s"),
        ("rtsp:/u:secret@host/s", "rtsp:/u:***@host/s"),
        ("admin:secret@host/s", "admin:***@host/s"),
        ("rtsp://u:se/cr#et?@host/s", "rtsp://u:***@host/s"),
        ("rtsp://[::1]:554/a@b", "rtsp://[::1]:554/a@b"),
        ("rtsp://host/keypoints=3", "rtsp://host/keypoints=3"),
        (
            "not known: --a rtsp://u:secret@h/x --b 'http://u:secret@h/'",
            "not known: --a rtsp://u:***@h/x --b 'http://u:***@h/'",
        ),
    ],
)
def test_passwords_are_not_shown(uri, shown):
    assert without_passwords(uri) == shown


@given(st.text("abcXYZ019!$%&*+,;=~.-_:@", min_size=1, max_size=12))
def test_no_password_is_ever_shown(password):
    assert without_passwords(f"rtsp://u:{password}@host/s") == "rtsp://u:***@host/s"


@pytest.mark.parametrize(
    "flags",
    [
        ("--source", "rtsp://u:s3cr3t@127.0.0.1:9/x"),
        ("--source", "rtsp://me@mail.com:s3cr3t@127.0.0.1:9/x"),
        ("--source", "rtsp://u:a/s3cr3t@127.0.0.1:9/x"),
        ("--source", "rtsp://u:a#s3cr3t@127.0.0.1:9/x"),
        ("--source", "rtsp://u:a?s3cr3t@127.0.0.1:9/x"),
        ("--source", "rtsp://u:s3cr3t@ho\N{ACCOUNT OF}st/x"),
        ("--source", "rtsp://u:s3cr3t@[::1/x"),
        ("--source", "rtp://u:s3cr3t@host/x"),
        ("--source", "csi://u:s3cr3t@host/x"),
        ("--source", "u:s3cr3t@host/x"),
        ("--source", "http://127.0.0.1:9/a.mp4?user=x&loginpas=s3cr3t"),
        ("--source", "0", "--sinks.mqt", "mqtt://u:s3cr3t@host/x"),
        ("--source", "0", "--sinks", "mqtt://u:s3cr3t@host/x"),
        ("--source", "0", "--sinks.mqtt", "mqtt://u:s3cr3t@host:99999/x"),
        ("--source", "0", "--record", "rtsp://u:s3cr3t@host/x", "--report", "rtsp://u:s3cr3t@host/x"),
        ("--source", "0", "rtsp://u:s3cr3t@host/x"),
    ],
)
def test_no_error_shows_a_password(flags, bundle_folder, capfd):
    assert "s3cr3t" not in refused(["edge", "run", "--bundle", str(bundle_folder), *flags], capfd)


@pytest.mark.parametrize("password", ["a/b", "a?b", "a#b"])
def test_a_password_that_ends_the_address_is_refused_with_its_codes(password, bundle_folder, capfd):
    said = refused(["edge", "run", "--bundle", str(bundle_folder), "--source", f"rtsp://u:{password}@h/"], capfd)
    assert "in a password write %2F for /, %23 for # and %3F for ?" in said


def test_an_error_hides_passwords_in_what_and_where():
    error = SourceError(
        "no answer from rtsp://u:p@host", where="http://h/?pwd=p", hint="give rtsp://user:password@host"
    )
    assert str(error) == "http://h/?pwd=***: no answer from rtsp://u:***@host; give rtsp://user:password@host"
