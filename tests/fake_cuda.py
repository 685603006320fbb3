"""A fake GPU: the part of ``pycuda`` and the driver's library that engines call, stricter than both.

Work on a stream runs only when something waits for it, so that reading too early gives old values. Memory is filled
with garbage when it is allocated and when it is freed. What would crash or hang a real GPU raises :class:`Misuse`:
double free, use after free, a copy of the wrong size or from pageable memory, an address that the GPU cannot access, a
call without a context, waiting during a stream capture.
"""

import threading
from collections.abc import Callable
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

INVALIDATED, UNSUPPORTED = 901, 801


class Misuse(AssertionError):
    """Incorrect use of the driver. Not an SkdError, so that no code handles it as an expected failure."""


class Error(Exception):
    """``pycuda.driver.Error``."""


class OutOfMemory(Error):
    """``pycuda.driver.MemoryError``."""


class Region:
    """Bytes at an address of the GPU's or the host's page-locked memory."""

    def __init__(self, gpu: "FakeGpu", size: int) -> None:
        gpu.needs_context()
        gpu.needs_no_recording("memory is taken")
        if size <= 0:
            raise Misuse("CUDA gives no memory of size 0")
        self._gpu, self.freed = gpu, False
        self.bytes = np.full(size, 0xCD, np.uint8)
        # A high address, as real ones are, so that truncation to 32 bits is detected.
        self.address = 0x7F00_0000_0000 + next(gpu.numbers) * 0x1_0000_0000
        gpu.taken.append(self)

    def __int__(self) -> int:
        return self.address

    def free(self) -> None:
        if self._gpu.lost:
            raise Misuse("memory is freed on a lost GPU")
        self._gpu.needs_context()
        if self.freed:
            raise Misuse("memory is freed twice")
        if any(stream.waiting for stream in self._gpu.streams.values()):
            raise Misuse("memory is freed while work is under way, which may use it")
        self.freed = True
        self.bytes[:] = 0xDD

    def checked(self, size: int) -> np.ndarray:
        if self.freed:
            raise Misuse("freed memory is used")
        if size > self.bytes.size:
            raise Misuse(f"{size} bytes are used, {self.bytes.size} were taken")
        return self.bytes[:size]


class PageLocked(Region):
    """The base of arrays from ``pagelocked_empty``."""

    def __init__(self, gpu: "FakeGpu", size: int, mapped: bool) -> None:
        super().__init__(gpu, size)
        self.mapped = mapped

    def get_device_pointer(self) -> int:
        if not self.mapped:
            raise Misuse("memory that is not mapped has no address on the GPU")
        return self.address

    def as_array(self, shape: int, dtype: Any) -> np.ndarray:
        kind = np.dtype(dtype)
        pointer = self.bytes.__array_interface__["data"]
        interface = {"data": pointer, "shape": (shape,), "typestr": kind.str, "version": 3}
        self.__array_interface__ = interface
        return np.asarray(self)

    def holds(self, array: np.ndarray) -> bool:
        start, first = self.bytes.ctypes.data, array.ctypes.data
        return start <= first and first + array.nbytes <= start + self.bytes.size


class Stream:
    def __init__(self, gpu: "FakeGpu", flags: int = 0) -> None:
        gpu.needs_context()
        self._gpu, self.flags = gpu, flags
        self.handle = 0x5500_0000_0000 + next(gpu.numbers) * 0x1_0000_0000
        self.waiting: list[Callable[[], None]] = []
        self.recorded: list[Callable[[], None]] | None = None
        self.invalid = False
        gpu.streams[self.handle] = self

    def add(self, work: Callable[[], None]) -> None:
        self._gpu.needs_context()
        if self.recorded is None:
            self.waiting.append(work)
        elif self._gpu.records != "nothing":
            self.recorded.append(work)

    def synchronize(self) -> None:
        self._gpu.needs_context()
        self._gpu.needs_no_recording("somebody waits")
        while self.waiting:
            self.waiting.pop(0)()


class Event:
    def __init__(self, gpu: "FakeGpu", flags: int = 0) -> None:
        gpu.needs_context()
        self._gpu, self.flags, self.at_ms, self._stream = gpu, flags, None, None
        gpu.events.append(self)

    def record(self, stream: Stream) -> "Event":
        if stream.recorded is not None:
            raise Misuse("the time of an event in a recording is never known")
        self._stream, self.at_ms = stream, None
        stream.add(self._happen)
        return self

    def _happen(self) -> None:
        self.at_ms = self._gpu.clock_ms

    def synchronize(self) -> "Event":
        while self.at_ms is None and self._stream is not None and self._stream.waiting:
            self._gpu.needs_no_recording("somebody waits")
            self._stream.waiting.pop(0)()
        return self

    def time_since(self, start: "Event") -> float:
        if self.at_ms is None or start.at_ms is None:
            raise Misuse("the time of an event that has not happened")
        return self.at_ms - start.at_ms


