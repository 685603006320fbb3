"""The memory of one tensor of an engine, allocated once: page-locked on the host, and on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.gpu import Gpu


class TensorBuffer:
    """Memory for the tensor's largest shape, initially zero. Its methods need a current context.

    stream: everything is copied on it. host: (size,) page-locked, so that copies are asynchronous.
    address: the device address of the same values.
    mapped: the GPU accesses ``host`` directly, without copies. Meant for GPUs that share the processor's memory; on
    others every access crosses the bus.
    """

    def __init__(self, gpu: Gpu, stream: Any, size: int, dtype: np.dtype[Any], *, mapped: bool) -> None:
        self._driver, self._stream = gpu.driver, stream
        flags = self._driver.host_alloc_flags.DEVICEMAP if mapped else 0
        self.host: NDArray[Any] = self._driver.pagelocked_empty(size, dtype, mem_flags=flags)
        self.host.fill(0)
        self._allocation = self.host.base
        self._device: Any = None if mapped else self._driver.mem_alloc(self.host.nbytes)
        self.address: int = self._allocation.get_device_pointer() if self._device is None else int(self._device)

    def upload(self, count: int) -> None:
        """Enqueue the copy of the first ``count`` values to the GPU."""
        if self._device is not None:
            self._driver.memcpy_htod_async(self._device, self.host[:count], self._stream)

    def download(self, count: int) -> None:
        """Enqueue the copy of the first ``count`` values to the host."""
        if self._device is not None:
            self._driver.memcpy_dtoh_async(self.host[:count], self._device, self._stream)

    def free(self) -> None:
        """Free both; ``host`` must not be accessed afterwards."""
        if self._device is not None:
            self._device.free()
        self._allocation.free()
        # The traceback of a failed copy may keep this object, but must not keep the stream: it is to be destroyed
        # while the context is current.
        del self._stream
