"""The memory of one tensor of an engine, taken once: page-locked on the host, and where the GPU reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.gpu import Gpu


class TensorBuffer:
    """As much memory as the tensor's largest shape needs, zero at first.

    host: (size,) page-locked, so that copies are asynchronous. address: where the GPU finds the same values.
    mapped: the GPU reads and writes ``host`` itself, without copies. Meant for GPUs that share the processor's memory;
    on others every access goes over the bus. The calls need a current context.
    """

    def __init__(self, gpu: Gpu, size: int, dtype: np.dtype[Any], *, mapped: bool) -> None:
        self._driver = gpu.driver
        flags = self._driver.host_alloc_flags.DEVICEMAP if mapped else 0
        # CUDA gives no memory of size 0.
        self.host: NDArray[Any] = self._driver.pagelocked_empty(max(size, 1), dtype, mem_flags=flags)
        self.host.fill(0)
        self._allocation = self.host.base
        self._device: Any = None if mapped else self._driver.mem_alloc(self.host.nbytes)
        self.address: int = self._allocation.get_device_pointer() if self._device is None else int(self._device)

    def upload(self, count: int, stream: Any) -> None:
        """Enqueue the first ``count`` values' way to the GPU."""
        if self._device is not None and count:
            self._driver.memcpy_htod_async(self._device, self.host[:count], stream)

    def download(self, count: int, stream: Any) -> None:
        """Enqueue the first ``count`` values' way back."""
        if self._device is not None and count:
            self._driver.memcpy_dtoh_async(self.host[:count], self._device, stream)

    def free(self) -> None:
        """Give both memories back; ``host`` must not be read any more."""
        if self._device is not None:
            self._device.free()
        self._allocation.free()
