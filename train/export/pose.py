"""``python -m train pose``: a pose network as ONNX that reads BGR bytes and also outputs the heatmaps' peaks.

The graph includes the per-pixel work around the network: layout, colour order and normalisation of the image before
it, and the search for local maxima of the heatmaps after it.
"""

from __future__ import annotations

import copy
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.contract.types import Image
from edge.engines.registry import open_engine
from edge.pose.heatmap_peaks import PEAK_RADIUS, PEAK_RATIO
from train.export.configuration import PoseExportConfig
from train.export.onnx_file import require_close, write_network
from train.networks.trt_pose import BACKBONES, DEVIATION, MEAN, STRIDE_PIXELS, trt_pose_network

INPUT, OUTPUTS = "image", ("cmap", "paf", "peaks")


def export_pose(config: PoseExportConfig) -> None:
    """Write the network as ONNX for images of ``size`` by ``size``.

    Input "image" (1, size, size, 3) uint8 BGR, as in OpenCV. Outputs at a quarter of the size: "cmap" (1, 18, h, w)
    heatmaps; "paf" (1, 42, h, w) part affinity fields; "peaks" (1, 18, h, w), the heatmap's value where no value within
    two cells is clearly greater, 0 elsewhere.

    Raises ConfigError for a size that is not a multiple of 32, DataError for other weights, or if ONNX Runtime's
    outputs differ from PyTorch's by more than 1e-4.
    """
    about, out = BACKBONES[config.backbone], config.out
    size = config.size or about.size
    if size % STRIDE_PIXELS or size < STRIDE_PIXELS:
        raise ConfigError(f"image size {size} is not a multiple of {STRIDE_PIXELS}", hint="give another --size")
    network = trt_pose_network(config.backbone, config.weights).eval()
    from_pixels = _FromPixels(network, about.first)
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    check = partial(_check, network=network, pixels=pixels)
    write_network(from_pixels, (torch.from_numpy(pixels),), out, inputs=[INPUT], outputs=list(OUTPUTS), check=check)
    kind = "untrained" if config.weights is None else config.weights.name
    console.print(f"{out}: {config.backbone}, {kind}; quantise it with `python -m calibrate pose`")


class _FromPixels(nn.Module):
    """Image (1, H, W, 3) uint8 BGR -> heatmaps, PAFs, and heatmaps that are 0 except at possible peaks."""

    def __init__(self, network: nn.Sequential, first: str) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        convolution = self.network.get_submodule(first)
        assert isinstance(convolution, nn.Conv2d)
        # BGR only permutes the input channels of the first convolution, which costs nothing.
        convolution.weight = nn.Parameter(convolution.weight.detach().flip(1))
        mean, deviation = torch.tensor(MEAN[::-1]), torch.tensor(DEVIATION[::-1])
        self.register_buffer("scale", (1 / (255 * deviation)).view(1, 3, 1, 1))
        self.register_buffer("shift", (mean / deviation).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # To float first: TensorRT cannot transpose uint8.
        normalised = image.float().permute(0, 3, 1, 2) * self.get_buffer("scale") - self.get_buffer("shift")
        cmap, paf = self.network(normalised)
        largest = F.max_pool2d(cmap, 2 * PEAK_RADIUS + 1, 1, PEAK_RADIUS)
        # Values instead of a mask: every TensorRT version supports float outputs.
        return cmap, paf, torch.where(cmap < PEAK_RATIO * largest, 0.0, cmap)


def _check(exported: Path, network: nn.Module, pixels: Image) -> None:
    """Raise DataError unless the file computes from BGR bytes what the original network computes from the RGB image."""
    with closing(open_engine(exported)) as engine:
        given = engine.run({INPUT: pixels})
    image = torch.from_numpy(pixels[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    image = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.inference_mode():
        wanted = network(image)
    for name, tensor in zip(OUTPUTS, wanted, strict=False):
        require_close(given[name], tensor, f"network's {name}")
