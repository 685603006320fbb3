"""The names that the project uses of TensorRT's Python interface, and which versions have them.

They are read from the real bindings, which are small packages from 8.6 on, and part of large ones before. The bindings
import without TensorRT's libraries if empty libraries of the same names replace them; then names and parameters can be
read, but nothing runs. ``tensorrt_names.json`` is made this way:

    pip download --no-deps tensorrt_cu13_bindings==11.4.0.106 && unzip -d v11.4 *.whl
    python tests/calibrate/tensorrt_names.py v11.4/tensorrt_bindings/tensorrt.so=11.4.0 ...

It needs a C compiler, and Python of the version that the bindings are for; answers are merged into the file.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

RECORDED = Path(__file__).with_suffix(".json")

USED = {
    "Builder": "__init__ num_DLA_cores create_network create_builder_config create_optimization_profile "
    "build_serialized_network",
    "BuilderFlag": "INT8 FP16 TF32 GPU_FALLBACK",
    "DataType": "FLOAT HALF INT8 INT32 INT64 UINT8 BOOL",
    "DeviceType": "GPU DLA",
    "IBuilderConfig": "set_memory_pool_limit set_flag clear_flag add_optimization_profile create_timing_cache "
    "set_timing_cache get_timing_cache progress_monitor DLA_core default_device_type",
    "ICudaEngine": "num_io_tensors num_optimization_profiles get_tensor_name get_tensor_mode get_tensor_shape "
    "get_tensor_dtype get_tensor_profile_shape create_execution_context",
    "IExecutionContext": "set_optimization_profile_async set_input_shape get_tensor_shape set_tensor_address "
    "execute_async_v3",
    "ILogger": "__init__ log Severity",
    "ILogger.Severity": "INTERNAL_ERROR ERROR WARNING INFO VERBOSE",
    "INetworkDefinition": "num_inputs get_input",
    "IOptimizationProfile": "set_shape",
    "IProgressMonitor": "__init__ phase_start step_complete phase_finish",
    "ITensor": "name shape",
    "ITimingCache": "serialize",
    "MemoryPoolType": "WORKSPACE",
    "NetworkDefinitionCreationFlag": "EXPLICIT_BATCH STRONGLY_TYPED",
    "OnnxParser": "__init__ parse num_errors get_error",
    "ParserError": "desc node node_name node_operator",
    "Runtime": "__init__ deserialize_cuda_engine DLA_core",
    "TensorIOMode": "INPUT OUTPUT",
}
"""Class or enumeration -> its names."""

ENTRIES = (
    "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL getBuilderPluginRegistry "
    "createNvOnnxParser_INTERNAL createNvOnnxParserRefitter_INTERNAL getNvOnnxParserVersion getPluginRegistry "
    "initLibNvInferPlugins getInferLibVersion getLogger "
    "_ZN11nvuffparser15createUffParserEv _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi "
    "_ZN14nvcaffeparser117createCaffeParserEv _ZN14nvcaffeparser123shutdownProtobufLibraryEv"
)
"""What bindings of one version or another import from the libraries."""


def names_of(trt: ModuleType) -> dict[str, list[list[str]] | None]:
    """Of the names in use, those that it has: None, or for what is called the parameters of each overload."""
    found: dict[str, list[list[str]] | None] = {}
    for owner, names in USED.items():
        place = trt
        for part in owner.split("."):
            place = getattr(place, part, None)
        for name in names.split() if place is not None else ():
            # Every class inherits an initialiser; its own alone tells what it takes.
            if hasattr(place, name) and (name != "__init__" or name in vars(place)):
                found[f"{owner}.{name}"] = _overloads(getattr(place, name), name)
    return found


def _overloads(value: object, name: str) -> list[list[str]] | None:
    # pybind11 writes a line for the call, or for each overload with a number before it.
    lines = (getattr(value, "__doc__", None) or "").splitlines()
    numbered = [line for line in lines if re.match(rf"\d+\. {re.escape(name)}\(", line)]
    calls = numbered or [line for line in lines[:1] if line.startswith(f"{name}(")]
    if not callable(value) or not calls:
        return None
    return [_parameters(call) for call in calls]


def _parameters(call: str) -> list[str]:
    inside = call[call.index("(") + 1 : call.rindex(")") if "->" not in call else call.rindex(") ->")]
    return [name for name in re.findall(r"(?:^|, )(\w+): ", inside) if name != "self"]


def ask(bindings: Path) -> dict[str, list[list[str]] | None]:
    """The names of a ``tensorrt.so`` whose libraries are not there."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("".join(f"void* {entry}(void) {{ return 0; }}\n" for entry in ENTRIES.split()))
        needs = subprocess.run(["ldd", bindings], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"^\s*(\S+) => not found", needs, re.MULTILINE):
            out = Path(folder) / library
            subprocess.run(["cc", "-shared", "-fPIC", "-o", out, f"-Wl,-soname,{library}", source], check=True)
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import tensorrt_names as t; t.answer()"
        asked = subprocess.run(
            [sys.executable, "-c", code, bindings],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "LD_LIBRARY_PATH": folder},
        )
    return json.loads(asked.stdout)


def answer() -> None:
    spec = importlib.util.spec_from_file_location("tensorrt", sys.argv[1])
    trt = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(trt)
    print(json.dumps(names_of(trt)))


def main() -> None:
    kept = json.loads(RECORDED.read_text()) if RECORDED.is_file() else {}
    for argument in sys.argv[1:]:
        path, version = argument.split("=")
        kept[version] = ask(Path(path).resolve())
    ordered = sorted(kept.items(), key=lambda item: [int(n) for n in item[0].split(".")])
    lines = [f"{json.dumps(version)}: {json.dumps(names)}" for version, names in ordered]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
