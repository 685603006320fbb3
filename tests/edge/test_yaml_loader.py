"""YAML with which PyYAML fails, or never ends, as one error; of configurations and of other files."""

import pytest
import yaml

from edge.cli.config_file import read_flags
from edge.contract.errors import DataError
from edge.contract.reading import read_yaml

BILLIONS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(10 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BILLIONS, "more than 100000 values"),
        ("a: &a [*a]", "an alias that refers to itself"),
        ("a: &a {b: *a}", "an alias that refers to itself"),
        ("a: !!int many", "not what its tag says"),
        ("a: !!float ''", "not what its tag says"),
        ("a: !!bool perhaps", "not what its tag says"),
        ("a: !!timestamp now", "not what its tag says"),
        ('a: "\\ud800"', "a date or character that there is not"),
    ],
)
def test_one_error_says_what_is_wrong(text, says, tmp_path):
    with pytest.raises(yaml.YAMLError, match=says):
        read_flags(text)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(DataError, match=f"not readable as YAML: .*{says}"):
        read_yaml(tmp_path / "a.yaml", DataError, "write it again")


def test_a_date_that_there_is_not_is_an_error_only_where_dates_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 2026-13-45")
    with pytest.raises(DataError, match="a date or character that there is not"):
        read_yaml(tmp_path / "a.yaml", DataError, "write it again")
    assert read_flags("a: 2026-13-45") == {"a": "2026-13-45"}


def test_aliases_that_end_are_read():
    assert read_flags("a: &a {b: x}\nc: {<<: *a, d: *a}") == {"a": {"b": "x"}, "c": {"b": "x", "d": {"b": "x"}}}
