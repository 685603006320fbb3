"""``python -m calibrate methods``: compare the calibration methods on one student."""

from __future__ import annotations

import time

from rich.table import Table

from calibrate.calibration_set import clips_for, stratified
from calibrate.configuration import MethodsConfig
from calibrate.evaluation.compare import deviation, logits_of, top1, unbatched
from calibrate.quantisation.quantise import Quantiser
from edge.bench.accuracy_figures import agreement
from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, read_bundle
from edge.contract.files import require_writable, temporary_folder, write_json
from edge.engines.registry import open_engine


def compare_methods(config: MethodsConfig) -> None:
    """Print the table and write it as JSON. Raises OutputError early if the report cannot be written."""
    bundle = read_bundle(config.bundle)
    source = bundle.file(STUDENT_FP32)
    calibration, test = (clips_for(bundle, path) for path in (config.clips, config.test))
    ids = stratified(calibration.labels, config.samples, config.seed)
    samples = unbatched(calibration.clips[ids])
    require_writable(config.report)
    wanted = logits_of(open_engine(source), test.clips, "FP32")
    title = f"FP32 top-1 {100 * top1(wanted, test.labels):.2f} % on {len(test.clips)} clips"
    table = Table("ranges by", "INT8 top-1 %", "agreement %", "mean error of logits", "seconds", title=title)
    results = []
    with temporary_folder() as folder:
        for method in config.methods:
            start = time.monotonic()
            out = folder / f"{method}.int8.onnx"
            Quantiser(source, samples, method).write(out)
            seconds = time.monotonic() - start
            given = logits_of(open_engine(out), test.clips, f"INT8, {method}")
            right, alike = 100 * top1(given, test.labels), agreement(wanted, given)
            error = deviation(wanted, given).mean
            table.add_row(method, f"{right:.2f}", f"{alike:.2f}", f"{error:.4f}", f"{seconds:.0f}")
            found = {"method": method, "top1": right, "agreement": alike, "mean_error": error, "seconds": seconds}
            results.append(found)
    console.print(table)
    if config.report is not None:
        write_json(config.report, results)
