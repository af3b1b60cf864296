"""What the samples of a result are, as digests that survive another way of storing them, and where they came from."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from overscan.core.plates import Part, PartHeader, Plane
from overscan.core.results._extras import EXTRA_CHANNELS, SourceKind

PREFIX = "overscan:"
"""Every attribute that Overscan writes into a header starts so."""
PIXELS, SHARES = f"{PREFIX}pixels", f"{PREFIX}shares"
UNSURE = "unsure"
"""Part of what was synthesised that nobody is sure of: filled smoothly, or left empty where the job said so."""
_TYPES = {"f2": "half", "f4": "float", "u4": "uint", "u2": "uint16", "u1": "uint8"}
_DTYPES = {name: np.dtype(kind) for kind, name in _TYPES.items()}
_SHARE_DIGITS = 6


def facts_of(part: Part) -> dict[str, str]:
    """Header attributes about the samples of `part`: digests of its picture, and the shares where it says them."""
    found = {}
    if channels := digests(part.planes):
        found[PIXELS] = json.dumps(channels)
    if all(name in part.planes for name in EXTRA_CHANNELS):
        found[SHARES] = json.dumps(shares(part.planes))
    return found


def facts_in(header: PartHeader) -> tuple[dict[str, str] | None, dict[str, float] | None]:
    """What `facts_of` left in a header: digests by channel, and shares; None for what is not there or not sound."""
    return _table(header, PIXELS, str), _table(header, SHARES, float)


def digests(planes: Mapping[str, Plane]) -> dict[str, str]:
    """By channel, the extra layers left out: sample type, colon, SHA-256 of the samples, rows from the top.

    Samples count as they lie in memory, little-endian: NaNs and zeros by their bits.
    """
    return {name: digest(plane) for name, plane in planes.items() if name not in EXTRA_CHANNELS}


def digest(plane: Plane) -> str:
    """Sample type, colon, SHA-256 of one channel."""
    samples = np.ascontiguousarray(plane)
    if sys.byteorder == "big":
        samples = samples.byteswap()
    return f"{_TYPES[samples.dtype.str[1:]]}:{hashlib.sha256(samples.data).hexdigest()}"


def holds(plane: Plane, wanted: str) -> bool:
    """Whether `plane` has the samples that the digest `wanted` names, in their own or in a wider type.

    A tool may write halves as floats: they count as the same samples while each of them is a half.
    """
    name, _, _ = wanted.partition(":")
    dtype = _DTYPES.get(name)
    if dtype is None or plane.dtype.kind != dtype.kind:
        return False
    if plane.dtype == dtype:
        return digest(plane) == wanted
    if plane.dtype.itemsize < dtype.itemsize:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = plane.astype(dtype)
    same = np.array_equal(narrow.astype(plane.dtype), plane, equal_nan=plane.dtype.kind == "f")
    return same and digest(narrow) == wanted


def shares(planes: Mapping[str, Plane]) -> dict[str, float]:
    """How much of a frame is plate, copied, synthesised and a model's, by its extra layers; together 1.

    Soft edges count by their share. `UNSURE` is the part of what was synthesised with a confidence of 0.
    """
    alpha, kind, confidence = (planes[name].ravel() for name in ("generated.A", "source.kind", "confidence.Y"))
    at = np.flatnonzero(alpha > 0)
    weight, kind, confidence = alpha[at].astype(np.float64), kind[at].astype(np.int64), confidence[at]
    total = max(alpha.size, 1)
    sums = np.bincount(np.clip(kind, 0, len(SourceKind)), weights=weight, minlength=len(SourceKind)) / total
    unsure = weight[(kind == SourceKind.SYNTHESISED) & (confidence == 0)].sum() / total
    made = {
        "copied": sums[SourceKind.COPIED],
        "synthesised": sums[SourceKind.SYNTHESISED],
        "model": sums[SourceKind.MODEL],
    }
    found = {"plate": 1.0 - sum(made.values()), **made, UNSURE: unsure}
    return {name: round(float(share), _SHARE_DIGITS) for name, share in found.items()}


def _table(header: PartHeader, name: str, kind: type) -> dict[str, Any] | None:
    text = header.attributes.get(name)
    if not isinstance(text, str):
        return None
    try:
        table = json.loads(text)
    except ValueError:
        return None
    if not isinstance(table, dict) or not all(isinstance(value, (kind, int)) for value in table.values()):
        return None
    return table
