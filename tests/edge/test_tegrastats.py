"""Lines of tegrastats in the formats of four boards, and a program that writes them."""

import os
import time

import boards
import pytest

import edge.power
from edge.bench.tegrastats import BoardSample, board_samples, read_line


@pytest.mark.parametrize(
    ("name", "ram_mb", "power_w", "hottest_c"),
    [
        # Read from the lines by eye. The Nano's PMIC always reports 50 or 100.
        ("nano", 1409, 2.003, 39.5),
        ("xavier", 3361, 3.654, 37.5),
        ("orin", 775, 4.761, 49.156),
        ("thor", 86905, 26.686, 39.906),
    ],
)
def test_memory_power_and_heat(name, ram_mb, power_w, hottest_c):
    sample = read_line(boards.MAXWELL_TO_BLACKWELL[name]["tegrastats"])
    assert (sample.ram_mb, sample.hottest_c) == (ram_mb, hottest_c)
    assert sample.power_w == pytest.approx(power_w)


def test_rails_are_summed_if_no_total_is_measured():
    orin = "RAM 4096/30536MB (lfb 200x4MB) CPU [10%@2201,off] GR3D_FREQ 0% cpu@50C cv0@-256C tj@51.5C "
    orin += "VDD_GPU_SOC 3200mW/3210mW VDD_CPU_CV 1600mW/1610mW VIN_SYS_5V0 5000mW/5010mW VDDQ_VDD2_1V8AO 400mW/400mW"
    # The last is a part of the one before it.
    assert read_line(orin).power_w == pytest.approx(9.8) and read_line(orin).hottest_c == 51.5
    xavier = "RAM 2016/31927MB (lfb 5x4MB) CPU [1%@1190] GR3D_FREQ 0%@318 AO@33C GPU@34C PMIC@100C "
    xavier += "GPU 311/311 CPU 466/466 SOC 1245/1245 CV 0/0 VDDRQ 155/155 SYS5V 1600/1600"
    assert read_line(xavier).power_w == pytest.approx(3.777)


def test_a_rail_may_be_below_zero_when_idle():
    line = boards.THOR["tegrastats"].replace("VDD_GPU 3561mW/3561mW", "VDD_GPU -392mW/-392mW")
    assert read_line(line).rails_w["VDD_GPU"] == -0.392


@pytest.mark.parametrize(
    ("rails", "power_w"),
    [
        # TX2, JetPack 4; AGX Orin on JetPack 5, whose last rail is a part of VIN_SYS_5V0; the same when idle.
        ("VDD_SYS_GPU 194/194 VDD_4V0_WIFI 0/0 VDD_IN 2144/2144 VDD_SYS_CPU 194/194 VDD_SYS_DDR 288/288", 2.144),
        (
            "VDD_GPU_SOC 4788mW/4788mW VDD_CPU_CV 798mW/798mW VIN_SYS_5V0 3842mW/3842mW NC 0mW/0mW "
            "VDDQ_VDD2_1V8AO 707mW/707mW NC 0mW/0mW",
            9.428,
        ),
        (
            "VDD_GPU_SOC 1592mW/1592mW VDD_CPU_CV -398mW/-398mW VIN_SYS_5V0 2624mW/2624mW VDDQ_VDD2_1V8AO 403mW/403mW",
            3.818,
        ),
    ],
)
def test_power_of_lines_that_owners_of_boards_published(rails, power_w):
    line = f"RAM 1205/30623MB (lfb 6429x4MB) CPU [0%@729,off] EMC_FREQ 0%@204 GR3D_FREQ 14%@[407,407] {rails}"
    assert read_line(line).power_w == pytest.approx(power_w)


def test_a_board_without_power_readings_has_none():
    sample = read_line("RAM 264/28409MB CPU [0%@1817] GR3D_FREQ 5%@1109 VDD_SOC 12mW/12mW\n")
    assert sample.power_w is None and sample.hottest_c is None
    assert read_line("").rails_w == {}


def test_samples_grow_while_the_block_runs_and_the_program_ends_with_it(tmp_path, monkeypatch):
    program, number = tmp_path / "tegrastats", tmp_path / "number"
    line = f"echo '{boards.ORIN['tegrastats']}'"
    program.write_text(f"#!/bin/sh\necho $$ >{number}\n{line}\nsleep 0.1\n{line}\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    until = time.monotonic() + 30
    with board_samples() as samples:
        while len(samples) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert [sample.power_w for sample in samples] == pytest.approx([4.761, 4.761])
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


@pytest.mark.parametrize(
    ("program", "ram_mb"),
    [
        (b"\x7fELF of another machine", None),
        (b"#!/bin/sh\nprintf 'RAM 7/9MB \\377\\n'\nexec sleep 600\n", 7),
        (b"#!/bin/sh\ntrap '' TERM\necho RAM 7/9MB\nwhile :; do sleep 0.1; done\n", 7),
    ],
    ids=["does not run", "no text", "ignores its end"],
)
def test_a_strange_tegrastats_ends_no_measurement(tmp_path, monkeypatch, program, ram_mb):
    (tmp_path / "tegrastats").write_bytes(program)
    (tmp_path / "tegrastats").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    until = time.monotonic() + 10
    with board_samples() as samples:
        while not samples and ram_mb and time.monotonic() < until:
            time.sleep(0.01)
    assert [sample.ram_mb for sample in samples] == ([ram_mb] if ram_mb else [])


@pytest.mark.parametrize("number", ["1.2.3", "..", "9" * 5000, "²"])
def test_numbers_that_are_none_are_left_out(number):
    line = f"RAM {number}/9MB cpu@{number}C tj@40C VDD_IN {number}mW/1mW"
    assert read_line(line) == BoardSample(None, {"tj": 40.0}, {})


def test_in_a_container_the_rails_come_from_the_kernels_files(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(edge.power, "DRIVERS", tmp_path)
    folder = tmp_path / "ina3221/1-0040/hwmon/hwmon1"
    folder.mkdir(parents=True)
    for name, text in {"in1_label": "VDD_IN", "in1_input": "5072", "curr1_input": "1016"}.items():
        (folder / name).write_text(text)
    until = time.monotonic() + 30
    with board_samples() as samples:
        while not samples and time.monotonic() < until:
            time.sleep(0.01)
    assert samples[0].power_w == pytest.approx(5.153152) and samples[0].hottest_c is None
    after = len(samples)
    time.sleep(0.3)
    assert len(samples) == after


def test_without_tegrastats_and_rails_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(edge.power, "DRIVERS", tmp_path)
    with board_samples() as samples:
        pass
    assert samples == []
