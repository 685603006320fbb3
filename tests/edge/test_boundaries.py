"""The device's code runs where the workstation's packages are absent."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import edge

ROOT = Path(__file__).parents[2]
WORKSTATION = ("torch", "train", "calibrate", "onnx", "onnxscript", "matplotlib")
HEAVY = ("cv2", "scipy", "rich", "jsonargparse", "onnxruntime", "ai_edge_litert", "tensorrt", "pycuda")


def import_without(absent, modules):
    """Import ``modules`` in a fresh interpreter where the packages ``absent`` cannot be imported."""
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import {', '.join(modules)}"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def modules_under(name):
    paths = [str(ROOT / Path(*name.split(".")))]
    found = [module.name for module in pkgutil.walk_packages(paths, f"{name}.")]
    return [module for module in found if not module.endswith("__main__")]


def test_every_module_of_edge_imports_without_the_workstations_packages():
    modules = modules_under("edge")
    assert len(modules) > 15 and edge.__version__
    done = import_without(WORKSTATION, modules)
    assert done.returncode == 0, done.stderr


def test_a_forbidden_import_would_be_noticed():
    assert import_without(WORKSTATION, ["torch"]).returncode != 0


def test_the_contract_needs_numpy_and_yaml_alone():
    done = import_without(WORKSTATION + HEAVY, modules_under("edge.contract"))
    assert done.returncode == 0, done.stderr


def test_runtimes_are_imported_only_when_an_engine_is_opened():
    done = import_without(("onnxruntime", "ai_edge_litert", "tensorrt", "pycuda"), modules_under("edge"))
    assert done.returncode == 0, done.stderr
