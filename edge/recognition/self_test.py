"""Self-test: compare a network's logits of the bundle's reference clips with the logits stored with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from edge.contract.bundle import EXPORT_AGAIN, Bundle
from edge.contract.errors import BundleError, EngineError
from edge.contract.types import Float32

MIN_AGREEMENT = 0.75
"""Part of the decisions. INT8 may change a close one of sixteen; a wrong or broken network changes most."""


@dataclass(frozen=True)
class SelfTest:
    """A network's logits compared with those of the FP32 student on the bundle's reference clips.

    agreement: part of equal decisions. error: greatest difference of a logit, as part of the greatest logit.
    """

    clips: int
    agreement: float
    error: float

    @staticmethod
    def of(given: Float32, expected: Float32) -> SelfTest:
        """Compare logits (N, K)."""
        return SelfTest(
            clips=len(given),
            agreement=float((given.argmax(1) == expected.argmax(1)).mean()),
            error=float(np.abs(given - expected).max() / np.abs(expected).max()),
        )

    @property
    def passed(self) -> bool:
        return self.agreement >= MIN_AGREEMENT

    def describe(self) -> str:
        """Text with the number of clips needed to pass: of few clips, one close decision weighs much."""
        same, needed = round(self.agreement * self.clips), ceil(MIN_AGREEMENT * self.clips)
        return (
            f"{same} of {self.clips} reference clips agree with FP32 (at least {needed} required); "
            f"logits within {100 * self.error:.1f} % of the largest"
        )

    def require(self, student: str) -> None:
        """Raise EngineError if the test failed: the network is not the bundle's. student: its description."""
        if not self.passed:
            raise EngineError(
                f"the network agrees with the bundle's reference on only {100 * self.agreement:.0f} % "
                f"of {self.clips} clips",
                where=student,
                hint="run `python -m edge check`; build the engine or calibrate the bundle again",
            )


def self_test(bundle: Bundle, file: str, logits: Callable[[Float32], Float32], limit: int | None = None) -> SelfTest:
    """Compare a network's ``logits`` (N, K) of clips (N, C, T, V, M) with those in a reference file of the bundle.

    limit: only the first clips of the file. Raises BundleError if the file is damaged or does not fit the manifest.
    """
    reference = bundle.reference(file)
    given, expected = logits(reference["clips"][:limit]), reference["logits"][:limit]
    if given.shape != expected.shape:
        what = f"the student returns logits {given.shape} for {len(expected)} clips"
        raise BundleError(what, where=bundle.folder, hint=EXPORT_AGAIN)
    return SelfTest.of(given, expected)
