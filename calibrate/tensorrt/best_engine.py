"""``python -m calibrate engine``: build the TensorRT engine that is best on this device.

A small network such as a student may be no faster in INT8 than in FP16, and an INT8 pose network may miss people. So
FP32, FP16 and INT8 engines are built and timed, each is compared with the reference under the accuracy budget, and the
fastest one within it is kept. If the user forces a precision, only that engine is built, and an FP32 engine if labelled
clips or frames have to be compared with one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from calibrate.calibration_set import clips_for
from calibrate.evaluation.compare import agreement_threshold, latencies
from calibrate.evaluation.evaluator import Evaluator, labels_evaluator, logits_evaluator, people_evaluator
from calibrate.images import evenly_spaced
from calibrate.quantisation.onnx_graph import is_quantised, read_onnx
from calibrate.tensorrt.builder import Precision
from calibrate.tensorrt.configuration import EngineConfig
from calibrate.tensorrt.engine_builder import BuildOptions, build_engine
from calibrate.tensorrt.engine_choice import Candidate, Choice, choose, comparison
from edge.bench.query_times import QueryTimes
from edge.cli.console import console
from edge.contract.bundle import REFERENCE, STUDENT_ENGINE, STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.contract.errors import DeviceLostError, EngineError
from edge.contract.files import require_writable, wrap_write_errors, write_json
from edge.contract.manifest import AccuracyBudget
from edge.contract.reading import read_json
from edge.engines.engine import Engine
from edge.engines.engine_manifest import manifest_path
from edge.engines.tensorrt_engine import TensorRtEngine

ROUNDS = 100
ON_GPU = "runs on the GPU, as the reference only"
"""Why FP32 is not kept for a DLA core: the GPU is usually faster, but keeping it would leave the core idle."""


def engine(config: EngineConfig) -> None:
    """Build engines, compare them, keep one and print why."""
    if config.bundle is not None:
        best_student(config)
    elif config.int8 is not None:
        best_pose(config)
    else:
        one_engine(config)


def one_engine(config: EngineConfig) -> None:
    """Build an engine of one network, without a comparison."""
    assert config.onnx is not None
    options, out = _options(config), config.out or config.onnx.with_suffix(".engine")
    if config.precision == "auto" and not is_quantised(read_onnx(config.onnx)):
        options = replace(options, precision="fp16")
    manifest = build_engine(config.onnx, out, options)
    console.print(f"{out}: TensorRT {manifest.tensorrt}, {manifest.gpu}, {manifest.precision}")


def best_student(config: EngineConfig) -> None:
    """Build the best engine of a bundle's student, judged by its decisions."""
    assert config.bundle is not None
    bundle = read_bundle(config.bundle)
    fp32 = bundle.file(STUDENT_FP32)
    sources: dict[Precision, Path] = {"fp32": fp32, "fp16": fp32}
    if STUDENT_INT8 in bundle.manifest.files or config.precision == "int8":
        sources["int8"] = bundle.file(STUDENT_INT8)
    stored = bundle.reference()
    clips, budget = stored["clips"], bundle.manifest.budget
    evaluator: Evaluator | Callable[[Engine], Evaluator]
    if config.clips is not None:
        evaluator = partial(labels_evaluator, test=clips_for(bundle, config.clips))
    else:
        budget = replace(budget, min_agreement=agreement_threshold(len(clips), budget.min_agreement))
        few = f"{len(clips)} clips in {REFERENCE}, of which {budget.min_agreement:.2f} % must agree"
        evaluator = logits_evaluator(clips, stored["logits"], f"the FP32 logits of {few}")
    out = config.out or bundle.folder / STUDENT_ENGINE
    choose_engine(sources, out, _options(config), evaluator, budget, config.precision)


def best_pose(config: EngineConfig) -> None:
    """Build the best engine of a pose network, judged by the people it finds."""
    assert config.onnx is not None and config.int8 is not None and config.frames is not None
    frames, budget = config.frames, AccuracyBudget(min_agreement=config.min_people_agreement)
    pictures = [picture for _, picture in evenly_spaced(frames, config.pictures)]
    sources: dict[Precision, Path] = {"fp32": config.onnx, "fp16": config.onnx, "int8": config.int8}
    choose_engine(
        sources,
        config.out or config.onnx.with_suffix(".engine"),
        _options(config),
        lambda fp32_engine: people_evaluator(fp32_engine, config.family, pictures, frames),
        budget,
        config.precision,
    )


def _options(config: EngineConfig) -> BuildOptions:
    precision = "int8" if config.precision == "auto" else config.precision
    return BuildOptions(precision, config.max_batch, config.workspace_mib, config.dla_core)


