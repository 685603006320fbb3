"""constraints.txt pins each requirement to one allowed version, on each supported Python."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SUPPORTED = ("3.10", "3.11", "3.12")
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def requirements():
    for line in metadata.requires("skd-edge"):
        wanted = Requirement(line)
        if canonicalize_name(wanted.name) != "skd-edge":
            yield wanted


def applies(marker, python, extra=""):
    return marker is None or marker.evaluate({"python_version": python, "extra": extra})


def extra_of(wanted):
    found = re.search(r'extra == "(.+?)"', str(wanted.marker))
    return found[1] if found else ""


@pytest.mark.parametrize("python", SUPPORTED)
def test_each_requirement_has_one_allowed_version(python):
    checked = 0
    for wanted in requirements():
        if not applies(wanted.marker, python, extra_of(wanted)):
            continue
        name = canonicalize_name(wanted.name)
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == name and applies(pin.marker, python)]
        assert len(pins) == 1, f"{wanted.name} has {len(pins)} versions on Python {python}"
        (exact,) = pins[0].specifier
        assert exact.operator == "=="
        assert wanted.specifier.contains(exact.version), f"{pins[0]}, but {wanted} is required"
        checked += 1
    assert checked > 20


@pytest.mark.parametrize(("python", "others"), [("3.10", ["numpy"]), ("3.11", ["numpy", "scipy"])])
def test_images_have_tested_versions(python, others):
    """Except for numpy, see there, and what 3.11 has newer."""
    lines = [line for line in (ROOT / "docker/requirements.txt").read_text().splitlines() if line[0] != "#"]
    pinned = [wanted for wanted in map(Requirement, lines) if applies(wanted.marker, python)]
    tested = {canonicalize_name(pin.name): pin.specifier for pin in PINS if applies(pin.marker, python)}
    assert [wanted.name for wanted in pinned if tested[canonicalize_name(wanted.name)] != wanted.specifier] == others


def test_nothing_else_is_pinned():
    names = {canonicalize_name(wanted.name) for wanted in requirements()}
    assert {canonicalize_name(pin.name) for pin in PINS} <= names
