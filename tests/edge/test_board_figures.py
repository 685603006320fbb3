"""Power, energy, temperature and throttling: hand-computed values, and a board of sysfs files."""

from pathlib import Path

import pytest

from edge.bench.board import BoardMonitor
from edge.bench.latency_report import _board
from edge.bench.tegrastats import BoardSample


def sample(watts, celsius, ram_mb=700):
    return BoardSample(ram_mb, {"tj": celsius}, {"VDD_IN": watts})


class Orin:
    """The files of an Orin that the monitor reads; see edge.host.Host."""

    def __init__(self):
        self.files = {
            "/sys/class/thermal/thermal_zone0/type": "tj-thermal",
            "/sys/class/thermal/thermal_zone0/temp": "49156",
            "/sys/class/thermal/cooling_device3/type": "gpu-throttle-alert",
            "/sys/class/thermal/cooling_device3/cur_state": "0",
            "/sys/class/hwmon/hwmon1/oc1_event_cnt": "7",
            "/sys/class/hwmon/hwmon1/oc3_event_cnt": "0",
            "/sys/class/devfreq/17000000.ga10b/min_freq": "1020000000",
            "/sys/class/devfreq/17000000.ga10b/max_freq": "1020000000",
        }

    def read(self, path):
        return self.files.get(path)

    def names(self, pattern):
        folders = {str(parent) for name in self.files for parent in Path(name).parents}
        return sorted(name for name in {*self.files, *folders} if Path(name).match(pattern))


class Laptop(Orin):
    """A machine that reports nothing."""

    def __init__(self):
        self.files = {}


def test_energy_is_power_times_time_by_inference_with_and_without_what_idling_takes():
    loop, idle = [sample(8.0, 50.0), sample(12.0, 52.0, 720)], [sample(4.0, 45.0)]
    monitor = BoardMonitor([], Laptop())
    monitor.loop, monitor.idle = loop, idle
    found = monitor.figures(frames=100, seconds=5.0)
    # 10 W for 5 s is 50 J, by 100 inferences 500 mJ; 6 W of it above idle.
    assert found["power_w"] == 10 and found["energy_per_inference_mj"] == 500 and found["energy_above_idle_mj"] == 300
    assert (found["coolest_c"], found["hottest_c"], found["ram_mb"]) == (50, 52, 720)


def test_what_is_not_reported_is_unknown():
    monitor = BoardMonitor([], Laptop())
    assert monitor.figures(100, 5.0) is None
    monitor.loop = [BoardSample(700, {}, {})]
    found = monitor.figures(1, 1.0)
    assert found["power_w"] is found["energy_per_inference_mj"] is found["hottest_c"] is found["slowed_by_heat"] is None
    assert _board(found)[0] == "- memory of the board in use: 700 MB"
    assert _board(found)[1:] == ["- power: unknown", "- hottest unit: unknown; clocks: unknown; throttled: unknown"]


def test_heat_and_over_current_are_seen_while_the_loop_runs():
    board, samples = Orin(), [sample(5.0, 48.0)]
    monitor = BoardMonitor(samples, board)
    with monitor.in_loop():
        samples.append(sample(15.0, 90.0))
        board.files |= {
            "/sys/class/thermal/thermal_zone0/temp": "97500",
            "/sys/class/thermal/cooling_device3/cur_state": "2",
            "/sys/class/hwmon/hwmon1/oc3_event_cnt": "3",
        }
    board.files["/sys/class/thermal/cooling_device3/cur_state"] = "0"
    monitor.poll()
    found = monitor.figures(30, 1.0)
    assert found["power_w"] == 15 and (found["coolest_c"], found["hottest_c"]) == (49.156, 97.5)
    # Seven events happened before.
    assert found["slowed_by_heat"] == ["gpu-throttle-alert"] and found["over_current_events"] == 3
    assert found["clocks_held"] is True
    throttled = "throttled: gpu-throttle-alert (thermal), 3 over-current or under-voltage events"
    assert throttled in _board(found)[2] and "500 mJ per inference" in _board(found)[1]


def test_a_board_at_rest_was_never_slowed_down():
    found = BoardMonitor([], Orin()).figures(1, 1.0)
    assert found["slowed_by_heat"] == [] and found["over_current_events"] == 0 and found["power_w"] is None
    assert _board(found)[1].endswith("throttled: never") and found["hottest_c"] == pytest.approx(49.156)
