"""Power draw of the board, from its power monitors in sysfs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.host import ThisHost, number

DRIVERS = Path("/sys/bus/i2c/drivers")
WHOLE_BOARD = ("VIN", "VDD_IN", "POM_5V_IN")
"""Rails of the total input: of Thor; of Orin NX and Nano, Xavier NX and TX2; of Nano."""
PARTS = (
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)
"""Rails that add up to the module, on boards without a total: of Thor, AGX Orin, AGX Xavier."""


def board_power_w(rails_w: Mapping[str, float]) -> float | None:
    """Watts of the whole board, or of its module if only that is measured; None if neither is.

    rails_w: watts by rail, under L4T's names, which tegrastats and sysfs share.
    """
    for name in WHOLE_BOARD:
        if name in rails_w:
            return rails_w[name]
    parts = next((names for names in PARTS if all(name in rails_w for name in names)), None)
    return None if parts is None else sum(rails_w[name] for name in parts)


def power_w() -> float | None:
    """Watts that the board draws now, None if unknown."""
    return board_power_w(rails_w())


def rails_w() -> dict[str, float]:
    """Watts by rail now.

    L4T R34 and later report millivolts and milliamperes, earlier releases milliwatts. Thor's input has its own monitor,
    in microwatts.
    """
    found: dict[str, float] = {}
    for label in sorted(DRIVERS.glob("ina3221/*/hwmon/hwmon*/in*_label")):
        monitor = label.name[2 : -len("_label")]
        millivolts, milliamperes = (_number(label.with_name(f"{kind}{monitor}_input")) for kind in ("in", "curr"))
        name = ThisHost().read(str(label))
        if name and millivolts is not None and milliamperes is not None:
            found[name] = millivolts * milliamperes / 1e6
    for label in sorted(DRIVERS.glob("ina3221x/*/iio:device*/rail_name_*")):
        milliwatts = _number(label.with_name(f"in_power{label.name.rpartition('_')[2]}_input"))
        name = ThisHost().read(str(label))
        if name and milliwatts is not None:
            found[name] = milliwatts / 1e3
    for microwatts in sorted(DRIVERS.glob("ina238/*/hwmon/hwmon*/power1_input")):
        if (value := _number(microwatts)) is not None:
            found["VIN"] = value / 1e6
    return found


def _number(path: Path) -> int | None:
    return number(ThisHost().read(str(path)))
