"""constraints.txt holds one version of everything the project asks for, on each Python, and one that is allowed."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SUPPORTED = ("3.10", "3.11", "3.12")
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def asked_for():
    for line in metadata.requires("skd-edge"):
        wanted = Requirement(line)
        if canonicalize_name(wanted.name) != "skd-edge":
            yield wanted


def holds(marker, python, extra=""):
    return marker is None or marker.evaluate({"python_version": python, "extra": extra})


def extra_of(wanted):
    found = re.search(r'extra == "(.+?)"', str(wanted.marker))
    return found[1] if found else ""


@pytest.mark.parametrize("python", SUPPORTED)
def test_everything_asked_for_has_one_version_that_is_allowed(python):
    checked = 0
    for wanted in asked_for():
        if not holds(wanted.marker, python, extra_of(wanted)):
            continue
        name = canonicalize_name(wanted.name)
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == name and holds(pin.marker, python)]
        assert len(pins) == 1, f"{wanted.name} has {len(pins)} versions on Python {python}"
        (exact,) = pins[0].specifier
        assert exact.operator == "=="
        assert wanted.specifier.contains(exact.version), f"{pins[0]}, but {wanted} is asked for"
        checked += 1
    assert checked > 20


def test_nothing_is_named_that_nobody_asks_for():
    names = {canonicalize_name(wanted.name) for wanted in asked_for()}
    assert {canonicalize_name(pin.name) for pin in PINS} <= names
