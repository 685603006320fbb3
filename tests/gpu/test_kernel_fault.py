"""A kernel that fails on a real GPU: the process can do nothing on it any more, but ends in order."""

import os
import subprocess
import sys
from pathlib import Path

import networks
import pytest

pytestmark = pytest.mark.gpu

RUNS_AFTER_A_FAULT = """
import sys
from pathlib import Path
import networks
from edge.contract.errors import DeviceLostError, EngineError
from edge.engines.tensorrt_engine import TensorRtEngine

TRAP = b".version 7.0\\n.target sm_72\\n.address_size 64\\n.visible .entry fails() { trap; }\\n\\0"
path = Path(sys.argv[1])
engine, dropped = TensorRtEngine(path), TensorRtEngine(path)
gpu = engine._gpu
try:
    with gpu.current():
        gpu.driver.module_from_buffer(TRAP).get_function("fails")(grid=(1, 1), block=(1, 1, 1))
        gpu.driver.Context.synchronize()
except DeviceLostError:
    print("kernel")
for one in (engine, dropped):
    try:
        one.run({"clip": networks.clips(1)})
    except DeviceLostError:
        print("run")
engine.close()
del engine, dropped, one
print("end")
"""


def test_after_a_kernel_fault_every_run_says_so_and_the_process_ends_in_order(tmp_path: Path) -> None:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("fp32", max_batch=1))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUNS_AFTER_A_FAULT, str(tmp_path / "s.engine")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.stdout.split(), ran.returncode) == (["kernel", "run", "run", "end"], 0), ran.stderr
