"""``python -m edge check``: is this bundle whole, and does its student answer here as it did there?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.bundle import STUDENT_INT8, read_bundle
from edge.contract.manifest import accuracy_text
from edge.recognition.recogniser import Precision, RecogniserConfig, open_recogniser
from edge.recognition.streaming.recogniser import has_stream, open_stream_recogniser


@dataclass(frozen=True)
class CheckConfig:
    """Check a bundle: every file by its checksum, and the student against the stored answers."""

    bundle: Path
    """Bundle folder."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 where the bundle has it."""
    threads: int = 0
    """CPU threads of the network, 0 for as many as there are cores."""


def check(config: CheckConfig) -> None:
    """Print what was checked; exit code 1 where the student decides otherwise. Raises BundleError for altered files."""
    bundle = read_bundle(config.bundle)
    manifest = bundle.manifest
    precision: Precision = config.precision or ("int8" if STUDENT_INT8 in manifest.files else "fp32")
    table = Table("what", "", title=f"Bundle {manifest.name}", title_justify="left")
    clip = f"{manifest.preprocessing.length_frames} frames at {manifest.preprocessing.fps:g} Hz"
    table.add_row("classes", f"{len(manifest.classes)}: {', '.join(manifest.classes)}")
    table.add_row("clip", f"{clip}, joints of {manifest.layout}")
    for name, value in manifest.accuracy.items():
        table.add_row(f"accuracy, {name}", accuracy_text(value) if isinstance(value, Mapping) else str(value))
    table.add_section()
    for name, entry in manifest.files.items():
        bundle.file(name)
        table.add_row(name, f"ok, {entry.bytes / 1e3:,.0f} kB")
    recogniser = open_recogniser(bundle, replace(RecogniserConfig(), precision=precision, threads=config.threads))
    test = recogniser.self_test(bundle)
    passed = test.passed
    table.add_section()
    table.add_row("student", recogniser.describe())
    table.add_row("self-test", test.describe())
    recogniser.close()
    if has_stream(bundle, precision):
        stream = open_stream_recogniser(bundle, replace(RecogniserConfig(), precision=precision))
        test = stream.self_test(bundle)
        passed &= test.passed
        table.add_section()
        table.add_row("stream", stream.describe())
        table.add_row("self-test", test.describe())
        stream.close()
    table.add_section()
    table.add_row(
        "verdict", "passed: whole, and its student answers" if passed else "failed: not this bundle's student"
    )
    console.print(table)
    if not passed:
        raise SystemExit(FAILED)
