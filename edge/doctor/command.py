"""``python -m edge doctor``: find problems of this machine and show how to fix them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.text import Text

from edge.cli.console import print_data
from edge.cli.exit_codes import FAILED
from edge.doctor.checks import run_checks
from edge.doctor.finding import Finding, Status
from edge.host import ThisHost

COLOURS: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "red", "n/a": "dim"}


@dataclass(frozen=True)
class DoctorConfig:
    """Check this machine for problems and say how to fix them; exit code 1 if something must be fixed."""

    bundle: Path | None = None
    """Bundle folder to check, with the engines beside its networks. Unset: bundles/everyday, if it exists."""
    json: bool = False
    """Write the findings as JSON instead of text."""


def doctor(config: DoctorConfig) -> None:
    """Print findings to stdout. The exit code is 1 if a check failed, else 0."""
    findings = run_checks(ThisHost(), config.bundle)
    print_data(as_json(findings) if config.json else as_text(findings))
    if any(finding.status == "fail" for finding in findings):
        raise SystemExit(FAILED)


def as_json(findings: Sequence[Finding]) -> str:
    """``{"passed": ..., "findings": [{"check", "status", "found", "fix"}]}``, indented."""
    passed = all(finding.status != "fail" for finding in findings)
    return json.dumps({"passed": passed, "findings": [asdict(finding) for finding in findings]}, indent=2)


def as_text(findings: Sequence[Finding]) -> Text:
    """One line per finding, each fix on an unbroken line of its own, and the counts: "14 ok, 2 warn, 1 fail"."""
    width = max(len(finding.check) for finding in findings)
    text = Text()
    for finding in findings:
        text.append(f"{finding.status:4}", COLOURS[finding.status])
        text.append(f"  {finding.check:{width}}  {finding.found}\n")
        if finding.fix is not None and finding.status in ("warn", "fail"):
            text.append(f"{'':{width + 8}}-> {finding.fix}\n", "bold")
    counts = Counter(finding.status for finding in findings)
    return text.append(", ".join(f"{counts[status]} {status}" for status in COLOURS if counts[status]))
