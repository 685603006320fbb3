"""The fake GPU detects misuse that would crash a real one."""

import numpy as np
import pytest
from fake_cuda import FakeGpu, Misuse


def test_the_gpu_in_memory_notices_misuse() -> None:
    gpu = FakeGpu(integrated=False)
    driver = gpu.modules()["pycuda.driver"]
    with pytest.raises(Misuse, match="without a context"):
        driver.mem_alloc(4)
    gpu.push()
    memory, host, stream = driver.mem_alloc(8), driver.pagelocked_empty(4, np.float32), driver.Stream()
    with pytest.raises(Misuse, match="16 bytes are used, 8 were taken"):
        driver.memcpy_htod_async(memory, host, stream)
    with pytest.raises(Misuse, match="not page-locked"):
        driver.memcpy_htod_async(memory, np.zeros(2, np.float32), stream)
    with pytest.raises(Misuse, match="not mapped"):
        host.base.get_device_pointer()
    driver.memcpy_htod_async(memory, host[:2], stream)
    with pytest.raises(Misuse, match="freed while work is under way"):
        memory.free()
    stream.synchronize()
    memory.free()
    with pytest.raises(Misuse, match="freed memory"):
        driver.memcpy_htod_async(memory, host[:2], stream)
    with pytest.raises(Misuse, match="freed twice"):
        memory.free()
