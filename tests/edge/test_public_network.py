"""The published pose network, fetched over HTTP from a local server: once, complete, and with the right checksum."""

import hashlib
import http.server
import io
import socket
import tarfile
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from networks import separable

from edge.assets import cache_folder
from edge.contract.errors import DownloadError, EngineError
from edge.pose.public_network import TRT_POSE_RESNET18, PublishedNetwork, fetch_published
from edge.pose.registry import PoseConfig, open_estimator

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SKD_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def archive(content=CONTENT, member="Pose/net.onnx"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as members:
        for name, data in {"Pose/colors.txt": b"0 255 0", member: content}.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            members.addfile(about, io.BytesIO(data))
    return out.getvalue()


@contextmanager
def served(folder, files):
    """Files by name; gives the address of the folder and the paths that were asked for."""
    asked = []
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_):
            asked.append(self.path)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def published(address, content=CONTENT):
    return PublishedNetwork(
        "net.onnx", hashlib.sha256(content).hexdigest(), 1, "MIT", address, "https://mirror.invalid"
    )


def test_the_file_is_extracted_once_and_again_when_damaged(tmp_path, capfd):
    with served(tmp_path / "shelf", {"a.tar.gz": archive()}) as (url, asked):
        file = published(url + "a.tar.gz")
        path = fetch_published(file)
        assert path == cache_folder() / "net.onnx" and path.read_bytes() == CONTENT
        assert "licence MIT" in capfd.readouterr().err
        assert fetch_published(file) == path and len(asked) == 1
        path.write_bytes(CONTENT[:-1])
        assert fetch_published(file).read_bytes() == CONTENT and len(asked) == 2
    assert [p.name for p in cache_folder().iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "File not found"),
        (b"no archive", "not a gzip file"),
        (archive(b"another network"), "the checksum differs"),
        (archive(member="Pose/other.onnx"), "[Errno 2] the archive contains no net.onnx"),
        (archive()[:-200], ""),
    ],
)
def test_a_wrong_download_is_one_line_and_leaves_nothing(tmp_path, given, says):
    files = {} if given is None else {"a.gz": given}
    with served(tmp_path / "shelf", files) as (url, _), pytest.raises(DownloadError) as error:
        fetch_published(file := published(url + "a.gz"))
    for fact in (f"{url}a.gz: {says}", str(cache_folder() / "net.onnx"), file.sha256, file.mirror, "pose.network"):
        assert fact in str(error.value)
    assert "\n" not in str(error.value) and not list(cache_folder().glob("*"))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + archive()[:-200], "IncompleteRead"),
        (b"log in first\r\n\r\n", "log in first"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "invalid literal for int"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[login/\r\n\r\n", "Invalid IPv6 URL"),
    ],
)
def test_an_answer_that_breaks_off_or_is_not_http_is_one_line(answer, says):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answers():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=answers, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.gz"
        with pytest.raises(DownloadError, match=f"{address}: {says}"):
            fetch_published(published(address))
        thread.join()


def test_paths_in_the_archive_are_ignored(tmp_path):
    with served(tmp_path / "shelf", {"a.gz": archive(member="../../../net.onnx")}) as (url, _):
        assert fetch_published(published(url + "a.gz")) == cache_folder() / "net.onnx"
    assert not (tmp_path / "net.onnx").exists()


def test_trt_pose_without_a_network_runs_the_published_one(tmp_path, monkeypatch):
    asked = []

    def fetched(file):
        asked.append(file)
        return separable(tmp_path / "other.onnx")  # which shows what was opened by being none of trt_pose's

    monkeypatch.setattr("edge.pose.registry.fetch_published", fetched)
    with pytest.raises(EngineError, match=r"other\.onnx: not a trt_pose network"):
        open_estimator(PoseConfig("trt_pose"))
    assert asked == [TRT_POSE_RESNET18]


def test_the_published_network_is_pinned():
    assert len(TRT_POSE_RESNET18.sha256) == 64 and TRT_POSE_RESNET18.address.startswith("https://")
