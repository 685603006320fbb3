"""Memory of freed images returns to the system at once."""

import os
import platform
import subprocess
import sys

import pytest

gnu = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")

IMAGES = """
import contextlib, sys
from pathlib import Path
import numpy as np
from edge.contract.errors import BundleError
from edge.loop.parts import open_parts
from edge.loop.config import RunConfig
from edge.loop.malloc import mmap_large_allocations
from edge.soak.memory import PAGE_BYTES, STATM

def resident_mb():
    return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6

if "mmap" in sys.argv:
    mmap_large_allocations()
if "loop" in sys.argv:
    with contextlib.suppress(BundleError), open_parts(RunConfig("0", Path("no bundle"))):
        pass
np.ones(20_000_000, np.uint8)
images = [np.ones(3_000_000, np.uint8) for _ in range(100)]
kept, before = images[::10], resident_mb()
del images
print(before - resident_mb())
"""


def returned_mb(*how, **environment):
    """MB returned, in a subprocess, when 90 of 100 images of 3 MB are freed and every tenth is kept."""
    run = [sys.executable, "-c", IMAGES, *how]
    kept = {name: value for name, value in os.environ.items() if "MALLOC" not in name and "TUNABLES" not in name}
    ran = subprocess.run(run, env={**kept, **environment}, capture_output=True, text=True, check=True, timeout=60)
    return float(ran.stdout)


@gnu
def test_freed_images_return_to_the_system():
    assert returned_mb() < 100, "otherwise glibc needs no help"
    assert returned_mb("mmap") == pytest.approx(270, abs=10)
    assert returned_mb("loop") == pytest.approx(270, abs=10)


@gnu
@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_a_threshold_set_by_the_user_stays(name):
    value = "30000000" if name.startswith("MALLOC") else "glibc.malloc.mmap_threshold=30000000"
    assert returned_mb("mmap", **{name: value}) < 100
