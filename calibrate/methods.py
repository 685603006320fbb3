"""``python -m calibrate methods``: compare the calibration methods on one student."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from rich.table import Table

from calibrate.calibration_set import clips_for, stratified
from calibrate.configuration import MethodsConfig
from calibrate.evaluation.compare import agreement, deviation, logits_of, top1, unbatched
from calibrate.quantisation.quantise import Quantiser
from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, read_bundle
from edge.contract.files import require_writable, temporary_folder, write_json
from edge.engines.registry import open_engine


@dataclass(frozen=True)
class MethodResult:
    """top1 and agreement: percent. mean_error: of the logits. seconds: to quantise."""

    method: str
    top1: float
    agreement: float
    mean_error: float
    seconds: float


def compare_methods(config: MethodsConfig) -> None:
    """Print the table and write it as JSON. Raises OutputError early if the report cannot be written."""
    bundle = read_bundle(config.bundle)
    source = bundle.file(STUDENT_FP32)
    calibration, test = (clips_for(bundle, path) for path in (config.clips, config.test))
    ids = stratified(calibration.labels, config.samples, config.seed)
    samples = unbatched(calibration.clips[ids])
    require_writable(config.report)
    wanted = logits_of(open_engine(source), test.clips, "FP32")
    results = []
    with temporary_folder() as folder:
        for method in config.methods:
            start = time.monotonic()
            out = folder / f"{method}.int8.onnx"
            Quantiser(source, samples, method).write(out)
            seconds = time.monotonic() - start
            given = logits_of(open_engine(out), test.clips, f"INT8, {method}")
            error = deviation(wanted, given).mean
            alike = 100 * agreement(wanted, given)
            results.append(MethodResult(method, 100 * top1(given, test.labels), alike, error, seconds))
    title = f"FP32 top-1 {100 * top1(wanted, test.labels):.2f} % on {len(test.clips)} clips"
    table = Table("ranges by", "INT8 top-1 %", "agreement %", "mean error of logits", "seconds", title=title)
    for r in results:
        table.add_row(r.method, f"{r.top1:.2f}", f"{r.agreement:.2f}", f"{r.mean_error:.4f}", f"{r.seconds:.0f}")
    console.print(table)
    if config.report is not None:
        write_json(config.report, [asdict(r) for r in results])
