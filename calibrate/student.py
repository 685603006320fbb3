"""``python -m calibrate student``: the bundle's INT8 student."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from calibrate.calibration_set import (
    CalibrationRecord,
    Method,
    check_clips,
    load_clips,
    per_class,
    stratified,
    write_record,
)
from calibrate.compare import accuracies, logits_of, one_by_one
from calibrate.report import MOST_BYTES
from edge.cli.console import console
from edge.contract.bundle import CALIBRATION, STUDENT_FP32, STUDENT_INT8, read_bundle, write_manifest
from edge.contract.manifest import accuracy_text
from edge.contract.types import Float32
from edge.engines.registry import open_engine


@dataclass(frozen=True)
class StudentConfig:
    """Quantise a bundle's student to INT8 and record both accuracies in its manifest."""

    bundle: Path
    """Bundle folder, as `python -m train export` wrote it; student.int8.onnx and calibration.json are added."""
    clips: Path
    """calibration.npz with clips and labels, for the ranges."""
    test: Path | None = None
    """test.npz with clips and labels, for both accuracies; without it they are not measured."""
    method: Literal["auto", "minmax", "percentile", "entropy", "mse", "margin"] = "auto"
    """How ranges are chosen: minmax, percentile (99.99), entropy (slow), mse, margin (a fifth more), or auto: the one
    whose logits stay nearest to FP32's on clips that ranges are not taken from."""
    samples: int = 256
    """Number of calibration clips, stratified by class."""
    seed: int = 0
    """Seed of the choice of clips."""
    float_layers: int | None = None
    """Number of layers, the most sensitive, that stay in floating point. Unset: the first, which reads coordinates,
    as few others as bring the calibration clips within the bundle's budget, and what `max_size` allows."""
    max_size: float = 100 * MOST_BYTES
    """Largest size of the INT8 file, in percent of the FP32 file. As far as it allows, further layers stay in floating
    point, the noisiest first; 0 for none."""


def quantise_student(config: StudentConfig) -> None:
    """Write ``student.int8.onnx`` and ``calibration.json``, then the manifest anew."""
    from calibrate.float_layers import choose_float_layers, most_sensitive, show_trials
    from calibrate.nearest_ranges import judging, nearest
    from calibrate.quantise import Quantiser
    from calibrate.size_limit import noisiest_within

    bundle = read_bundle(config.bundle)
    source, out = bundle.file(STUDENT_FP32), config.bundle / STUDENT_INT8
    calibration = check_clips(bundle, load_clips(config.clips), config.clips)
    test = None if config.test is None else check_clips(bundle, load_clips(config.test), config.test)
    ids = stratified(calibration.labels, config.samples, config.seed)
    samples = one_by_one(calibration.clips[ids])
    judged = one_by_one(calibration.clips[judging(len(calibration.clips), ids)])
    method: Method
    if config.method == "auto":
        method, quantiser = nearest(source, samples, judged)
    else:
        method, quantiser = config.method, Quantiser(source, samples, config.method)
    if config.float_layers is None:
        # A step for all coordinates is set by the few that lie far out, and costs all the others their places. The
        # layer has three channels: of a network's weights and work it is next to nothing.
        choice = choose_float_layers(quantiser, calibration, bundle.manifest.budget, quantiser.layers[:1])
        show_trials(choice, bundle.manifest.budget)
        limit = config.max_size / 100 * source.stat().st_size
        kept = noisiest_within(quantiser, choice.float_layers, judged, limit)
    else:
        kept = most_sensitive(quantiser, config.float_layers, samples, decides=True)
    ranges = quantiser.write(out, kept)
    record = CalibrationRecord(
        network=STUDENT_INT8,
        source=config.clips.name,
        method=method,
        seed=config.seed,
        ids=calibration.ids[ids].tolist(),
        per_class=per_class(calibration.labels[ids]),
        float_layers=kept,
        ranges=ranges,
    )
    write_record(config.bundle / CALIBRATION, record)
    manifest = bundle.manifest
    if test is not None:
        fp32, int8 = (_logits(path, test.clips, f"testing {path.name}") for path in (source, out))
        measured = accuracies(fp32, int8, test.labels)
        known = manifest.accuracy.get("fp32", {})
        manifest = replace(manifest, accuracy={**manifest.accuracy, **measured, "fp32": {**known, **measured["fp32"]}})
        console.print("; ".join(f"{name}: {accuracy_text(found)}" for name, found in measured.items()))
    write_manifest(config.bundle, manifest)
    size = out.stat().st_size / source.stat().st_size
    console.print(
        f"{out}: {len(ranges)} activations in INT8, ranges by {method}, {len(kept)} of {len(quantiser.layers)} layers "
        f"in floating point, {size:.3f} of the size"
    )


def _logits(path: Path, clips: Float32, what: str) -> Float32:
    engine = open_engine(path)
    logits = logits_of(engine, clips, what)
    engine.close()
    return logits
