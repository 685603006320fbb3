"""A PyTorch network as an ONNX file: one way for students, streams and pose networks."""

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
"""The newest that TensorRT 8.5 reads."""
TOLERANCE = 1e-4
"""By how much an exported network's answers may differ from PyTorch's, as part of the largest, or of 1."""


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
    """Export ``network(*example)`` in opset 17, with the names given; nothing is left where anything fails.

    example: tensors, and lists of tensors. batch: whether the first axis of the only input is free. check: told the
    file before it takes its place; raises where its answers are wrong.
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
                dynamic_shapes=({0: torch.export.Dim("batch")},) if batch else None,
                verbose=False,
            )
        model = onnx.load(partial)
        onnx.checker.check_model(model, full_check=True)
        (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if opset != OPSET:
            raise DataError(f"the exporter wrote opset {opset}, TensorRT 8.5 reads {OPSET}", where=path)
        check(partial)


def refuse_difference(given: NDArray[Any] | None, wanted: Tensor, what: str, where: Path) -> None:
    """DataError where ``given`` is not PyTorch's ``wanted`` to within TOLERANCE; nothing given is a difference."""
    expected = wanted.numpy()
    error = float("nan") if given is None else float(np.abs(given - expected).max())
    if not error <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise DataError(f"the exported {what} differs from PyTorch by {error:g}", where=where)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """PyTorch writes opset 18 and converts, and says so at length; what counts is checked afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
