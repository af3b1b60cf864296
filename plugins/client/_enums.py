"""Enum values by the short names people write: ``part`` for ``EXTRAS_MODE_PART``."""

from __future__ import annotations

import re
from typing import Any


def enum_words(enum: Any) -> dict[str, int]:
    """Short name to number, without the unspecified value, in the order of the contract."""
    prefix = _prefix(enum)
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number != 0}


def enum_word(enum: Any, number: int) -> str:
    """Short name of a number; ``unspecified`` for 0, the number itself where a newer service sent an unknown one."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)).lower() if value is not None else str(number)


def enum_number(enum: Any, word: str) -> int | None:
    """The number of a short or full name, however it is spelt (``open-licence``, ``OPEN_LICENCE``); None for none."""
    name = word.strip().upper().replace("-", "_")
    for value in enum.values:
        if name in (value.name, value.name.removeprefix(_prefix(enum))):
            return int(value.number)
    return None


def _prefix(enum: Any) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
