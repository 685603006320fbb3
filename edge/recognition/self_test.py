"""Is a network the bundle's student? Its answers to the reference clips, against those that are stored with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from edge.contract.bundle import Bundle
from edge.contract.errors import EngineError
from edge.contract.types import Float32

MIN_AGREEMENT = 0.75
"""Of the decisions. INT8 may turn a close one of sixteen; a wrong or broken network turns most."""


@dataclass(frozen=True)
class SelfTest:
    """This network's answers to the bundle's reference clips, against those of the FP32 student.

    agreement: part of the decisions that are the same. error: largest difference of a logit,
    as part of the largest logit.
    """

    clips: int
    agreement: float
    error: float

    @staticmethod
    def of(given: Float32, expected: Float32) -> SelfTest:
        """Of logits (N, K)."""
        return SelfTest(
            clips=len(given),
            agreement=float((given.argmax(1) == expected.argmax(1)).mean()),
            error=float(np.abs(given - expected).max() / np.abs(expected).max()),
        )

    @property
    def passed(self) -> bool:
        """Whether enough decisions agree."""
        return self.agreement >= MIN_AGREEMENT

    def describe(self) -> str:
        """For people, with what it takes to pass: in a few clips a close decision weighs much."""
        same, needed = round(self.agreement * self.clips), ceil(MIN_AGREEMENT * self.clips)
        return (
            f"{same} of {self.clips} reference clips decided as in FP32 (a wrong network gets few, {needed} pass); "
            f"logits within {100 * self.error:.1f} % of the largest"
        )

    def require(self, engine: str) -> None:
        """Raises EngineError where these are not answers of the bundle's student. engine: for people, which one."""
        if not self.passed:
            raise EngineError(
                f"the network decides as the bundle says on {100 * self.agreement:.0f} % of {self.clips} clips only",
                where=engine,
                hint="run `python -m edge check`; build the engine or calibrate the bundle again",
            )


def self_test(bundle: Bundle, file: str, logits: Callable[[Float32], Float32], most: int | None = None) -> SelfTest:
    """Hold a network's ``logits`` (N, K) of clips (N, C, T, V, M) against those in a ``file`` of the bundle.

    most: so many clips of the file, from the first. Raises BundleError where they are damaged or do not fit the
    manifest.
    """
    reference = bundle.reference(file)
    return SelfTest.of(logits(reference["clips"][:most]), reference["logits"][:most])
