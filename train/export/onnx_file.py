"""Export a PyTorch network as an ONNX file; used for students, streams and pose networks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.contract.errors import DataError
from edge.contract.files import atomic_write

OPSET = 17
"""The newest that TensorRT 8.5 supports."""
TOLERANCE = 1e-4
"""Largest allowed difference between outputs of ONNX and PyTorch, relative to the largest output or to 1."""


def write_network(
    network: nn.Module,
    example: tuple[Any, ...],
    path: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    batch: bool = False,
    check: Callable[[Path], None] = lambda partial: None,
) -> None:
    """Export ``network(*example)`` in opset 17 with these input and output names; write nothing if anything fails.

    example: tensors, and lists of tensors. batch: whether the first axis of the only input is dynamic. check: called
    with the temporary file before it replaces ``path``; raises if its outputs are wrong.
    Raises DataError for a file of another opset, and what ONNX's checker raises.
    """
    with atomic_write(path) as partial:
        with quiet_exporter():
            torch.onnx.export(
                network.eval(),
                example,
                partial,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},) if batch else None,
            )
        model = onnx.load(partial)
        onnx.checker.check_model(model, full_check=True)
        (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if opset != OPSET:
            raise DataError(f"the exporter wrote opset {opset}, but TensorRT 8.5 needs {OPSET}", where=path)
        check(partial)


def require_close(found: NDArray[Any] | None, expected_tensor: Tensor, what: str) -> None:
    """Raise DataError unless ``found`` is within TOLERANCE of PyTorch's tensor; None counts as different."""
    expected = expected_tensor.numpy()
    error = float("nan") if found is None else float(np.abs(found - expected).max())
    if not error <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise DataError(f"the exported {what} differs from PyTorch by {error:g}")


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silence the exporter: it warns that it converts from opset 18, and the opset is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
