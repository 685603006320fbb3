"""What TensorRT's parser has against a network, in words that say what to change.

The parser reports the condition that did not hold as it stands in its own source, sometimes with a text behind it and
sometimes not: of an operator that it lacks all it says is "false".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

_TEXT = re.compile(r'&&\s*((?:"[^"]*"\s*)+)$')
"""Behind a condition: && "text", or several texts that the compiler joins."""
_ASSERTION = re.compile(r"Assertion failed: ")
_BEHIND_ASSERTION = re.compile(r".*?\S: (?=\S)", re.DOTALL)
_WITHOUT_DRIVER = re.compile(r"^\[checkMacros.*$", re.MULTILINE)
"""What a machine without a GPU adds to any other cause."""


@dataclass(frozen=True)
class ParserError:
    """Why TensorRT refuses a network. node and operator are empty where it does not say."""

    node: str
    operator: str
    message: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.message}" if self.node else self.message


def parser_error(error: Any, model: onnx.ModelProto) -> ParserError:
    """error: TensorRT's ``IParserError``. model: what was parsed."""
    # Names came with TensorRT 10, and not every node has one; the node's place in the file is always told.
    place = error.node()
    node = model.graph.node[place] if 0 <= place < len(model.graph.node) else onnx.NodeProto()
    name = error.node_name() if hasattr(error, "node_name") else ""
    operator = (error.node_operator() if hasattr(error, "node_operator") else "") or node.op_type
    unnamed = f"node {place}" if place >= 0 else ""
    return ParserError(name or node.name or unnamed, operator, reason(error.desc(), operator))


def reason(said: str, operator: str) -> str:
    """The parser's words without its source code, or what it means that it has none."""
    words = _WITHOUT_DRIVER.sub("", said).strip()
    if text := _TEXT.search(words):
        return "".join(re.findall(r'"([^"]*)"', text[1]))
    if asserted := _ASSERTION.match(words):
        words = words[asserted.end() :]
        if condition := _BEHIND_ASSERTION.match(words):
            return words[condition.end() :].strip()
    if words in ("", "false"):
        return f"this TensorRT has no operator {operator or 'of that kind'}, or not with these inputs and attributes"
    return words


def next_step(network: Path, environment: str = "") -> str:
    """For the end of an error line. environment: what stands before the command, where it needs some."""
    return (
        f"`{environment}polygraphy inspect capability {network}` lists every node that is refused; export it in opset "
        "17, which TensorRT reads from 8.5 on, with operators that onnx-tensorrt's docs/operators.md lists"
    )
