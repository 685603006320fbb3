"""Further layers of a student stay in floating point, within the file size limit."""

from pathlib import Path

import networks
import numpy as np
import onnxruntime as ort

from calibrate.quantisation.float_layers import noisiest_within
from calibrate.quantisation.quantise import Quantiser

LAYERS = ["stem", "spatial", "temporal", "classifier"]


def error(source: Path, int8: Path, clips: list[np.ndarray]) -> float:
    """Mean squared error of the logits."""
    wanted, given = (
        np.concatenate([ort.InferenceSession(str(path)).run(None, {"clip": clip})[0] for clip in clips])
        for path in (source, int8)
    )
    return float(np.mean((wanted - given) ** 2))


def test_all_layers_are_float_within_a_large_limit_and_none_more_within_a_small_one(tmp_path: Path) -> None:
    source, clips = networks.student(tmp_path / "student.onnx"), networks.samples(24)
    quantiser = Quantiser(source, clips[:16], "minmax")
    assert quantiser.layers == LAYERS
    assert sorted(noisiest_within(quantiser, ["stem"], clips[16:], 1e9)) == sorted(LAYERS)
    assert noisiest_within(quantiser, ["stem"], clips[16:], 100) == ["stem"]


def test_the_file_is_within_any_limit(tmp_path: Path) -> None:
    source, clips = networks.student(tmp_path / "student.onnx"), networks.samples(24)
    quantiser, written = Quantiser(source, clips[:16], "minmax"), tmp_path / "student.int8.onnx"

    def size(float_layers: list[str]) -> int:
        quantiser.write(written, float_layers)
        return written.stat().st_size

    used = set()
    for limit in range(size(["stem"]), size(LAYERS) + 1200, 400):
        kept = noisiest_within(quantiser, ["stem"], clips[16:], limit)
        assert kept[0] == "stem" and size(kept) <= limit
        used.add(tuple(kept))
    assert len(used) > 2


def test_the_noisiest_layer_comes_first(tmp_path: Path) -> None:
    source, clips = networks.student(tmp_path / "student.onnx"), networks.samples(40)
    quantiser, written = Quantiser(source, clips[:16], "minmax"), tmp_path / "student.int8.onnx"
    alone = {}
    for layer in LAYERS[1:]:
        quantiser.write(written, [other for other in LAYERS if other != layer])
        alone[layer] = error(source, written, clips[16:])
    order = noisiest_within(quantiser, ["stem"], clips[16:], 1e9)[1:]
    assert order[0] == max(alone, key=lambda layer: alone[layer])
