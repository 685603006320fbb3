"""Load YAML that anybody may have written: PyYAML's safe loader, with its crashes and endless files as YAMLError."""

from __future__ import annotations

from itertools import chain
from typing import Any

import yaml

MAX_VALUES = 100_000


class YamlLoader(yaml.SafeLoader):
    """Raises only YAMLError, or RecursionError for a file that is nested too deeply.

    Refuses a file of more than MAX_VALUES values, aliases written out: a few nested aliases make billions, and an
    error that quotes them would never end.
    """

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _count(node, {}) > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values, or an alias that refers to itself")
        return node

    def get_single_data(self) -> Any:
        try:
            return super().get_single_data()
        except (ValueError, AttributeError, LookupError) as error:
            raise yaml.YAMLError(
                "a date or character that there is not, or a value that is not what its tag says"
            ) from error


def _count(node: Any, counts: dict[int, int]) -> int:
    """The number of values of a node, aliases written out. counts: of the nodes seen so far, by id."""
    if isinstance(node, yaml.ScalarNode):
        node.value.encode()  # half of a surrogate pair, as "\ud800", could be neither printed nor written
        return 1
    if id(node) not in counts:
        counts[id(node)] = MAX_VALUES  # for an alias inside itself
        children = chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        counts[id(node)] = 1 + sum(_count(child, counts) for child in children)
    return counts[id(node)]
