"""Brings nodes of older scripts up to what this version knows, when they are loaded or pasted.

Schema 1 is the first. A step from n to n + 1 goes into `_STEPS`; knobs that were added are filled in by `add_knobs`.
A node of a newer Overscan is left exactly as it is.
"""

from __future__ import annotations

from typing import Any, Callable

import nuke
from overscan_nuke import _knobs, _rendering
from overscan_nuke._kinds import KINDS, kind_named
from overscan_nuke._preferences import load_preferences
from overscan_nuke._state import mend_menu
from overscan_nuke._table import SCHEMA

_STEPS: dict[int, Callable[[Any], None]] = {}
"""By the schema that a step starts from."""


def migrate(node: Any) -> bool:
    """Bring one node up to date; returns whether this version can work with it."""
    kind = _knobs.text(node, "kind")
    schema = int(_knobs.get(node, "schema"))
    if schema > SCHEMA or kind not in KINDS:
        _knobs.say(
            node, "progress", "This node was made with a newer Overscan. It shows its results; to run it, update."
        )
        return False
    with _knobs.quietly():
        for step in range(schema, SCHEMA):
            _STEPS[step](node)
        _knobs.add_knobs(node, kind_named(kind), load_preferences())
        if schema != SCHEMA:
            node["overscan_schema"].setValue(SCHEMA)
        mend_menu(node)
        for inner in node.nodes():  # of a render that Nuke did not survive
            if inner.name().startswith(_rendering.TEMPORARY):
                nuke.delete(inner)
    return True
