"""Unpickle NumPy arrays and plain containers only, because a pickle can run any code."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.contract.errors import DataError
from train.data.readers.files import damaged


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """bytes as pickled by protocols below 3."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


class _Dtype:
    """numpy.dtype, which would believe the sizes and flags of any state, and make a pointer of any bytes."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Sequence[Any]) -> None:
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("it has structured arrays")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    def __setstate__(self, state: Sequence[Any]) -> None:
        version, shape, dtype, is_fortran, data = state
        super().__setstate__((version, shape, dtype.dtype, is_fortran, data))


def _scalar(dtype: _Dtype, data: Any = b"") -> Any:
    if dtype.dtype.hasobject:
        raise pickle.UnpicklingError("it has a scalar of Python objects")
    return _SCALAR(dtype.dtype, data)


_SCALAR: Any = np.float64(0).__reduce_ex__(2)[0]
_FROM_BUFFER: Any = np.zeros(1).__reduce_ex__(5)[0]
# The functions that NumPy arrays and scalars are pickled with, under all module names that they have had.
_ARRAYS = {
    "_reconstruct": lambda *_: _Array(0),
    "_frombuffer": lambda data, dtype, *layout: _FROM_BUFFER(data, dtype.dtype, *layout),
    "scalar": _scalar,
}
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module in ("multiarray", "numeric")
        for name, function in _ARRAYS.items()
    },
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, bytearray, list, dict, tuple, int, float, complex, str, bytes, bool)
    },
}

_DAMAGED = (pickle.UnpicklingError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            ImportError, OverflowError, MemoryError, RecursionError, struct.error)  # fmt: skip


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream)
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        if (found := _ALLOWED.get((module, name))) is None:
            raise DataError(
                f"the pickle needs {module}.{name}, which could run any code",
                where=self.path,
                hint="save it again with NumPy arrays and plain containers only",
            )
        return found


def read_pickle(path: Path) -> Any:
    """Unpickle the file. Raises DataError if it is missing, damaged, or needs more than arrays and containers."""
    try:
        with path.open("rb") as stream:
            return _RestrictedUnpickler(stream, path).load()
    except FileNotFoundError as error:
        raise DataError("no such dataset file", where=path, hint="give an existing file") from error
    except _DAMAGED as error:
        raise damaged(path, f"not a readable pickle: {error}") from error
