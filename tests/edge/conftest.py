"""A bundle to run, and the pose networks to run it on."""

from pathlib import Path

import pytest
import tiny_bundle

from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.contract.errors import DownloadError


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained student; not to be altered."""
    return tiny_bundle.make(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def blazepose_files() -> None:
    """BlazePose's networks are in the cache; the test is skipped where they cannot be had."""
    try:
        fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)
    except DownloadError as error:
        pytest.skip(f"BlazePose cannot be fetched: {error.what}")
