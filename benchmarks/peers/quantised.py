"""INT8 networks of the comparison, for every network alike: as ``python -m calibrate student`` makes them, in short.

Its search for the best ranges, and for layers without which decisions would miss a budget, is left out. What it does
with every student is done with every network: the first layer, which reads coordinates, stays in floating point, and
so do, the noisiest first, as many others as 30 % of the FP32 file's size have room for.
"""

from __future__ import annotations

from pathlib import Path

from calibrate.calibration_set import Method
from calibrate.evaluation.compare import unbatched
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.size_limit import noisiest_within
from calibrate.student import StudentConfig
from edge.contract.types import Float32

MOST_BYTES = StudentConfig.max_size / 100
"""Of the FP32 file, for every network alike."""


def write_int8(whole: Path, small: Path, samples: Float32, judged: Float32, method: Method) -> int:
    """Write the INT8 form of an FP32 network, and return how many of its layers stayed in floating point.

    samples: clips (N, C, T, V, M) that ranges are taken from. judged: others, on which the noisiest layers are found.
    EngineError where the network cannot be quantised.
    """
    quantiser = Quantiser(whole, unbatched(samples), method)
    limit = MOST_BYTES * whole.stat().st_size
    kept = noisiest_within(quantiser, quantiser.layers[:1], unbatched(judged), limit)
    quantiser.write(small, kept)
    return len(kept)
