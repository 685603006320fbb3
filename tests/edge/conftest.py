"""A bundle to run."""

from pathlib import Path

import pytest
import tiny_bundle


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained student; not to be altered."""
    return tiny_bundle.make(tmp_path_factory.mktemp("bundles") / "tiny")
