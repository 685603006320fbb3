"""The kept engine of a pose network: the fastest that finds the same people, on a board with a fake driver."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import networks
import numpy as np
import onnxruntime as ort
import pytest
from heatmap_person import SIDE, person_network

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.best_engine import engine
from calibrate.tensorrt.configuration import EngineConfig
from edge.contract.errors import DataError, EngineError
from edge.engines.registry import open_engine

JOINTS = np.random.default_rng(1).uniform(0.1, 0.9, (18, 2)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A network that always sees one person, an INT8 file, and a folder of images."""
    person_network(tmp_path / "pose.onnx", JOINTS)
    images = [np.ones((1, 3, 16, 16), np.float32)]
    Quantiser(networks.separable(tmp_path / "any.onnx"), images, "minmax").write(tmp_path / "pose.int8.onnx")
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((SIDE, SIDE, 3), 50 * i, np.uint8))
    return {"onnx": tmp_path / "pose.onnx", "int8": tmp_path / "pose.int8.onnx", "frames": tmp_path}


def on_board(board, files: dict[str, Path], **maps: float) -> None:
    """Put a board in place. maps: precision -> factor of its engine's heatmaps."""
    session = ort.InferenceSession(str(files["onnx"]))

    def compute(flags: set[str], image: np.ndarray) -> tuple[np.ndarray, ...]:
        built = "int8" if "INT8" in flags else "fp16" if "FP16" in flags else "fp32"
        heatmaps, fields = session.run(["cmap", "paf"], {"image": image})
        return np.float32(maps.get(built, 1)) * heatmaps, fields

    shape = {"image": (1, SIDE, SIDE, 3)}
    board(inputs=shape, outputs=("cmap", "paf"), kinds={"image": "UINT8"}, compute=compute)


def kept(board, files: dict[str, Path], capsys, precision: Any = "auto", **maps: float) -> tuple[str, str]:
    """Precision of the kept engine, and the output."""
    on_board(board, files, **maps)
    out = files["frames"] / "new" / "best.engine"
    engine(EngineConfig(**files, out=out, precision=precision))
    opened = open_engine(out)
    about = opened.describe().split(", ")[2]
    opened.close()
    return about, " ".join(re.sub("[│┃]", " ", capsys.readouterr().err).split())


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibrate.tensorrt.best_engine.ROUNDS", 2)


def test_an_engine_that_finds_nobody_is_rejected(board, files: dict[str, Path], capsys) -> None:
    about, said = kept(board, files, capsys, fp16=0.0, int8=0.0)
    assert about == "FP32"
    assert said.count("agrees on 0.00 %, 80 % are required") == 2


def test_an_engine_with_nan_outputs_is_rejected_and_the_others_are_evaluated(
    board, files: dict[str, Path], capsys
) -> None:
    """As from an FP16 overflow: the largest number is 65504."""
    about, said = kept(board, files, capsys, fp32=1.0, fp16=np.nan, int8=1.0)
    assert about in ("FP32", "INT8+FP16")
    assert "NaN or infinite values" in said


def test_nan_outputs_of_the_reference_are_an_error(board, files: dict[str, Path], capsys) -> None:
    with pytest.raises(EngineError, match="NaN or infinite"):
        kept(board, files, capsys, fp32=np.nan)
    assert not (files["frames"] / "new" / "best.engine").exists()


def test_frames_in_which_the_reference_finds_nobody_are_refused(board, files: dict[str, Path], capsys) -> None:
    with pytest.raises(DataError, match="the FP32 network finds nobody in it; give frames with people"):
        kept(board, files, capsys, fp32=0.0, fp16=0.0, int8=0.0)
    assert not (files["frames"] / "new" / "best.engine").exists()


def test_a_forced_precision_is_compared_with_fp32_and_the_third_is_not_built(
    board, files: dict[str, Path], capsys
) -> None:
    about, said = kept(board, files, capsys, precision="fp16", fp16=0.0)
    assert about == "FP16" and "although it agrees on 0.00 %" in said
    assert said.count("not built, because fp16 was forced") == 1


def test_the_command_says_how_many_images_and_people_decide(board, files: dict[str, Path]) -> None:
    on_board(board, files, fp16=0.0, int8=0.0)
    engine(EngineConfig(**files, pictures=2, min_people_agreement=0.0, precision="int8"))
    record = json.loads((files["frames"] / "pose.engine.json").read_text())
    assert record["comparison"]["reference"].endswith(f", 2 images of {files['frames'].name}")
    int8 = record["comparison"]["engines"][2]
    assert (int8["agreement"], int8["verdict"]) == (0, "kept: forced"), "within the budget"
