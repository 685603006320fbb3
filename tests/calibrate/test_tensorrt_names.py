"""The fake TensorRT has the names and parameters of the real bindings."""

import importlib
import inspect
import json
from types import ModuleType, SimpleNamespace

import fake_tensorrt
import pytest
import tensorrt_names
from fake_cuda import FakeGpu

REAL = json.loads(tensorrt_names.RECORDED.read_text())
FAKED = {"8.5.2": "8.5.3", "8.6.1": "8.6.1", "10.3.0": "10.3.0", "11.4.1": "11.4.0"}
OURS = {"complain", "listen", "built", "parsed"}


def offered(trt: ModuleType) -> dict[str, object]:
    """Class.name -> the fake's attribute, for every public name."""
    found = {}
    for owner, place in vars(trt).items():
        if owner.startswith("_") or owner in OURS:
            continue
        names = vars(place) if isinstance(place, (type, SimpleNamespace)) else {}
        found |= {f"{owner}.{n}": v for n, v in names.items() if not n.startswith("_")}
        if owner in {"Builder", "OnnxParser", "Runtime"}:
            found[f"{owner}.__init__"] = place.__init__
    return found


@pytest.mark.parametrize("version", FAKED)
def test_the_fake_has_no_name_that_the_real_tensorrt_lacks(version: str) -> None:
    real = REAL[FAKED[version]]
    names = offered(fake_tensorrt.tensorrt(version, gpu=FakeGpu()))
    assert len(names) > 40
    assert set(names) - set(real) == set()


@pytest.mark.parametrize("version", FAKED)
def test_the_fake_takes_the_real_parameters(version: str) -> None:
    real, compared = REAL[FAKED[version]], 0
    for name, value in offered(fake_tensorrt.tensorrt(version, gpu=FakeGpu())).items():
        if not inspect.isfunction(value):
            continue
        takes = [p for p in inspect.signature(value).parameters if p != "self"]
        assert any(takes == overload[: len(takes)] for overload in real[name]), name
        compared += 1
    assert compared > 20


def test_the_versions_differ_only_in_names_that_the_code_checks_for() -> None:
    everywhere = set.intersection(*(set(names) for names in REAL.values()))
    anywhere = set.union(*(set(names) for names in REAL.values()))
    assert anywhere - everywhere == {
        "BuilderFlag.INT8",
        "BuilderFlag.FP16",
        "DataType.INT64",
        "IBuilderConfig.progress_monitor",
        "IProgressMonitor.__init__",
        "IProgressMonitor.phase_start",
        "IProgressMonitor.step_complete",
        "IProgressMonitor.phase_finish",
        "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "ParserError.node_name",
        "ParserError.node_operator",
    }
    assert anywhere == {f"{owner}.{name}" for owner, names in tensorrt_names.USED.items() for name in names.split()}


@pytest.mark.parametrize("package", ["tensorrt", "tensorrt_rtx"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_installed_tensorrt_has_the_recorded_names(package: str) -> None:
    trt = pytest.importorskip(package, reason=f"no {package}; a board's is JetPack's, tensorrt_rtx is on the index")
    found = tensorrt_names.names_of(trt)
    # TensorRT for desktop GPUs has the interface of the newest generation, and its version numbers are its own.
    major = "11" if package == "tensorrt_rtx" else importlib.import_module(package).__version__.split(".")[0]
    same = [names for version, names in REAL.items() if version.split(".")[0] == major]
    assert same, f"no bindings of TensorRT {major} were recorded; see tests/calibrate/tensorrt_names.py"
    assert set.intersection(*map(set, same)) - set(found) == set()
