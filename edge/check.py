"""``python -m edge check``: verify a bundle's checksums and its student's outputs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.bundle import read_bundle
from edge.contract.manifest import accuracy_text
from edge.recognition.decisions import calibrated_min_score
from edge.recognition.form import Student
from edge.recognition.recogniser import Precision, RecogniserConfig, open_recogniser, precision_of
from edge.recognition.streaming.recogniser import has_stream, open_stream_recogniser


@dataclass(frozen=True)
class CheckConfig:
    """Check a bundle: checksums, and the student's outputs on this machine."""

    bundle: Path
    """Bundle folder."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 if the bundle has it."""
    threads: int = 0
    """CPU threads of the network, 0 for as many as there are cores."""


def check(config: CheckConfig) -> None:
    """Print the results; exit with code 1 if the student's outputs differ. Raises BundleError for altered files."""
    bundle = read_bundle(config.bundle)
    manifest = bundle.manifest
    table = Table("what", "", title=f"Bundle {manifest.name}", title_justify="left")
    clip = f"{manifest.preprocessing.length_frames} frames at {manifest.preprocessing.fps:g} Hz"
    table.add_row("classes", f"{len(manifest.classes)}: {', '.join(manifest.classes)}")
    table.add_row("clip", f"{clip}, joints of {manifest.layout}")
    table.add_row("min_score", f"{calibrated_min_score(bundle):.3f}; a label less probable is unknown")
    for name, value in manifest.accuracy.items():
        table.add_row(
            f"accuracy, {name}".replace("_", " "), accuracy_text(value) if isinstance(value, Mapping) else str(value)
        )
    table.add_section()
    for name, entry in manifest.files.items():
        bundle.file(name)
        table.add_row(name, f"ok, {entry.bytes / 1e3:,.1f} kB")
    student = RecogniserConfig(config.precision, config.threads)
    forms: dict[str, Student] = {"student": open_recogniser(bundle, student)}
    if has_stream(bundle, precision_of(bundle, student)):
        forms["stream"] = open_stream_recogniser(bundle, student)
    passed = True
    for name, recogniser in forms.items():
        test = recogniser.self_test(bundle)
        passed &= test.passed
        table.add_section()
        table.add_row(name, recogniser.describe())
        table.add_row("self-test", test.describe())
        recogniser.close()
    table.add_section()
    table.add_row("verdict", "passed" if passed else "failed: the student's outputs differ from those in the bundle")
    console.print(table)
    if not passed:
        raise SystemExit(FAILED)
