"""``python -m calibrate pose``: a pose network in INT8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibrate.calibration_set import CalibrationRecord, Method, write_record
from calibrate.pictures import evenly_spaced
from calibrate.pose_inputs import Family, pose_inputs
from edge.command_line import console
from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class PoseConfig:
    """Quantise a pose network of heatmaps and part affinity fields to INT8."""

    network: Path
    """pose.onnx, in FP32."""
    frames: Path
    """Video or folder of images such as the device's camera will see, with people at the distances it will see."""
    family: Family = "trt_pose"
    """Which network it is, trt_pose or tf_pose: how pictures are prepared for it."""
    out: Path | None = None
    """File to write; by default the network's name with .int8.onnx. Its record is written beside it as .json."""
    method: Method = "mse"
    """How an activation's range is chosen: minmax, percentile (99.99), entropy (slow) or mse (finds most people)."""
    samples: int = 128
    """How many pictures are calibrated on, evenly spread over the frames."""
    float_share: float = 0.2
    """Share of the layers, the most sensitive, that stay in floating point, 0..1; more is slower and finds more."""


def quantise_pose(config: PoseConfig) -> None:
    """Write the INT8 network and the record of its calibration."""
    from calibrate.quantise import Quantiser
    from calibrate.sensitivity import SAMPLES, layer_losses

    if not 0 <= config.float_share <= 1:
        raise ConfigError(f"float_share {config.float_share} is not between 0 and 1")
    out = config.out or config.network.with_suffix(".int8.onnx")
    chosen = evenly_spaced(config.frames, config.samples)
    samples = pose_inputs(config.network, config.family, [picture for _, picture in chosen])
    quantiser = Quantiser(config.network, samples, config.method)
    count = round(config.float_share * len(quantiser.layers))
    spread = samples[:: max(1, len(samples) // SAMPLES)]
    kept = [loss.layer for loss in layer_losses(quantiser, spread, decides=False)[:count]] if count else []
    ranges = quantiser.write(out, kept)
    record = CalibrationRecord(out.name, config.frames.name, config.method, 0, [i for i, _ in chosen], {}, kept, ranges)
    write_record(out.with_suffix(".json"), record)
    size = out.stat().st_size / config.network.stat().st_size
    console.print(f"{out}: {len(ranges)} activations in INT8 from {len(chosen)} pictures, {size:.2f} of the size")
