"""What Fusion knows: tools with their inputs and outputs, and the names of its objects.

fusionscript-stubs has empty classes for Fusion, so these are by hand: data/fusion_tools.txt, data/fusion_names.txt.
An input or a method that is not there is an error: look it up, and add it with its type.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from . import _lists


class Kind(NamedTuple):
    """A tool: its inputs as name -> (type, default), and its output."""

    inputs: dict[str, tuple[str, Any]]
    output: str | None


def _default(kind: str, text: str) -> Any:
    value = None if text == "-" else json.loads(text)
    return {1.0: value[0], 2.0: value[1]} if kind == "Point" else value


def _tools() -> dict[str, Kind]:
    found = {}
    for heading, lines in _lists.sections("fusion_tools.txt"):
        name, output, _category = heading.split()
        inputs = {}
        for line in lines:
            control, kind, default = line.split(" ", 2)
            inputs[control] = (kind, _default(kind, default))
        found[name] = Kind(inputs, None if output == "-" else output)
    return found


TOOLS = _tools()
NAMES = _lists.words("fusion_names.txt")
COMP_METHODS, COMP_FIELDS = NAMES["FusionComp methods"], NAMES["FusionComp fields"]
TOOL_METHODS, TOOL_FIELDS = NAMES["Tool methods"], NAMES["Tool fields"]
# `dir()` of a live tool leaves these out although they work (api_truth.py, "Fusion object dir() omits real methods").
TOOL_HIDDEN = NAMES["Tool hidden"]
FUSION_METHODS, FUSION_FIELDS = NAMES["Fusion methods"], NAMES["Fusion fields"]
