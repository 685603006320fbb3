"""Networks in the styles of current pose and action models, exported by PyTorch, quantise for every runtime."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from calibrate.evaluation.layer_gaps import layer_gaps
from calibrate.quantisation.onnx_graph import read_onnx
from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.half_precision import to_half_precision
from calibrate.tensorrt.parser_gate import gate

torch = pytest.importorskip("torch", reason="pip install 'skd-edge[train]'")
pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
nn = torch.nn


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Attention(nn.Module):
    """As in ViTPose."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attend = nn.Conv2d(3, 32, 8, 8), nn.MultiheadAttention(32, 4, batch_first=True)
        self.grow = nn.ConvTranspose2d(32, 8, 4, 2, 1)

    def forward(self, x):
        x = self.embed(x)
        tokens = x.flatten(2).transpose(1, 2)
        mixed = self.attend(tokens, tokens, tokens, need_weights=False)[0]
        return self.grow(torch.relu(x + mixed.transpose(1, 2).reshape(x.shape)))


class SqueezeExcite(nn.Module):
    """A block of MobileNetV3."""

    def __init__(self) -> None:
        super().__init__()
        self.expand, self.depthwise, self.project = (
            convolution(3, 32, 1),
            convolution(32, 32, 5, 2, 32),
            convolution(32, 8, 1),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 8, 1), nn.ReLU(), nn.Conv2d(8, 32, 1), nn.Hardsigmoid()
        )

    def forward(self, x):
        x = nn.functional.hardswish(self.depthwise(nn.functional.hardswish(self.expand(x))))
        return self.project(x * self.gate(x))


class ChannelShuffle(nn.Module):
    """A unit of ShuffleNetV2. With a dynamic batch its export computes shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.right = convolution(3, 16, 3, 4), nn.Sequential(convolution(8, 8), nn.ReLU(), convolution(8, 8))

    def forward(self, x):
        left, right = torch.relu(self.stem(x)).chunk(2, 1)
        both = torch.cat([left, torch.relu(left + self.right(right))], 1)
        n, c, h, w = both.shape
        return both.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Resolutions(nn.Module):
    """Two of HRNet's branches."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low, self.down, self.up = (
            convolution(3, 16, 3, 2),
            convolution(16, 16, 3, 2),
            convolution(16, 16, 3, 2),
            convolution(16, 16, 1),
        )

    def forward(self, x):
        high = torch.relu(self.high(x))
        low = torch.relu(self.low(high))
        high, low = torch.relu(high + nn.functional.interpolate(self.up(low), scale_factor=2)), self.down(high) + low
        return torch.cat([high, nn.functional.interpolate(low, size=high.shape[2:])], 1)


class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.mlp = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))

    def forward(self, x):
        x = self.stem(x)
        return x + self.mlp(self.depthwise(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Volumes(nn.Sequential):
    """Convolutions over time and space, as in PoseC3D."""

    def __init__(self) -> None:
        super().__init__(nn.Unflatten(2, (4, 8)), nn.Conv3d(3, 16, 3, (1, 2, 2), 1), nn.ReLU(), nn.Conv3d(16, 8, 1))


@pytest.mark.filterwarnings("ignore")  # of PyTorch's former exporter, which most networks come from
@pytest.mark.parametrize(
    ("style", "batch"),
    [(Attention, 1), (Attention, "n"), (SqueezeExcite, 1), (ChannelShuffle, "n"), (Resolutions, 1), (ConvNext, 1),
     (Volumes, 1)],
)  # fmt: skip
def test_a_network_of_each_style_quantises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: type, batch: int | str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    image, fp32, int8 = torch.randn(1, 3, 32, 32), tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    axes = {"x": {0: "n"}} if batch == "n" else None
    torch.onnx.export(
        style().eval(), (image,), str(fp32), input_names=["x"], dynamic_axes=axes, opset_version=17, dynamo=False
    )
    samples = list(np.random.default_rng(0).standard_normal((6, 1, 3, 32, 32)).astype(np.float32))
    Quantiser(fp32, samples, "mse", fit_weights=True).write(int8)
    assert set(tmp_path.iterdir()) == {fp32, int8}
    assert gate(int8, ("SM86",)).errors == ()
    assert layer_gaps(fp32, int8, samples[:2])
    networks = read_onnx(fp32), read_onnx(int8), to_half_precision(read_onnx(fp32))
    sessions = [ort.InferenceSession(model.SerializeToString()) for model in networks]
    wanted, *others = [session.run(None, {"x": samples[0]})[0] for session in sessions]
    for given in others:
        assert ((given - wanted) ** 2).mean() < 0.01 * wanted.var()
