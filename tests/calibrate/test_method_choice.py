"""The chosen method has the least error on clips that the ranges were not taken from."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.quantisation.method_choice import TRIED_METHODS, best_quantiser, evaluation_clips
from calibrate.quantisation.quantise import Quantiser


def written_error(source: Path, int8: Path, clips: list[np.ndarray]) -> float:
    """RMS error of the logits by ONNX Runtime."""
    wanted, given = (
        np.concatenate([ort.InferenceSession(str(p)).run(None, {"clip": clip})[0] for clip in clips])
        for p in (source, int8)
    )
    return float(np.sqrt(np.mean((wanted - given) ** 2)))


@pytest.mark.parametrize("reach", [1.0, 3.0])
def test_the_chosen_method_has_the_least_error(tmp_path: Path, capsys, reach: float) -> None:
    source, clips = networks.student(tmp_path / "student.onnx"), networks.samples(24)
    samples, others = clips[:16], [reach * clip for clip in clips[16:]]
    errors = {}
    for method in TRIED_METHODS:
        quantiser = Quantiser(source, samples, method)
        onnx.save(quantiser.rounded(quantiser.layers[:1], samples), str(tmp_path / f"{method}.onnx"))
        errors[method] = written_error(source, tmp_path / f"{method}.onnx", others)
    capsys.readouterr()
    method = best_quantiser(source, samples, others).method
    assert errors[method] == min(errors.values())
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert all(f"{method} {error:.4f}" in said for method, error in errors.items())


def test_larger_movements_choose_wider_ranges(tmp_path: Path) -> None:
    source, clips = networks.student(tmp_path / "student.onnx"), networks.samples(24)
    samples = clips[:16]
    chosen = [best_quantiser(source, samples, [reach * clip for clip in clips[16:]]).method for reach in (0.3, 6.0)]
    reaches = [max(Quantiser(source, samples, method).write(tmp_path / f"{method}.onnx").values()) for method in chosen]
    assert reaches[0] < reaches[1]


def test_evaluation_clips_are_held_out_unless_too_few_are_left() -> None:
    assert evaluation_clips(6, np.array([0, 2, 5])).tolist() == [1, 3, 4]
    assert evaluation_clips(90, np.arange(80)).tolist() == list(range(80, 90)), "an eighth is enough"
    assert evaluation_clips(89, np.arange(80)).tolist() == list(range(89))
    # Every third of 900.
    assert evaluation_clips(1000, np.arange(100)).tolist() == list(range(100, 1000, 3))
