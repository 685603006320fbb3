"""Networks as ONNX files, against ONNX Runtime and PyTorch, and what is refused."""

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import DataError
from train.export.onnx_file import require_close, write_network

# PyTorch 2.13's exporter calls a deprecated function of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


class Shrunk(nn.Module):
    """Smaller images without aliasing, which opset 17 lacks."""

    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(images, size=(4, 4), mode="bilinear", antialias=True)


def test_a_network_is_written_quietly_as_it_is_in_inference_for_batches_of_any_size(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    path, rows = tmp_path / "new" / "network.onnx", torch.randn(5, 3)
    network(7 + 2 * torch.randn(100, 3))  # statistics other than those of the rows
    before = logging.root.manager.disable
    write_network(network, (rows[:2],), path, inputs=["x"], outputs=["y"], batch=True)
    assert logging.root.manager.disable == before and capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    (given,) = onnxruntime.InferenceSession(path).run(["y"], {"x": rows.numpy()})
    np.testing.assert_allclose(given, network.eval()(rows).detach().numpy(), atol=1e-6)
    assert [entry.version for entry in onnx.load(path).opset_import] == [17]
    assert [file.name for file in path.parent.iterdir()] == ["network.onnx"]


def test_an_operator_that_opset_17_lacks_is_refused_and_the_former_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_text("former")
    with pytest.raises(DataError, match=r"exporter wrote opset 18, but TensorRT 8\.5 needs 17"):
        write_network(Shrunk(), (torch.zeros(1, 3, 8, 8),), path, inputs=["x"], outputs=["y"])
    assert path.read_text() == "former" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("largest", "error", "close"),
    [(0.1, 9e-5, True), (0.1, 2e-4, False), (100, 9e-3, True), (100, 2e-2, False), (1, np.nan, False)],
)
def test_outputs_may_differ_by_a_ten_thousandth_of_the_largest_or_of_1(
    largest: float, error: float, close: bool
) -> None:
    expected = np.array([[-largest, 0, largest / 2]], np.float32)
    found = expected + np.array([0, error, 0], np.float32)
    if close:
        require_close(found, torch.from_numpy(expected), "network")
    else:
        with pytest.raises(DataError, match="the exported network differs from PyTorch by"):
            require_close(found, torch.from_numpy(expected), "network")


def test_a_missing_output_differs() -> None:
    with pytest.raises(DataError, match="differs from PyTorch by nan"):
        require_close(None, torch.zeros(1), "stream")
