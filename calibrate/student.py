"""``python -m calibrate student``: quantise a bundle's student to INT8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from calibrate.calibration_set import CalibrationRecord, LabelledClips, clips_for, per_class, stratified
from calibrate.configuration import StudentConfig
from calibrate.evaluation.compare import accuracies, logits_of, unbatched
from calibrate.quantisation.float_layers import choose_float_layers, most_sensitive, noisiest_within, show_trials
from calibrate.quantisation.method_choice import best_quantiser, evaluation_clips
from calibrate.quantisation.onnx_graph import Array
from calibrate.quantisation.quantise import Quantiser
from edge.cli.console import console
from edge.contract.bundle import CALIBRATION, STUDENT_FP32, STUDENT_INT8, read_bundle, write_manifest
from edge.contract.files import require_writable, temporary_folder, write_json
from edge.contract.manifest import AccuracyBudget, Manifest, accuracy_text
from edge.engines.registry import open_engine


def quantise_student(config: StudentConfig) -> None:
    """Write ``student.int8.onnx`` and ``calibration.json``, then update the manifest.

    Raises OutputError early if these cannot be written.
    """
    bundle = read_bundle(config.bundle)
    source, out = bundle.file(STUDENT_FP32), config.bundle / STUDENT_INT8
    calibration = clips_for(bundle, config.clips)
    test = None if config.test is None else clips_for(bundle, config.test)
    require_writable(out, config.bundle / CALIBRATION)
    drawn = stratified(calibration.labels, config.samples, config.seed)
    samples = unbatched(calibration.clips[drawn])
    evaluated_on = unbatched(calibration.clips[evaluation_clips(len(calibration.clips), drawn)])
    if config.method == "auto":
        quantiser = best_quantiser(source, samples, evaluated_on)
    else:
        quantiser = Quantiser(source, samples, config.method)
    if config.float_layers is None:
        limit = config.max_size / 100 * source.stat().st_size
        kept = _float_layers(quantiser, calibration, bundle.manifest.budget, evaluated_on, limit)
    else:
        kept = most_sensitive(quantiser, config.float_layers, samples)
    model = quantiser.quantised(kept, samples)
    manifest = _without_int8_results(bundle.manifest)
    with temporary_folder() as made:
        ranges = quantiser.save(model, made / STUDENT_INT8)
        if test is not None:
            manifest = _measured(manifest, source, made / STUDENT_INT8, test)
        record = CalibrationRecord(
            network=STUDENT_INT8,
            source=config.clips.name,
            method=quantiser.method,
            seed=config.seed,
            ids=calibration.ids[drawn].tolist(),
            per_class=per_class(calibration.labels[drawn]),
            float_layers=kept,
            ranges=ranges,
        )
        write_json(made / CALIBRATION, asdict(record))
        write_manifest(
            config.bundle,
            lambda present: replace(present, accuracy=manifest.accuracy, training=manifest.training),
            made,
        )
    size = out.stat().st_size / source.stat().st_size
    console.print(
        f"{out}: {len(ranges)} activations in INT8, ranges by {quantiser.method}, {len(kept)} of "
        f"{len(quantiser.layers)} layers in floating point, {size:.3f} of the size"
    )
    if config.float_layers is None and 0 < config.max_size < 100 * size:
        console.print(
            f"this is more than the {config.max_size:g} % of max_size, although only the first layer and those that "
            "the budget needs are in floating point"
        )


def _float_layers(
    quantiser: Quantiser,
    clips: LabelledClips,
    budget: AccuracyBudget,
    evaluated_on: Sequence[Array],
    largest_bytes: float,
) -> list[str]:
    """Return the first layer, the fewest others that meet the budget on ``clips``, and what ``largest_bytes`` allow."""
    # The few most distant joints would set the scale of all coordinates and cost the others their precision. With
    # three input channels, the first layer is a negligible part of the network's weights and work.
    choice = choose_float_layers(quantiser, clips, budget, quantiser.layers[:1])
    show_trials(choice, budget)
    return noisiest_within(quantiser, choice.float_layers, evaluated_on, largest_bytes)


def _without_int8_results(manifest: Manifest) -> Manifest:
    """Drop the old INT8 student's accuracy and fine-tuning: the new one has neither."""
    return replace(
        manifest,
        accuracy={name: found for name, found in manifest.accuracy.items() if name != "int8"},
        training={key: value for key, value in manifest.training.items() if key != "quantise_aware_epochs"},
    )


def _measured(manifest: Manifest, source: Path, made: Path, test: LabelledClips) -> Manifest:
    """Return the manifest with both precisions' accuracy on the test clips, and print it."""
    fp32, int8 = (logits_of(open_engine(path), test.clips, f"testing {path.name}") for path in (source, made))
    accuracy = accuracies(manifest.accuracy, fp32, int8, test.labels)
    console.print("; ".join(f"{name}: {accuracy_text(accuracy[name])}" for name in ("fp32", "int8")))
    return replace(manifest, accuracy=accuracy)
