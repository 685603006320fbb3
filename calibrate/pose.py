"""``python -m calibrate pose``: quantise a pose network to INT8."""

from __future__ import annotations

from dataclasses import asdict

from calibrate.calibration_set import CalibrationRecord, WeightRounding
from calibrate.configuration import PoseConfig
from calibrate.evaluation.evaluator import people_evaluator
from calibrate.images import alternating
from calibrate.pose_inputs import pose_inputs
from calibrate.quantisation.float_layers import choose_by_people, most_sensitive, show_trials
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import SAMPLES
from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.contract.files import atomic_write, require_writable, write_json
from edge.contract.manifest import AccuracyBudget
from edge.engines.registry import open_engine

EVALUATED = 32
"""Number of images in which people are counted for each trial."""
FITTED = 16
"""Number of images that weights are fitted to: each has hundreds of positions, and every trial fits again."""


def quantise_pose(config: PoseConfig) -> None:
    """Write the INT8 network and the record of its calibration. Raises OutputError early if these cannot be written."""
    budget = AccuracyBudget(min_agreement=config.min_people_agreement)
    out = config.out or config.network.with_suffix(".int8.onnx")
    if out.resolve() == config.network.resolve():
        raise ConfigError("INT8 would overwrite the FP32 network", where=out, hint="give another --out")
    record_file = out.with_suffix(".json")
    require_writable(out, record_file)
    chosen, between = alternating(config.frames, config.samples)
    samples = pose_inputs(config.network, config.family, [image for _, image in chosen])
    quantiser = Quantiser(config.network, samples, config.method, fit_weights=config.fit_weights)
    few, fitted_on = (samples[:: max(1, len(samples) // most)] for most in (SAMPLES, FITTED))
    if config.float_layers is None:
        evaluated_on = [image for _, image in between[:: max(1, len(between) // EVALUATED)]]
        fp32 = open_engine(config.network)
        evaluator = people_evaluator(fp32, config.family, evaluated_on, config.frames)
        fp32.close()
        choice = choose_by_people(quantiser, few, fitted_on, evaluator, budget)
        show_trials(choice, budget, "of the people found by both")
        # Fitting takes minutes, so the evaluated network is written instead of fitting again.
        kept, model = choice.float_layers, choice.model
    else:
        kept = most_sensitive(quantiser, config.float_layers, few)
        model = quantiser.quantised(kept, fitted_on)
    weights: WeightRounding = "fitted" if config.fit_weights else "nearest"
    ids = [i for i, _ in chosen]
    with atomic_write(out) as partial:
        ranges = quantiser.save(model, partial)
        record = CalibrationRecord(out.name, config.frames.name, config.method, 0, ids, {}, kept, ranges, weights)
        write_json(record_file, asdict(record))  # before the network replaces the former one: they belong together
    size = out.stat().st_size / config.network.stat().st_size
    console.print(
        f"{out}: {len(ranges)} activations in INT8 from {len(chosen)} images, {len(kept)} of "
        f"{len(quantiser.layers)} layers in floating point, channels equalised, weights "
        f"{'fitted' if config.fit_weights else 'rounded to nearest'}, {size:.2f} of the size"
    )
