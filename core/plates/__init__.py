"""Plates: frame sequences on disk, read and written bit for bit.

`Sequence` finds frames; `read_header` and `read_frame` read them in their own sample types, `write_frame` writes them
so that reading gives the same bits; `find_part`, `colour_planes` and `alpha_plane` say which channels are the picture;
`check_consistent` tells a sequence from a heap of files; `content_hash` names a file's contents.
"""

from overscan.core.plates._compression import EXR_COMPRESSIONS, LOSSLESS_FALLBACK, lossless_compression
from overscan.core.plates._consistent import check_consistent
from overscan.core.plates._frame import Channel, ExrAttribute, Part, PartHeader, Plane, PlateFrame, with_text
from overscan.core.plates._hash import HashMemo, content_hash, sha256_of
from overscan.core.plates._interleave import same_parts, same_samples
from overscan.core.plates._known_headers import remember_headers
from overscan.core.plates._layers import alpha_plane, colour_planes, find_part, layers, views
from overscan.core.plates._limits import DEFAULT_LIMITS, ReadLimits
from overscan.core.plates._read import read_frame, read_header
from overscan.core.plates._sequence import Sequence
from overscan.core.plates._verbatim import same_chunks
from overscan.core.plates._watch import ReadWatch, watch_reads
from overscan.core.plates._write import write_frame

__all__ = [
    "DEFAULT_LIMITS",
    "EXR_COMPRESSIONS",
    "LOSSLESS_FALLBACK",
    "Channel",
    "ExrAttribute",
    "HashMemo",
    "Part",
    "PartHeader",
    "Plane",
    "PlateFrame",
    "ReadLimits",
    "ReadWatch",
    "Sequence",
    "alpha_plane",
    "check_consistent",
    "colour_planes",
    "content_hash",
    "find_part",
    "layers",
    "lossless_compression",
    "read_frame",
    "read_header",
    "remember_headers",
    "same_chunks",
    "same_parts",
    "same_samples",
    "sha256_of",
    "views",
    "watch_reads",
    "with_text",
    "write_frame",
]
