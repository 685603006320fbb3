"""Leave further layers of a student in floating point, noisiest first, as far as the file size allows.

A network is confident about the clips it was trained on: they show the noise of its logits, but hardly a decision that
this noise would change for new people. Beyond the float layers that decisions ask for, file size is therefore the
limit. A small student's noisiest layers, those of its first unit and the classifier, are also its smallest.
"""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.quantisation.compact import compact
from calibrate.quantisation.onnx_graph import Array
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import SAMPLES, layer_losses


def noisiest_within(
    quantiser: Quantiser, kept: Sequence[str], evaluated_on: Sequence[Array], largest_bytes: float
) -> list[str]:
    """Return the float layers ``kept`` and as many others, noisiest first, as fit into ``largest_bytes``.

    evaluated_on: clips (1, C, T, V, M) that the ranges were not taken from. A layer that would make the file too large
    is skipped; a smaller one may follow.
    """
    found = list(kept)
    if _bytes(quantiser, found) > largest_bytes:
        return found
    for loss in layer_losses(quantiser, evaluated_on, decides=False):
        if loss.layer not in found and _bytes(quantiser, [*found, loss.layer]) <= largest_bytes:
            found.append(loss.layer)
    return found


def _bytes(quantiser: Quantiser, float_layers: Sequence[str]) -> int:
    """Return the size of the file with these float layers. Few samples suffice: they only change bias values."""
    return int(compact(quantiser.rounded(float_layers, quantiser.samples[:SAMPLES])).ByteSize())
