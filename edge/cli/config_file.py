"""Read a YAML file of flags."""

from __future__ import annotations

from typing import Any

import yaml

from edge.contract.yaml_loader import YamlLoader


class _FlagLoader(YamlLoader):
    """Leaves numbers as text, as on a command line, until the type of their key is known: ``source: 0`` and
    ``page: 8080`` need no quotes. Rejects duplicate keys, of which YAML would use the last."""

    def construct_scalar(self, node: Any) -> Any:
        if "\0" in node.value:  # no path or argument can have one
            raise yaml.constructor.ConstructorError(None, None, "text with a null character", node.start_mark)
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"}
_FlagLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_flags(text: str) -> Any:
    """Mappings, sequences, text, booleans and None. Raises YAMLError with one line that names the line number."""
    try:
        return yaml.load(text, Loader=_FlagLoader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise yaml.YAMLError(f"{where}{error.problem}") from error
