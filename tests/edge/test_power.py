"""Watts from files as in a Jetson's sysfs."""

import pytest

import edge.power
from edge.power import board_power_w, power_w, rails_w


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


@pytest.fixture
def drivers(tmp_path, monkeypatch):
    monkeypatch.setattr(edge.power, "DRIVERS", tmp_path)
    return tmp_path


def test_orin_reports_millivolts_and_milliamperes(drivers):
    # Values of an Orin Nano: 5072 mV and 1016 mA at the input.
    write(
        drivers / "ina3221/1-0040/hwmon/hwmon1",
        in1_label="VDD_IN",
        in1_input="5072",
        curr1_input="1016",
        in2_label="VDD_CPU_GPU_CV",
        in2_input="5072",
        curr2_input="200",
        in3_label="VDD_SOC",
        in3_input="none",
    )
    assert power_w() == pytest.approx(5.153152)
    assert rails_w() == pytest.approx({"VDD_IN": 5.153152, "VDD_CPU_GPU_CV": 1.0144})


def test_nano_reports_milliwatts(drivers):
    write(
        drivers / "ina3221x/6-0040/iio:device0",
        rail_name_0="POM_5V_IN",
        in_power0_input="2345",
        rail_name_1="POM_5V_GPU",
        in_power1_input="40",
    )
    assert power_w() == pytest.approx(2.345)


def test_thors_input_is_reported_in_microwatts(drivers):
    write(drivers / "ina238/2-0044/hwmon/hwmon4", power1_input="26686000")
    write(drivers / "ina3221/2-0040/hwmon/hwmon5", in1_label="VDD_GPU", in1_input="12000", curr1_input="300")
    assert rails_w() == pytest.approx({"VIN": 26.686, "VDD_GPU": 3.6}) and power_w() == pytest.approx(26.686)


def test_without_monitors_power_is_unknown_not_zero(drivers):
    assert power_w() is None and rails_w() == {}


def test_the_total_rail_takes_precedence_over_the_sum_of_the_parts():
    thor = {"VDD_GPU": 3.561, "VDD_CPU_SOC_MSS": 7.910, "VIN_SYS_5V0": 7.620}
    assert board_power_w(thor) == pytest.approx(19.091)
    assert board_power_w({**thor, "VIN": 26.686}) == 26.686
    # A single part is not the board.
    assert board_power_w({"VDD_GPU": 3.561}) is None
