"""INT8 networks of the comparison: every network quantised in the same way, a short form of ``calibrate student``.

The search for the best ranges, and for layers that the accuracy budget needs in floating point, is left out. As with
every student, the first layer, which reads coordinates, stays in floating point, and so do the noisiest other layers,
as long as the file stays within 30 % of the FP32 file's size.
"""

from __future__ import annotations

from pathlib import Path

from calibrate.calibration_set import Method
from calibrate.configuration import StudentConfig
from calibrate.evaluation.compare import unbatched
from calibrate.quantisation.float_layers import noisiest_within
from calibrate.quantisation.quantise import Quantiser
from edge.contract.types import Float32

MAX_SIZE = StudentConfig.max_size / 100
"""Share of the FP32 file's size, for every network."""


def write_int8(fp32: Path, int8: Path, samples: Float32, ranking: Float32, method: Method) -> int:
    """Write the INT8 form of an FP32 network, and return how many of its layers stayed in floating point.

    samples: clips (N, C, T, V, M) for the ranges. ranking: other clips, to find the noisiest layers.
    Raises EngineError if the network cannot be quantised.
    """
    quantiser = Quantiser(fp32, unbatched(samples), method)
    limit = MAX_SIZE * fp32.stat().st_size
    float_layers = noisiest_within(quantiser, quantiser.layers[:1], unbatched(ranking), limit)
    quantiser.write(int8, float_layers)
    return len(float_layers)
