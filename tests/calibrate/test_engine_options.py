"""Options of `calibrate engine` that do not go together are refused."""

from pathlib import Path

import pytest

from calibrate.tensorrt.configuration import EngineConfig
from edge.contract.errors import ConfigError


def test_a_bundle_or_a_network_but_not_both(tmp_path: Path) -> None:
    for given in ({}, {"bundle": tmp_path, "onnx": tmp_path / "x.onnx"}):
        with pytest.raises(ConfigError, match="bundle or a network"):
            EngineConfig(**given)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("onnx", "int8"), "give both --int8 and --frames"),
        (("onnx", "frames"), "give both --int8 and --frames"),
        (("onnx", "clips"), "--clips is for a bundle's student"),
        (("bundle", "frames"), "--frames is for a pose network"),
        (("bundle", "int8"), "--int8 is for a pose network"),
        (("onnx", "out"), "an engine's name ends in .engine"),
    ],
)
def test_a_file_that_would_be_ignored_or_replaced_is_refused(tmp_path: Path, given: tuple[str, ...], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        EngineConfig(**dict.fromkeys(given, tmp_path))
