"""The TensorRT engine that is best on the device at hand.

A network as small as a student may be no faster in INT8 than in half precision, and an INT8 pose network may lose
people. So FP32, FP16 and INT8 are built and timed, each is held against the accuracy budget, and the fastest that is
within it stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from calibrate.calibration_set import check_clips, load_clips
from calibrate.engine import EngineConfig
from calibrate.evaluation.compare import agreement_threshold, latencies
from calibrate.evaluation.evaluator import Evaluator, labels_evaluator, logits_evaluator, people_evaluator
from calibrate.images import evenly_spaced
from calibrate.quantisation.onnx_graph import is_quantised, read_onnx
from calibrate.tensorrt.engine_builder import BuildOptions, Precision, build_engine
from calibrate.tensorrt.engine_choice import Candidate, Choice, choose
from edge.cli.console import console
from edge.contract.bundle import REFERENCE, STUDENT_ENGINE, STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.contract.errors import EngineError
from edge.contract.files import wrap_write_errors
from edge.contract.manifest import AccuracyBudget
from edge.engines.engine import Engine
from edge.engines.engine_manifest import manifest_path
from edge.engines.tensorrt_engine import TensorRtEngine

ROUNDS = 100
ON_GPU = "runs on the GPU, as the yardstick alone"
"""Of FP32 where an engine for a DLA core is wanted: it is mostly faster there, and leaves the core idle."""


def one_engine(config: EngineConfig) -> None:
    """An engine of one network, compared with nothing."""
    assert config.onnx is not None
    precision: Precision = "int8" if is_quantised(read_onnx(config.onnx)) else "fp16"
    if config.precision != "auto":
        precision = config.precision
    out = config.out or config.onnx.with_suffix(".engine")
    manifest = build_engine(config.onnx, out, _options(config, precision))
    console.print(f"{out}: TensorRT {manifest.tensorrt}, {manifest.gpu}, {manifest.precision}")


def best_student(config: EngineConfig) -> None:
    """The best engine of a bundle's student, judged by decisions."""
    assert config.bundle is not None
    bundle = read_bundle(config.bundle)
    fp32 = bundle.file(STUDENT_FP32)
    sources: dict[Precision, Path] = {"fp32": fp32, "fp16": fp32}
    if STUDENT_INT8 in bundle.manifest.files or config.precision == "int8":
        sources["int8"] = bundle.file(STUDENT_INT8)
    stored = bundle.reference()
    test = None if config.clips is None else check_clips(bundle, load_clips(config.clips), config.clips)

    def judge(reference: Engine) -> Evaluator:
        if test is not None:
            return labels_evaluator(reference, test)
        reference_clips = f"the FP32 logits of {len(stored['clips'])} clips in {REFERENCE}"
        return logits_evaluator(stored["clips"], stored["logits"], reference_clips)

    out = config.out or bundle.folder / STUDENT_ENGINE
    budget = bundle.manifest.budget
    if test is None:
        budget = replace(budget, min_agreement=agreement_threshold(len(stored["clips"]), budget.min_agreement))
    choose_engine(sources, out, _options(config), judge, budget, config.precision)


def best_pose(config: EngineConfig) -> None:
    """The best engine of a pose network, judged by the people it finds."""
    assert config.onnx is not None and config.int8 is not None and config.frames is not None
    frames, budget = config.frames, AccuracyBudget(min_agreement=config.min_people_agreement)
    pictures = [picture for _, picture in evenly_spaced(frames, config.pictures)]
    sources: dict[Precision, Path] = {"fp32": config.onnx, "fp16": config.onnx, "int8": config.int8}
    choose_engine(
        sources,
        config.out or config.onnx.with_suffix(".engine"),
        _options(config),
        lambda reference: people_evaluator(reference, config.family, pictures, frames),
        budget,
        config.precision,
    )


