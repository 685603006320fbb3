"""``python -m calibrate pose``: a pose network in INT8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.calibration_set import CalibrationRecord, Method, WeightRounding, write_record
from calibrate.evaluation.evaluator import people_evaluator
from calibrate.images import alternating
from calibrate.pose_inputs import Family, pose_inputs
from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.contract.manifest import AccuracyBudget
from edge.contract.types import Image
from edge.engines.registry import open_engine

EVALUATED = 32
"""Pictures in which people are counted for each number of float layers."""
FITTED = 16
"""Pictures that weights are fitted to; each has hundreds of places, and every number of float layers is fitted anew."""

if TYPE_CHECKING:
    from calibrate.quantisation.float_layers import Choice
    from calibrate.quantisation.onnx_graph import Array
    from calibrate.quantisation.quantise import Quantiser


@dataclass(frozen=True)
class PoseConfig:
    """Quantise a pose network of heatmaps and part affinity fields to INT8."""

    network: Path
    """pose.onnx, in FP32."""
    frames: Path
    """Video or folder of images such as the device's camera will see, with people at the distances it will see; better
    of several scenes, because weights fitted to one scene suit another less."""
    family: Family = "trt_pose"
    """Kind of network, trt_pose or tf_pose: decides how images are prepared for it."""
    out: Path | None = None
    """File to write; by default the network's name with .int8.onnx. A record is written beside it as .json."""
    method: Method = "mse"
    """How ranges are chosen: minmax, percentile, entropy (slow), margin or mse (finds most people)."""
    samples: int = 128
    """Number of calibration images, evenly spread over the frames."""
    float_layers: int | None = None
    """Number of layers, the most sensitive, that stay in floating point. Unset: as few as find the people that FP32
    finds, in frames that lie between those calibrated on."""
    fit_weights: bool = True
    """Fit each layer's weights so that it gives from its INT8 inputs what it gave in floating point. false: round them
    to the nearest, which is quicker and loses more people."""
    min_people_agreement: float = 80.0
    """Percentage of the people found by FP32 or INT8 that both must find; the same that `verify-pose` asks for."""


def quantise_pose(config: PoseConfig) -> None:
    """Write the INT8 network and the record of its calibration."""
    from calibrate.quantisation.float_layers import most_sensitive
    from calibrate.quantisation.quantise import Quantiser
    from calibrate.quantisation.sensitivity import SAMPLES

    budget = AccuracyBudget(min_agreement=config.min_people_agreement)
    out = config.out or config.network.with_suffix(".int8.onnx")
    if out.resolve() == config.network.resolve():
        raise ConfigError("this is the FP32 network, which INT8 would replace", where=out, hint="give another --out")
    chosen, between = alternating(config.frames, config.samples)
    samples = pose_inputs(config.network, config.family, [picture for _, picture in chosen])
    quantiser = Quantiser(config.network, samples, config.method, fit_weights=config.fit_weights)
    few, fitted_on = (samples[:: max(1, len(samples) // most)] for most in (SAMPLES, FITTED))
    if config.float_layers is None:
        judged = [picture for _, picture in between[:: max(1, len(between) // EVALUATED)]]
        choice = _as_few_as_find_people(config, quantiser, few, fitted_on, judged, budget)
        # Fitting takes minutes: what is written is the network that was judged, not one made anew.
        kept, model = choice.float_layers, choice.model
    else:
        kept = most_sensitive(quantiser, config.float_layers, few, decides=False)
        model = quantiser.quantised(kept, fitted_on)
    ranges = quantiser.save(model, out)
    weights: WeightRounding = "fitted" if config.fit_weights else "nearest"
    ids = [i for i, _ in chosen]
    record = CalibrationRecord(out.name, config.frames.name, config.method, 0, ids, {}, kept, ranges, weights)
    write_record(out.with_suffix(".json"), record)
    size = out.stat().st_size / config.network.stat().st_size
    console.print(
        f"{out}: {len(ranges)} activations in INT8 from {len(chosen)} pictures, {len(kept)} of "
        f"{len(quantiser.layers)} layers in floating point, channels equalised, weights "
        f"{'fitted' if config.fit_weights else 'rounded to the nearest'}, {size:.2f} of the size"
    )


def _as_few_as_find_people(
    config: PoseConfig,
    quantiser: Quantiser,
    few: Sequence[Array],
    fitted_on: Sequence[Array],
    pictures: Sequence[Image],
    budget: AccuracyBudget,
) -> Choice:
    from calibrate.quantisation.float_layers import choose_by_people, show_trials

    fp32 = open_engine(config.network)
    judge = people_evaluator(fp32, config.family, pictures, config.frames)
    fp32.close()
    choice = choose_by_people(quantiser, few, fitted_on, judge, budget)
    show_trials(choice, budget, "of the people found by both")
    return choice
