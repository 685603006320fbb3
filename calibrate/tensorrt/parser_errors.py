"""Turn the errors of TensorRT's parser into messages that say what to change.

The parser reports the failed condition as it stands in its C++ source, sometimes followed by a text. For an unsupported
operator it reports only "false", or that there is no plugin of that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

_TEXT = re.compile(r'&&\s*((?:"[^"]*"\s*)+)$')
"""The text after a condition: && "text", or several adjacent string literals."""
_ASSERTION = re.compile(r"^Assertion failed: (.*?\S: )?")
"""With the condition, if a text follows it."""
_UNKNOWN_OPERATOR = ("", "false", "Plugin not found, are the plugin name, version, and namespace correct?")
_DRIVER_NOISE = re.compile(r"^\[checkMacros.*$", re.MULTILINE)
"""A line that is added to every error on a machine without a GPU."""


@dataclass(frozen=True)
class ParserError:
    """Why TensorRT refuses a network. node and operator are empty if unknown."""

    node: str
    operator: str
    message: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.message}" if self.node else self.message


def parser_error(error: Any, model: onnx.ModelProto) -> ParserError:
    """error: TensorRT's ``IParserError``. model: the model that was parsed."""
    # Node names came with TensorRT 10, and not every node has one; every version reports the node's index.
    index = error.node()
    node = model.graph.node[index] if 0 <= index < len(model.graph.node) else onnx.NodeProto()
    name = error.node_name() if hasattr(error, "node_name") else ""
    operator = (error.node_operator() if hasattr(error, "node_operator") else "") or node.op_type
    unnamed = f"node {index}" if node.op_type else ""
    return ParserError(name or node.name or unnamed, operator, reason(error.desc(), operator))


def reason(description: str, operator: str) -> str:
    """The parser's description without C++ source; a message of our own if nothing else is left."""
    words = _DRIVER_NOISE.sub("", description).strip()
    if text := _TEXT.search(words):
        words = "".join(re.findall(r'"([^"]*)"', text[1]))
    words = _ASSERTION.sub("", words)
    if words in _UNKNOWN_OPERATOR:
        return f"this TensorRT has no operator {operator or 'of that kind'}, or not with these inputs and attributes"
    return words


def next_step(network: Path, environment: str = "") -> str:
    """The hint of an error. environment: variables to put before the command."""
    return (
        f"`{environment}polygraphy inspect capability {network}` lists every node that is refused; export it in opset "
        "17, which TensorRT reads from 8.5 on, with operators that onnx-tensorrt's docs/operators.md lists"
    )