def choose_engine(
    sources: Mapping[Precision, Path],
    out: Path,
    options: BuildOptions,
    evaluator: Evaluator | Callable[[Engine], Evaluator],
    budget: AccuracyBudget,
    precision: str,
) -> None:
    """Build engines from ``sources`` and keep one as ``out``; see :func:`calibrate.tensorrt.engine_choice.choose`.

    evaluator: one that is ready, or a function that makes one from the FP32 engine, which is then always built.
    precision: "auto" to build all sources, or the one to build and keep whatever it loses.
    Raises EngineError if none is within the budget; then ``out`` is unchanged.
    """
    forced = None if precision == "auto" else precision
    wanted = {p: s for p, s in sources.items() if forced in (None, p) or (p == "fp32" and callable(evaluator))}
    require_writable(out, manifest_path(out))
    with wrap_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        trials = tempfile.TemporaryDirectory(prefix=".engines-", dir=out.parent)
    with trials as folder, ExitStack() as opened:
        built, unavailable = _build(wanted, Path(folder), out, options, opened)
        evaluation = evaluator(built["fp32"]) if callable(evaluator) else evaluator
        times = dict(zip(built, latencies(list(built.values()), evaluation.sample, ROUNDS), strict=True))
        for name in sources.keys() - wanted.keys():
            unavailable[name] = f"not built, because {forced} was forced: its speed and accuracy are not known"
        on_dla = options.dla_core is not None
        candidates = [
            Candidate(name, excluded=unavailable[name])
            if name in unavailable
            else _candidate(name, built[name], times[name], evaluation, on_dla)
            for name in sources
        ]
        choice = choose(candidates, budget, forced)
        _show(candidates, choice, evaluation.reference)
        with wrap_write_errors(out):
            _keep(Path(folder) / f"{choice.kept}.engine", out, comparison(candidates, choice, evaluation.reference))
    console.print(f"{out}: {choice.kept}, {choice.reasons[choice.kept]}")


def _build(
    sources: Mapping[Precision, Path], folder: Path, out: Path, options: BuildOptions, opened: ExitStack
) -> tuple[dict[Precision, TensorRtEngine], dict[Precision, str]]:
    """Build and open an engine of each source in ``folder``. Returns the engines, and why others could not be built.

    Raises EngineError if FP32 cannot be built, or the GPU is lost.
    """
    built: dict[Precision, TensorRtEngine] = {}
    failed: dict[Precision, str] = {}
    for name, source in sources.items():
        trial = folder / f"{name}.engine"
        # A DLA has no FP32: the reference runs on the GPU.
        wanted = replace(options, precision=name, dla_core=None if name == "fp32" else options.dla_core)
        try:
            build_engine(source, trial, wanted, out)
            built[name] = TensorRtEngine(trial)
            opened.callback(built[name].close)
        except EngineError as error:
            if name == "fp32" or isinstance(error, DeviceLostError):
                raise
            failed[name] = error.what
    return built, failed


def _candidate(
    name: Precision, engine: TensorRtEngine, latency: QueryTimes, evaluation: Evaluator, on_dla: bool
) -> Candidate:
    """Evaluate an engine. One that returns NaN, as half precision may, is unavailable; FP32 then raises EngineError."""
    try:
        loss = evaluation.loss(engine)
    except EngineError as error:
        if name == "fp32" or isinstance(error, DeviceLostError):
            raise
        return Candidate(name, excluded=error.what)
    return Candidate(name, latency, loss.agreement, loss.top1_drop, ON_GPU if name == "fp32" and on_dla else "")


def _keep(trial: Path, out: Path, compared: dict[str, Any]) -> None:
    manifest = read_json(manifest_path(trial), EngineError, "build the engine again")
    write_json(manifest_path(trial), {**manifest, "comparison": compared})
    # Between the two, the old manifest's checksum refuses the new engine.
    trial.replace(out)
    manifest_path(trial).replace(manifest_path(out))


def _show(candidates: list[Candidate], choice: Choice, reference: str) -> None:
    table = Table("precision", "p50 ms", "p90 ms", "GPU ms", "agrees %", "top-1 lost", "", title=f"against {reference}")
    for c in candidates:
        figures = (None,) * 3 if c.latency is None else c.latency.medians().values()
        times = [f"{ms:.2f}" if ms is not None else "" for ms in figures]
        agrees = "" if c.latency is None else f"{c.agreement:.2f}"
        lost = "" if c.top1_drop is None else f"{c.top1_drop:.2f}"
        table.add_row(c.precision, *times, agrees, lost, choice.reasons[c.precision])
    console.print(table)
