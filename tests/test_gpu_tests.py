"""The tests of tests/gpu run with a fake driver, because a real GPU is rarely available."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
NEEDS_MORE = (
    "test_a_pose_networks_bytes_and_peaks_go_through_an_engine",  # another network than the one in memory,
    "test_the_best_engine_of_a_bundle_is_chosen_and_runs",  # and clips of another size
    "test_alike_int8_convolutions_that_read_one_tensor_are_built",  # as the first
    "test_people_and_labels_are_those_of_onnx_runtime",  # another process
    "test_after_a_kernel_fault_every_run_says_so_and_the_process_ends_in_order",  # as the last
    "test_gpu_time_is_less_than_host_time",  # a clock that runs with the host's
)


def test_the_gpu_tests_come_as_far_as_the_gpu() -> None:
    """One of them had ended in ONNX's checker, and would have failed on every GPU."""
    without = [f"not {name}" for name in NEEDS_MORE]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "gpu_in_memory", "-k", " and ".join(without), "-rA"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))}
    ran = subprocess.run(
        [*command, str(TESTS / "gpu")], cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("\nPASSED ") >= 17 and "SKIPPED" not in ran.stdout, ran.stdout
