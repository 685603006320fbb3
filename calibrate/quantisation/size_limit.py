"""Bytes that a student's INT8 file leaves free, spent on the layers that are noisiest in eight bits.

On training clips a network is sure of itself: they show the noise of its logits, and hardly ever a decision that the
noise would change on new people. So where decisions ask for no further layers in floating point, size is the limit.
A small student's noisiest layers are its first unit's and the classifier, which are also its smallest.
"""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.quantisation.compact import compact
from calibrate.quantisation.onnx_graph import Array
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import SAMPLES, layer_losses


def noisiest_within(
    quantiser: Quantiser, kept: Sequence[str], judged: Sequence[Array], largest_bytes: float
) -> list[str]:
    """``kept``, and of the other layers those whose return to floating point the size allows, the noisiest first.

    judged: clips (1, C, T, V, M) that the ranges were not taken from. A layer that would make the file too large is
    passed over, and a smaller one may follow.
    """
    found = list(kept)
    if _bytes(quantiser, found) > largest_bytes:
        return found
    for loss in layer_losses(quantiser, judged, decides=False):
        if loss.layer not in found and _bytes(quantiser, [*found, loss.layer]) <= largest_bytes:
            found.append(loss.layer)
    return found


def _bytes(quantiser: Quantiser, float_layers: Sequence[str]) -> int:
    """Of the file with these layers in floating point; the few clips change only the values of biases."""
    return int(compact(quantiser.rounded(float_layers, quantiser.samples[:SAMPLES])).ByteSize())
