"""Watts, from files as a Jetson's kernel gives them."""

import pytest

import edge.power
from edge.power import power_w, rails_w


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


@pytest.fixture
def drivers(tmp_path, monkeypatch):
    monkeypatch.setattr(edge.power, "DRIVERS", tmp_path)
    return tmp_path


def test_an_orin_gives_millivolts_and_milliamperes(drivers):
    # As an Orin Nano has them: 5072 mV and 1016 mA at the inlet.
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


def test_a_nano_gives_milliwatts(drivers):
    write(
        drivers / "ina3221x/6-0040/iio:device0",
        rail_name_0="POM_5V_IN",
        in_power0_input="2345",
        rail_name_1="POM_5V_GPU",
        in_power1_input="40",
    )
    assert power_w() == pytest.approx(2.345)


def test_where_nothing_tells_it_is_unknown_not_zero(drivers):
    assert power_w() is None and rails_w() == {}
