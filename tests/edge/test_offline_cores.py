"""ONNX Runtime's abort while cores are off: recognised before the import, and only where it happens."""

import sys

import pytest
from boards import Board

from edge.doctor import software
from edge.engines import offline_cores

ABORTS, WORKS, DOES_NOT_LOAD = (
    (sys.executable, "-c", code) for code in ("import os; os.abort()", "pass", "raise ImportError")
)
CORES = {"/sys/devices/system/cpu/present": "0-5", "/sys/devices/system/cpu/online": "0-3"}


@pytest.fixture
def abort(monkeypatch):
    def found(*, version="1.23.2", machine="aarch64", command=ABORTS, **online):
        monkeypatch.setattr("platform.machine", lambda: machine)
        monkeypatch.setattr(offline_cores, "onnx_runtime_version", lambda: version)
        monkeypatch.setattr(offline_cores, "COMMAND", command)
        files = {**CORES, **{f"/sys/devices/system/cpu/{name}": text for name, text in online.items()}}
        return offline_cores.abort_of_onnx_runtime(Board(files))

    return found


def test_the_abort_is_named_with_the_version(abort):
    assert abort() == "ONNX Runtime 1.23.2 aborts while cores of the processor are off"
    assert "nvpmodel -m" in software.onnx_runtime("1.23.2", abort()).fix


@pytest.mark.parametrize(
    "other",
    [
        {"version": "1.27.0"},
        {"version": "1.32.0"},
        {"version": None},
        {"machine": "x86_64"},
        {"online": "0-5"},
        {"command": WORKS},
        {"command": DOES_NOT_LOAD},
        {"command": ("/no/such/program",)},
    ],
    ids=str,
)
def test_it_is_expected_only_of_an_old_version_on_arm64_with_cores_off_that_does_abort(abort, other):
    assert abort(**other) is None
    assert software.onnx_runtime("1.23.2", None).status == "ok"
