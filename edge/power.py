"""What the board draws, from the INA3221 monitors that every Jetson has."""

from __future__ import annotations

from pathlib import Path

DRIVERS = Path("/sys/bus/i2c/drivers")
TOTAL_RAILS = ("VDD_IN", "POM_5V_IN", "VDD_SYS_5V0", "SYS5V0")
"""The rail that feeds the board, by the names that L4T gave it from Nano to Orin."""


def power_w() -> float | None:
    """Watts that the whole board draws now; None where nothing tells."""
    rails = rails_w()
    return next((rails[name] for name in TOTAL_RAILS if name in rails), None)


def rails_w() -> dict[str, float]:
    """Watts by rail. L4T R34 and later give millivolts and milliamperes, earlier ones milliwatts."""
    found: dict[str, float] = {}
    for label in sorted(DRIVERS.glob("ina3221/*/hwmon/hwmon*/in*_label")):
        number = label.name[2 : -len("_label")]
        millivolts, milliamperes = (_number(label.with_name(f"{kind}{number}_input")) for kind in ("in", "curr"))
        name = _text(label)
        if name and millivolts is not None and milliamperes is not None:
            found[name] = millivolts * milliamperes / 1e6
    for label in sorted(DRIVERS.glob("ina3221x/*/iio:device*/rail_name_*")):
        milliwatts = _number(label.with_name(f"in_power{label.name.rpartition('_')[2]}_input"))
        name = _text(label)
        if name and milliwatts is not None:
            found[name] = milliwatts / 1e3
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
