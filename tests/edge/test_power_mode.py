"""Whether a board runs in its fastest power mode, with its clocks locked."""

import boards
import pytest

from edge.doctor import power_mode
from edge.machine import mode_name

B = boards.MAXWELL_TO_BLACKWELL


@pytest.mark.parametrize(
    ("name", "mode", "status", "fix"),
    [
        ("nano", "5W", "warn", "sudo nvpmodel -m 0"),
        ("xavier", "MODE_15W_6CORE", "warn", "sudo nvpmodel -m 8"),
        ("orin", "25W", "warn", "sudo nvpmodel -m 2"),
        ("thor", "MAXN", "ok", None),
    ],
)
def test_power_modes_are_compared_by_name(name, mode, status, fix):
    output, configuration = B[name]["nvpmodel"], B[name]["/etc/nvpmodel.conf"]
    assert mode_name(output) == mode
    found = power_mode.power_mode(output, None, configuration, True)
    assert (found.status, found.fix) == (status, fix)


def test_a_mode_that_is_fastest_on_another_board_is_not_so_beside_a_faster_one():
    configuration = "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
    found = power_mode.power_mode("NV Power Mode: MAXN\n0\n", None, configuration, True)
    assert (found.status, found.fix) == ("warn", "sudo nvpmodel -m 2")


@pytest.mark.parametrize(
    ("names", "now", "status", "fix"),
    [
        (("MODE_15W_6CORE", "MODE_20W_2CORE", "MODE_20W_6CORE"), "MODE_20W_6CORE", "ok", None),
        (("MODE_20W_8CORE", "MODE_20W_10CORE"), "MODE_20W_8CORE", "warn", "sudo nvpmodel -m 1"),
        # Orin Nano before JetPack 6.2, with 8 and 4 GB.
        (("15W", "7W"), "15W", "ok", None),
        (("15W", "7W"), "7W", "warn", "sudo nvpmodel -m 0"),
        (("10W", "7W_AI", "7W_CPU"), "10W", "ok", None),
        (("QUIET", "LOUD"), "QUIET", "warn", "sudo nvpmodel -p --verbose lists the modes"),
    ],
)
def test_without_maxn_the_fastest_mode_is_that_with_the_most_watts_and_cores(names, now, status, fix):
    configuration = "".join(f"< POWER_MODEL ID={number} NAME={name} >\n" for number, name in enumerate(names))
    found = power_mode.power_mode(f"NV Power Mode: {now}\n0\n", None, configuration, True)
    assert (found.status, found.fix) == (status, fix)


def test_an_unknown_power_mode_is_not_reported_as_slow():
    assert "unknown" in power_mode.power_mode(None, None, None, True).found
    assert "unknown" in power_mode.power_mode("NVPM ERROR: fatal\n", None, None, True).found
    assert power_mode.power_mode("NV Power Mode: MAXN_SUPER\n2\n", None, None, True).status == "ok"
    # JetPack 4 on a Xavier prints the fan mode first, and no number.
    assert power_mode.power_mode("NV Fan Mode:quiet\nNV Power Mode: MAXN\n", None, None, True).status == "ok"


def test_in_a_container_the_mode_is_read_from_nvpmodels_status_file():
    configuration = B["orin"]["/etc/nvpmodel.conf"]
    assert power_mode.power_mode(None, "pmode:0002", configuration, True).found == "MAXN_SUPER"
    slow = power_mode.power_mode(None, "pmode:0001 fmode:quiet", configuration, True)
    assert slow.status == "warn" and slow.fix == "sudo nvpmodel -m 2"
    # A number that is not in the board's list.
    assert "unknown" in power_mode.power_mode(None, "pmode:0009", configuration, True).found


def test_clocks_are_locked_if_minimum_and_maximum_are_equal():
    held = {"CPU 0": (1_728_000_000, 1_728_000_000), "GPU": (1_020_000_000, 1_020_000_000)}
    assert power_mode.clocks(held, True).status == "ok"
    assert power_mode.clocks({**held, "GPU": (306_000_000, 1_020_000_000)}, True).status == "warn"