class PrimaryContext:
    """A retained context; as with pycuda, only the thread that retained it can release it."""

    def __init__(self, gpu: "FakeGpu") -> None:
        self._gpu, self._thread, self._is_valid = gpu, threading.get_ident(), True
        gpu.retained += 1

    def push(self) -> None:
        if not self._is_valid:
            raise Misuse("a context that was given back is pushed")
        self._gpu.push()

    def pop(self) -> None:
        self._gpu.pop()

    def detach(self) -> None:
        if not self._is_valid:
            raise Misuse("a context is given back twice")
        self._is_valid = False
        if self._thread == threading.get_ident():
            self._gpu.retained -= 1


class FakeGpu:
    """retained: how often the primary context is retained. taken: all allocated memory, freed or not.

    clock_ms: a copy takes 100, a kernel as long as it says. lost: the error of every call since a kernel failed.
    aborted: a destructor of TensorRT ran since, which ends the process.

    records: "all"; "nothing" where a device takes no part in recordings; "refused" where the driver cannot record.
    """

    def __init__(
        self,
        name: str = "Orin",
        compute_capability: tuple[int, int] = (8, 7),
        *,
        integrated: bool = True,
        multiprocessors: int = 16,
        records: str = "all",
    ) -> None:
        self.name, self.compute_capability, self.records = name, compute_capability, records
        self.integrated, self.multiprocessors = integrated, multiprocessors
        self.numbers, self.clock_ms = count(1), 0.0
        self.retained, self.lost, self.aborted = 0, "", False
        self.taken: list[Region] = []
        self.streams: dict[int, Stream] = {}
        self.events: list[Event] = []
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launches = self.copies = self.copied_bytes = 0
        self._contexts = threading.local()

    def push(self) -> None:
        self._contexts.depth = getattr(self._contexts, "depth", 0) + 1

    def pop(self) -> None:
        self._contexts.depth -= 1

    def needs_context(self) -> None:
        if not getattr(self._contexts, "depth", 0):
            raise Misuse("a call without a context on this thread")
        if self.lost:
            raise Error(self.lost)

    def lose(self, why: str) -> None:
        """What a kernel does that accesses memory of nobody."""
        self.lost = why
        raise Error(why)

    def needs_no_recording(self, what: str) -> None:
        if any(stream.recorded is not None for stream in self.streams.values()):
            raise Misuse(f"{what} while a stream is recorded")

    def at(self, address: int) -> Region:
        """The memory that the GPU sees there."""
        for region in self.taken:
            if region.address == address and not (isinstance(region, PageLocked) and not region.mapped):
                return region
        raise Misuse("the GPU sees no memory at that address")

    def page_locked(self, array: np.ndarray) -> np.ndarray:
        if not array.flags.c_contiguous:
            raise Misuse("a copy of an array with gaps")
        if not any(isinstance(r, PageLocked) and not r.freed and r.holds(array) for r in self.taken):
            raise Misuse("a copy from or to memory that is not page-locked, or no more")
        return array.view(np.uint8)

    def copy(self, into: np.ndarray, out_of: np.ndarray) -> None:
        into[:] = out_of
        self.clock_ms += 100
        self.copies += 1
        self.copied_bytes += into.size

    def modules(self) -> dict[str, ModuleType]:
        """``pycuda`` and ``pycuda.driver``, by name."""

        def pagelocked_empty(shape: int, dtype: Any, order: str = "C", mem_flags: int = 0) -> np.ndarray:
            return PageLocked(self, shape * np.dtype(dtype).itemsize, bool(mem_flags & 2)).as_array(shape, dtype)

        def memcpy_htod_async(dest: Region, src: np.ndarray, stream: Stream) -> None:
            host = self.page_locked(src)
            dest.checked(host.size)
            stream.add(lambda: self.copy(dest.checked(host.size), self.page_locked(src)))

        def memcpy_dtoh_async(dest: np.ndarray, src: Region, stream: Stream) -> None:
            host = self.page_locked(dest)
            src.checked(host.size)
            stream.add(lambda: self.copy(self.page_locked(dest), src.checked(host.size)))

        driver = ModuleType("pycuda.driver")
        driver.Error, driver.MemoryError = Error, OutOfMemory
        driver.init = lambda: None
        driver.host_alloc_flags = SimpleNamespace(PORTABLE=1, DEVICEMAP=2, WRITECOMBINED=4)
        driver.event_flags = SimpleNamespace(DEFAULT=0, BLOCKING_SYNC=1, DISABLE_TIMING=2)
        driver.device_attribute = SimpleNamespace(INTEGRATED="integrated", MULTIPROCESSOR_COUNT="multiprocessors")
        driver.Device = lambda index: SimpleNamespace(
            name=lambda: self.name,
            compute_capability=lambda: self.compute_capability,
            get_attribute=lambda attribute: int(getattr(self, attribute)),
            retain_primary_context=lambda: PrimaryContext(self),
        )
        driver.Stream = lambda flags=0: Stream(self, flags)
        driver.Event = lambda flags=0: Event(self, flags)
        driver.mem_get_info = lambda: self.needs_context() or (1 << 30, 2 << 30)
        driver.mem_alloc = lambda size: Region(self, size)
        driver.pagelocked_empty = pagelocked_empty
        driver.memcpy_htod_async, driver.memcpy_dtoh_async = memcpy_htod_async, memcpy_dtoh_async
        package = ModuleType("pycuda")
        package.driver = driver
        return {"pycuda": package, "pycuda.driver": driver}
