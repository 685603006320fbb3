"""Flags and YAML files."""

from pathlib import Path

from bad_input.table import Argv, row, run


def configured(folder: Path, text: str) -> Argv:
    path = folder / "run.yaml"
    path.write_text(text)
    return run(folder, more=["--config", path])


@row()
def a_configuration_with_a_misspelt_key(folder: Path) -> Argv:
    """trakcer"""
    return configured(folder, "trakcer:\n  birth_hits: 3\n")


@row()
def a_configuration_with_a_misspelt_key_further_in(folder: Path) -> Argv:
    """recogniser.smoothign"""
    return configured(folder, "recogniser:\n  smoothign: 3\n")


@row()
def a_configuration_value_of_the_wrong_type(folder: Path) -> Argv:
    """tracker.birth_hits"""
    return configured(folder, "tracker:\n  birth_hits: often\n")


@row()
def a_configuration_value_out_of_range(folder: Path) -> Argv:
    """decisions: min_score is 40.0; give a number in [0, 1]"""
    return configured(folder, "decisions:\n  min_score: 40\n")


@row()
def a_configuration_that_is_not_there(folder: Path) -> Argv:
    """nowhere.yaml"""
    return run(folder, more=["--config", folder / "nowhere.yaml"])


@row()
def a_configuration_that_is_a_picture(folder: Path) -> Argv:
    """the configuration file is not text"""
    (folder / "run.yaml").write_bytes(b"\x89PNG\r\n\xff\xfe")
    return run(folder, more=["--config", folder / "run.yaml"])


@row()
def a_flag_that_is_misspelt(folder: Path) -> Argv:
    """--sinks.vidoe"""
    return run(folder, more=["--sinks.vidoe", "b.mp4"])


@row()
def decisions_at_no_rate(folder: Path) -> Argv:
    """decisions: hz is -1.0; give a number in (0, 1000]"""
    return run(folder, more=["--decisions.hz", "-1"])


@row()
def a_run_of_no_frames(folder: Path) -> Argv:
    """frames is 0; give a number in [1, inf)"""
    return run(folder, more=["--frames", "0"])


@row()
def a_run_of_no_time(folder: Path) -> Argv:
    """limit_s is -2.0; give a number in (0, inf)"""
    return run(folder, more=["--limit_s", "-2"])


@row()
def a_budget_of_failures_below_none(folder: Path) -> Argv:
    """restarts: restarts is -1; give a number in [0, inf)"""
    return run(folder, more=["--restarts.restarts", "-1"])


@row()
def people_that_are_followed_after_no_frame(folder: Path) -> Argv:
    """tracker: birth_hits is 0; give a number in [1, inf)"""
    return run(folder, more=["--tracker.birth_hits", "0"])


@row()
def threads_below_none(folder: Path) -> Argv:
    """threads is -1; give 0 for all cores, or up to 1024"""
    return run(folder, more=["--recogniser.threads", "-1"])


@row()
def a_configuration_key_without_a_value(folder: Path) -> Argv:
    """tracker.birth_hits has no value; give one, or leave the key out"""
    return configured(folder, "tracker:\n  birth_hits:\n")


@row()
def a_self_test_that_is_neither_on_nor_off(folder: Path) -> Argv:
    """self_test has no value"""
    return configured(folder, "self_test:\n")


@row()
def a_bundle_of_too_long_a_name(folder: Path) -> Argv:
    """bundle.yaml: cannot be read: File name too long; check its permissions, or copy the bundle again"""
    return run(folder, bundle=folder / ("b" * 300))


@row()
def a_source_that_is_a_link_to_itself(folder: Path) -> Argv:
    """clip.mp4: no such file or folder"""
    (folder / "clip.mp4").symlink_to(folder / "clip.mp4")
    return run(folder, source=folder / "clip.mp4")


@row()
def more_threads_than_any_machine_has_cores(folder: Path) -> Argv:
    """threads is 99999999999; give 0 for all cores, or up to 1024"""
    return run(folder, more=["--recogniser.threads", "99999999999"])


@row()
def a_run_without_end(folder: Path) -> Argv:
    """limit_s is inf; give a number in (0, inf)"""
    return run(folder, more=["--limit_s", "1e400"])
