"""Checkpoints: damage is detected wherever it is, and a differing setting is named."""

import hashlib
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.cli.command_line import run_command_line
from edge.contract.errors import ConfigError, DataError, OutputError
from tests.train.tiny_runs import teacher_config
from train.__main__ import COMMANDS
from train.checkpoint import FILE, Checkpoint, load_checkpoint, load_trained, save_checkpoint
from train.teach import train_teacher


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path, teacher: Path, damage: bytes | None) -> None:
    run = shutil.copytree(teacher, tmp_path / "run")
    (run / FILE).write_bytes((teacher / FILE).read_bytes()[:1000] if damage is None else damage)
    with pytest.raises(DataError, match=r"checkpoint.pt: not a readable checkpoint.*remove it") as message:
        train_teacher(teacher_config(run))
    assert "\n" not in str(message.value)


def without_a_weight(saved: dict[str, Any]) -> None:
    del saved["network"]["fc.bias"]


def with_a_weight_of_another_name(saved: dict[str, Any]) -> None:
    saved["network"]["classifier.bias"] = saved["network"].pop("fc.bias")


def without_the_optimisers_state(saved: dict[str, Any]) -> None:
    saved["optimiser"] = {}


@pytest.mark.parametrize(
    "earlier", [without_a_weight, with_a_weight_of_another_name, without_the_optimisers_state], ids=lambda f: f.__name__
)
def test_a_run_of_an_earlier_version_is_refused_in_one_line_and_left_unchanged(
    tmp_path: Path, teacher: Path, earlier: Callable[[dict[str, Any]], None]
) -> None:
    saved = torch.load(teacher / FILE, weights_only=True)
    earlier(saved)
    torch.save(saved, tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(
        DataError, match=r"checkpoint\.pt: written by another version of skd-edge.+train again"
    ) as message:
        train_teacher(teacher_config(tmp_path))
    assert len(str(message.value)) < 500 + len(str(tmp_path)) and "\n" not in str(message.value)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("key", ["optimiser", "bodies", "source", "clips_per_class"])
def test_a_run_without_a_required_key_is_refused_in_one_line(tmp_path: Path, teacher: Path, key: str) -> None:
    saved = torch.load(teacher / FILE, weights_only=True)
    del saved["about"][key]
    torch.save(saved, tmp_path / FILE)
    with pytest.raises(DataError, match=rf"checkpoint\.pt: written by another version of skd-edge.+'{key}'"):
        load_trained(tmp_path)


def test_a_run_from_before_scenes_is_read(tmp_path: Path, teacher: Path) -> None:
    saved = torch.load(teacher / FILE, weights_only=True)
    del saved["about"]["scenes"]
    torch.save(saved, tmp_path / FILE)
    assert load_trained(tmp_path).about["source"] == "kinematic"


def test_a_run_from_before_curves_between_frames_is_one_with_lines(tmp_path: Path, teacher: Path) -> None:
    saved = torch.load(teacher / FILE, weights_only=True)
    assert saved["about"]["pairs"]["preprocessing"].pop("between") == "line"
    torch.save(saved, tmp_path / FILE)
    load_checkpoint(tmp_path).require_same_settings(load_checkpoint(teacher).about, tmp_path)


def test_a_full_disk_is_an_output_error_and_keeps_the_checkpoint(tmp_path: Path, teacher: Path) -> None:
    (tmp_path / FILE).write_bytes((teacher / FILE).read_bytes())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.pt: cannot be written: File too large"):
            save_checkpoint(tmp_path, load_checkpoint(teacher))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / FILE).read_bytes() == (teacher / FILE).read_bytes() and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_at_the_start_of_a_training_is_an_output_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OutputError, match="tensorboard: cannot be written: "):
            train_teacher(teacher_config(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("key", "value"), [
    *((key, 0.5) for key in ("network", "layout", "source", "width", "bodies", "clips_per_class", "scenes", "seed")),
    ("classes", 3), ("optimiser", None), ("clips_per_class", 10**30), ("scenes", 10**30),
])  # fmt: skip
def test_a_run_with_a_value_of_another_type_or_size_is_refused_in_one_line(
    tmp_path: Path, teacher: Path, key: str, value: object
) -> None:
    saved = torch.load(teacher / FILE, weights_only=True)
    saved["about"][key] = value
    torch.save(saved, tmp_path / FILE)
    says = "'NoneType' object" if key == "optimiser" else f"{key} is {value!r}"
    with pytest.raises(DataError, match=rf"checkpoint\.pt: written by another version .+ {says}"):
        load_trained(tmp_path)


def with_weights_of_another_shape(saved: dict[str, Any]) -> None:
    saved["best"] = {name: value.repeat(2, *[1] * (value.dim() - 1)) for name, value in saved["best"].items()}


def without_weights(saved: dict[str, Any]) -> None:
    saved["best"] = {}


def with_an_unknown_setting(saved: dict[str, Any]) -> None:
    saved["about"]["pairs"]["jump"] = 0.5


@pytest.mark.parametrize(
    "alter", [with_weights_of_another_shape, without_weights, with_an_unknown_setting], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(
    "command",
    [
        "student --out {new} --teacher {run} --data.clips_per_class 3 --data.pairs.preprocessing.length_frames 8"
        " --data.pairs.preprocessing.fps 4",
        "export --run {run} --bundle {new} --workdir {new}",
    ],
)
def test_weights_that_do_not_fit_the_network_are_refused_in_one_line(
    tmp_path: Path, teacher: Path, alter: Callable[[dict[str, Any]], None], command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    saved = torch.load(teacher / FILE, weights_only=True)
    alter(saved)
    (tmp_path / "run").mkdir()
    torch.save(saved, tmp_path / "run" / FILE)
    words = [word.format(run=tmp_path / "run", new=tmp_path / "new") for word in command.split()]
    with pytest.raises(SystemExit) as stop:
        run_command_line("train", "", COMMANDS, words)
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.count("\n") == 1
    assert f"{tmp_path / 'run' / FILE}: written by another version of skd-edge" in message
    assert "train again, or use" in message and len(message) < 500 + len(str(tmp_path))
    assert not (tmp_path / "new").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns about what a damaged file may be
def test_a_changed_byte_is_a_data_error_wherever_it_is(tmp_path: Path, teacher: Path) -> None:
    whole, rng = (teacher / FILE).read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, 6000, 150):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / FILE).write_bytes(bytes(damaged))
        try:
            load_checkpoint(tmp_path)
        except DataError:
            refused += 1
    assert refused > 30, "the start of the file holds names, whose damage is noticed"


def test_a_checkpoint_whose_weights_have_changed_on_disk_is_refused(teacher: Path, tmp_path: Path) -> None:
    spoilt = bytearray((teacher / FILE).read_bytes())
    weights = max(load_checkpoint(teacher).network.values(), key=lambda value: value.numel())
    spoilt[spoilt.index(weights.numpy().tobytes())] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    with pytest.raises(DataError, match=r"not a readable checkpoint: .+ inside it has changed; remove it"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_whose_content_seems_compressed_is_refused(teacher: Path, tmp_path: Path) -> None:
    spoilt = bytearray((teacher / FILE).read_bytes())
    spoilt[spoilt.index(b"PK\x01\x02") + 10] = 8  # the method in the archive's first directory entry: deflate
    (tmp_path / FILE).write_bytes(spoilt)
    with pytest.raises(DataError, match=r"not a readable checkpoint: .+; remove it"):
        load_checkpoint(tmp_path)


def test_a_fingerprint_is_that_of_the_sorted_names_and_weights() -> None:
    found = Checkpoint({}, {}, {}, {}, {}, {"b": torch.tensor([1, 2]), "a": torch.tensor([[0.5], [3.0]])}, [])
    content = b"a" + np.array([0.5, 3], np.float32).tobytes() + b"b" + np.array([1, 2], np.int64).tobytes()
    assert found.fingerprint() == hashlib.sha256(content).hexdigest()[:16]


@pytest.mark.parametrize(
    ("there", "here", "message"),
    [
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "a.b.c"),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, "a.c"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({}, {"a": 1}, "a"),
        ({"a": {"b": 1}}, {"a": None}, "a"),
        ({"a": None}, {"a": {"b": 1}}, "a"),
    ],
)
def test_a_differing_setting_is_named_with_dots(
    tmp_path: Path, there: dict[str, object], here: dict[str, object], message: str
) -> None:
    found = Checkpoint(there, {}, {}, {}, {}, {}, [])
    with pytest.raises(ConfigError, match=rf"another {message};"):
        found.require_same_settings(here, tmp_path)
    found.require_same_settings(there, tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"history": None}, "history must be a list, not null;"),
        ({"history": [3]}, "entry 1 of history must be a mapping, not 3;"),
        ({"about": []}, r"about must be a mapping, not \[\];"),
        ({"best": torch.zeros(2)}, "best must be a mapping, not a Tensor;"),
        ({"more": 1}, "unknown key 'more';"),
    ],
)
def test_a_part_of_a_checkpoint_that_is_of_another_type_is_named(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    parts: dict[str, Any] = {name: {} for name in ("about", "network", "extra", "optimiser", "average", "best")}
    torch.save({**parts, "history": [], **change}, tmp_path / FILE)
    with pytest.raises(DataError, match=rf"checkpoint\.pt: {says}"):
        load_checkpoint(tmp_path)
