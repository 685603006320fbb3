"""Inference runtimes collect usage data and send it to their makers by default; here they do not."""

import os
import subprocess
import sys
from pathlib import Path

import networks
import pytest


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_a_runtime_stores_no_usage_data(tmp_path: Path, runtime: str) -> None:
    """They would store an identifier in the home folder before they send anything, but not where CI is set."""
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'skd-edge[openvino]'")
    network, home = networks.student(tmp_path / "student.onnx"), tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    code = f"""
from pathlib import Path
from edge.engines.registry import open_engine
open_engine(Path({str(network)!r}), runtime={runtime!r})
"""
    environment = {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(home.rglob("*"))