def _options(config: EngineConfig, precision: Precision | None = None) -> BuildOptions:
    """precision: where none is given, the one that is forced, or INT8."""
    if precision is None:
        precision = "int8" if config.precision == "auto" else config.precision
    return BuildOptions(precision, config.max_batch, config.workspace_mib, config.dla_core)


def choose_engine(
    sources: Mapping[Precision, Path],
    out: Path,
    options: BuildOptions,
    judge: Callable[[Engine], Evaluator],
    budget: AccuracyBudget,
    precision: str,
) -> Choice:
    """Build an engine from each source, keep as ``out`` what :func:`calibrate.tensorrt.engine_choice.choose` says.

    judge: makes the judge from the FP32 engine. precision: "auto", or the one to keep whatever it loses.
    Raises EngineError where none is within the budget; then ``out`` is as it was.
    """
    with wrap_write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with (
        wrap_write_errors(out),
        tempfile.TemporaryDirectory(prefix=".engines-", dir=out.parent) as folder,
        ExitStack() as opened,
    ):
        built, failed = _built(sources, Path(folder), out, options, opened)
        judged = judge(built["fp32"])
        times = dict(zip(built, latencies(list(built.values()), judged.sample, ROUNDS), strict=True))
        candidates = []
        for name in sources:
            if name in failed:
                candidates.append(Candidate(name, failed=failed[name]))
                continue
            try:
                loss = judged.loss(built[name])
            except EngineError as error:  # NaN, where half precision overflows: the loop would end with it
                if name == "fp32":
                    raise
                candidates.append(Candidate(name, failed=error.what))
                continue
            yardstick = ON_GPU if name == "fp32" and options.dla_core is not None else ""
            candidates.append(Candidate(name, times[name], loss.agreement, loss.top1_drop, yardstick=yardstick))
        choice = choose(candidates, budget, None if precision == "auto" else precision)
        _show(candidates, choice, judged.reference)
        _keep(Path(folder) / f"{choice.kept}.engine", out)
    console.print(f"{out}: {choice.kept}, {choice.reasons[choice.kept]}")
    return choice


def _built(
    sources: Mapping[Precision, Path], folder: Path, out: Path, options: BuildOptions, opened: ExitStack
) -> tuple[dict[Precision, TensorRtEngine], dict[Precision, str]]:
    """An engine of each source in ``folder``, opened, and why there is none; EngineError where FP32 is not built."""
    # A DLA has no FP32: the reference runs on the GPU.
    reference_options = replace(options, precision="fp32", dla_core=None)
    built: dict[Precision, TensorRtEngine] = {}
    failed: dict[Precision, str] = {}
    for name, source in sources.items():
        trial = folder / f"{name}.engine"
        wanted = reference_options if name == "fp32" else replace(options, precision=name)
        try:
            build_engine(source, trial, wanted, out.with_suffix(".timing"), out.parent)
            built[name] = TensorRtEngine(trial)
            opened.callback(built[name].close)
        except EngineError as error:
            if name == "fp32":
                raise
            failed[name] = error.what
    return built, failed


def _keep(trial: Path, out: Path) -> None:
    # The manifest last: an engine without its own manifest is refused, never run by mistake.
    manifest_path(out).unlink(missing_ok=True)
    trial.replace(out)
    manifest_path(trial).replace(manifest_path(out))


def _show(candidates: list[Candidate], choice: Choice, reference: str) -> None:
    table = Table("precision", "p50 ms", "p90 ms", "GPU ms", "agrees %", "top-1 lost", "", title=f"against {reference}")
    for c in candidates:
        figures = () if c.latency is None else (c.latency.p50_ms, c.latency.p90_ms, c.latency.device_p50_ms)
        times = [f"{ms:.2f}" if ms is not None else "" for ms in figures or (None,) * 3]
        agrees = "" if c.latency is None else f"{c.agreement:.2f}"
        lost = "" if c.top1_drop is None else f"{c.top1_drop:.2f}"
        table.add_row(c.precision, *times, agrees, lost, choice.reasons[c.precision])
    console.print(table)
