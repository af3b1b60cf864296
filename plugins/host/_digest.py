"""One text for equal data, and a short name for it: the same in every process, host and Python."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def stable_text(value: Any) -> str:
    """`value` (dicts, lists, strings, finite numbers, booleans, None) as JSON, always the same for equal values.

    Raises ValueError where a number is not finite and TypeError for what JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """32 hexadecimal digits that stand for `value`, e.g. as the name of a cache folder."""
    return hashlib.blake2b(stable_text(value).encode("ascii"), digest_size=16).hexdigest()
