"""An OpenImageIO writer that cannot fail quietly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import OpenImageIO as oiio

from overscan.core.plates._atomic import AtomicFile
from overscan.core.plates._oiio import error_of, last_error

_EXIF_ONLY = "TIFFWriteCustomDirectory"


@contextlib.contextmanager
def open_output(spec: oiio.ImageSpec, temporary: Path, file: AtomicFile) -> Iterator[oiio.ImageOutput]:
    """Open a writer for `temporary`; every failure, that of closing included, becomes `file`'s error for it."""
    output = oiio.ImageOutput.create(str(temporary))
    if output is None or not output.open(str(temporary), spec):
        raise file.failed(temporary=temporary, reason=error_of(output) if output else last_error())
    try:
        yield output
    finally:
        closed = output.close()
    message = error_of(output)
    # OpenImageIO 3.2 leaves this one behind on every TIFF it closes, though it writes the file whole.
    if not closed or (message and _EXIF_ONLY not in message):
        raise file.failed(temporary=temporary, reason=message)
