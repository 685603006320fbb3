"""trt_pose's ResNet-18 pose network, so that its published weights become ONNX without its toolchain.

Residual network (He et al., CVPR 2016) to 1/32 of the picture, then two heads, for heatmaps and for part
affinity fields, each upsampled three times and gated by an attention map. Names of the parameters are those
of NVIDIA-AI-IOT/trt_pose's ``resnet18_baseline_att`` (MIT), whose weights load unchanged.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from edge.contract.errors import ConfigError, EngineError
from edge.contract.files import replacing

OPSET = 17
"""The newest that TensorRT 8.5 reads."""
JOINTS, LINKS = 18, 21
UPSAMPLED = 256
STRIDE_PIXELS = 32

# ImageNet's mean and deviation of 0..1 red, green, blue, which the network was trained with.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, before, H, W) -> (N, after, H/stride, W/stride)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        out: Tensor = (y + self.downsample(x)).relu()
        return out


class ResNet18(nn.Module):
    """Picture (N, 3, H, W) -> (N, 512, H/32, W/32), without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        out: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return out


class Backbone(nn.Module):
    """Holds the residual network under the name that the weights give it."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.resnet(x)
        return out


class Heads(nn.Module):
    """(N, 512, h, w) -> heatmaps (N, 18, 8h, 8w) and part affinity fields (N, 42, 8h, 8w)."""

    def __init__(self) -> None:
        super().__init__()
        self.cmap_up = _upsampling()
        self.paf_up = _upsampling()
        self.cmap_att = nn.Conv2d(UPSAMPLED, UPSAMPLED, 3, 1, 1)
        self.paf_att = nn.Conv2d(UPSAMPLED, UPSAMPLED, 3, 1, 1)
        self.cmap_conv = nn.Conv2d(UPSAMPLED, JOINTS, 1)
        self.paf_conv = nn.Conv2d(UPSAMPLED, 2 * LINKS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cmap, paf = self.cmap_up(x), self.paf_up(x)
        cmap = cmap * self.cmap_att(cmap).sigmoid()
        paf = paf * self.paf_att(paf).tanh()
        return self.cmap_conv(cmap), self.paf_conv(paf)


def _upsampling() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (512, UPSAMPLED, UPSAMPLED):
        layers += [nn.ConvTranspose2d(before, UPSAMPLED, 4, 2, 1), nn.BatchNorm2d(UPSAMPLED), nn.ReLU()]
    return nn.Sequential(*layers)


def trt_pose_network(weights: Path | None = None) -> nn.Sequential:
    """The network, with published weights or untrained: normalised RGB (N, 3, H, W) -> heatmaps, PAFs at 1/4.

    Raises EngineError for a file that holds other weights or none.
    """
    network = nn.Sequential(Backbone(), Heads())
    if weights is None:
        return network
    hint = "give trt_pose's resnet18_baseline_att_224x224_A_epoch_249.pth"
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EngineError("no such file", where=weights, hint=hint) from error
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise EngineError("cannot be read as PyTorch weights", where=weights, hint=hint) from error
    if not isinstance(state, dict):
        raise EngineError("holds no dictionary of weights", where=weights, hint=hint)
    # The published file has ImageNet's classifier too, which nothing uses.
    state = {name: value for name, value in state.items() if not str(name).startswith("0.resnet.fc.")}
    wanted = network.state_dict()
    if odd := sorted(set(state) ^ set(wanted)):
        kind = "lacks" if odd[0] in wanted else "has an unknown"
        raise EngineError(f"holds another network's weights: {kind} {odd[0]!r}", where=weights, hint=hint)
    for name, value in wanted.items():
        if state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, not {tuple(value.shape)}"
            raise EngineError(f"holds another network's weights: {name!r} is {shapes}", where=weights, hint=hint)
    network.load_state_dict(state)
    return network


class _FromPixels(nn.Module):
    """Pixels (1, H, W, 3) uint8 RGB -> heatmaps, PAFs."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
        self.register_buffer("scale", (1 / (255 * deviation)).view(1, 3, 1, 1))
        self.register_buffer("shift", (mean / deviation).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        normalised = image.permute(0, 3, 1, 2).float() * self.get_buffer("scale") - self.get_buffer("shift")
        cmap, paf = self.network(normalised)
        return cmap, paf


def export_trt_pose(weights: Path | None, out: Path, size: int = 224) -> None:
    """Write the network as ONNX for pictures of ``size`` by ``size``, with normalisation inside.

    Input "image" (1, size, size, 3) uint8 RGB; outputs "cmap" (1, 18, size/4, size/4) and "paf" (1, 42, ..).
    weights: trt_pose's .pth; None leaves the network untrained, which only tests want.
    Raises ConfigError for a size that is no multiple of 32, EngineError for other weights.
    """
    if size % STRIDE_PIXELS or size < STRIDE_PIXELS:
        raise ConfigError(f"picture size {size} is not a multiple of {STRIDE_PIXELS}")
    network = trt_pose_network(weights).eval()
    with replacing(out) as partial:
        torch.onnx.export(
            _FromPixels(network).eval(),
            (torch.zeros(1, size, size, 3, dtype=torch.uint8),),
            partial,
            input_names=["image"],
            output_names=["cmap", "paf"],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(partial)
        onnx.checker.check_model(model, full_check=True)
        (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if opset != OPSET:
            raise EngineError(f"the exporter wrote opset {opset}, TensorRT 8.5 reads {OPSET}", where=out)
