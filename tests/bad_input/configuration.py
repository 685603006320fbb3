"""Flags and YAML files."""

from pathlib import Path

from bad_input.table import Argv, row, rows, run, run_with


def configured(folder: Path, text: str) -> Argv:
    (folder / "run.yaml").write_text(text)
    return run_with(folder, "--config {}/run.yaml")


rows(
    configured,
    {
        "trakcer:\n  birth_hits: 3\n": "run.yaml: unknown key 'trakcer.birth_hits'",
        "recogniser:\n  smoothign: 3\n": "run.yaml: unknown key 'recogniser.smoothign'",
        "tracker:\n  birth_hits: often\n": "tracker.birth_hits",
        "decisions:\n  min_score: 40\n": "decisions: min_score is 40.0; give a number in [0, 1]",
        "tracker:\n  birth_hits:\n": "tracker.birth_hits has no value; give one, or leave the key out",
        "self_test:\n": "self_test has no value",
    },
)
rows(
    run_with,
    {
        "--config {}/nowhere.yaml": "nowhere.yaml",
        "--sinks.vidoe b.mp4": "--sinks.vidoe",
        "--decisions.hz -1": "decisions: hz is -1.0; give a number in (0, 1000]",
        "--frames 0": "frames is 0; give a number in [1, inf)",
        "--limit_s -2": "limit_s is -2.0; give a number in (0, inf)",
        "--limit_s 1e400": "limit_s is inf; give a number in (0, inf)",
        "--restarts.restarts -1": "restarts: restarts is -1; give a number in [0, inf)",
        "--tracker.birth_hits 0": "tracker: birth_hits is 0; give a number in [1, inf)",
        "--recogniser.threads -1": "threads is -1; give 0 for all cores, or up to 1024",
        "--recogniser.threads 99999999999": "threads is 99999999999; give 0 for all cores, or up to 1024",
    },
)


@row()
def a_configuration_that_is_a_picture(folder: Path) -> Argv:
    """the configuration file is not text"""
    (folder / "run.yaml").write_bytes(b"\x89PNG\r\n\xff\xfe")
    return run_with(folder, "--config {}/run.yaml")


@row()
def a_bundle_of_too_long_a_name(folder: Path) -> Argv:
    """bundle.yaml: cannot be read: File name too long; check its permissions, or copy the bundle again"""
    return run(folder, bundle=folder / ("b" * 300))


@row()
def a_source_that_is_a_link_to_itself(folder: Path) -> Argv:
    """clip.mp4: no such file or folder"""
    (folder / "clip.mp4").symlink_to(folder / "clip.mp4")
    return run(folder, source=folder / "clip.mp4")
