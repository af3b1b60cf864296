"""Whether a JPEG file holds its whole image; the decoder fills what is missing with grey and says nothing."""

from __future__ import annotations

from pathlib import Path

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def jpeg_is_complete(path: Path) -> bool:
    """Whether an end-of-image marker follows the compressed data.

    Segments in front of the data are skipped by their length (ITU-T T.81, B.1.1), as a thumbnail in one of them has
    an end marker of its own. Inside compressed data, 0xFF is always followed by 0x00 or a restart marker, so the
    marker that is found there is real.
    """
    data = path.read_bytes()
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker == _START_OF_SCAN:
            return data.find(_END_OF_IMAGE, at) >= 0
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False
