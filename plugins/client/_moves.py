"""Camera moves as people write them: ``pan 12deg``, ``dolly 30%``, ``zoom 1.5x linear``, ``handheld 40``."""

from __future__ import annotations

import re
from typing import Any

from overscan.client._enums import enum_number, enum_words
from overscan.v1.controls_pb2 import CameraMove, CameraMoveKind, Ease

_MOVE = re.compile(r"\s*([a-z]+)\s+([-+]?\d+(?:\.\d+)?)\s*(deg|°|%|x)?(?:\s+([a-z][a-z_-]*))?\s*", re.IGNORECASE)
_DEGREES, _PART, _FACTOR, _AMOUNT = ("deg", "°", ""), ("%", ""), ("x", ""), ("%", "")
_UNITS: dict[int, tuple[str, ...]] = {
    CameraMoveKind.CAMERA_MOVE_KIND_PAN: _DEGREES,
    CameraMoveKind.CAMERA_MOVE_KIND_TILT: _DEGREES,
    CameraMoveKind.CAMERA_MOVE_KIND_ROLL: _DEGREES,
    CameraMoveKind.CAMERA_MOVE_KIND_ORBIT: _DEGREES,
    CameraMoveKind.CAMERA_MOVE_KIND_DOLLY: _PART,
    CameraMoveKind.CAMERA_MOVE_KIND_TRUCK: _PART,
    CameraMoveKind.CAMERA_MOVE_KIND_CRANE: _PART,
    CameraMoveKind.CAMERA_MOVE_KIND_ZOOM: _FACTOR,
    CameraMoveKind.CAMERA_MOVE_KIND_HANDHELD: _AMOUNT,
}
_PARTS = frozenset(
    {
        CameraMoveKind.CAMERA_MOVE_KIND_DOLLY,
        CameraMoveKind.CAMERA_MOVE_KIND_TRUCK,
        CameraMoveKind.CAMERA_MOVE_KIND_CRANE,
    }
)
"""Moves whose amount is a part of a distance, which people write in per cent as well."""
HOW_TO_WRITE = "Write it like pan 12deg, dolly 30%, zoom 1.5x or handheld 40, and linear, in or out behind it."


def read_move(text: str, move: CameraMove) -> None:
    """Set `move` from a text. Raises `ValueError`, whose text says what is wrong."""
    match = _MOVE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no camera move")
    word, amount, unit, ease = match[1], float(match[2]), (match[3] or "").lower(), match[4]
    kind: Any = enum_number(CameraMoveKind.DESCRIPTOR, word)
    if not kind:
        raise ValueError(f"'{word}' is none of {', '.join(enum_words(CameraMoveKind.DESCRIPTOR))}")
    if unit not in _UNITS[kind]:
        raise ValueError(f"'{unit}' is no unit of {word.lower()}")
    move.kind = kind
    move.amount = amount / 100 if unit == "%" and kind in _PARTS else amount
    if ease is not None:
        number: Any = enum_number(Ease.DESCRIPTOR, ease)
        if not number:
            raise ValueError(f"'{ease}' is none of {', '.join(enum_words(Ease.DESCRIPTOR))}")
        move.ease = number
