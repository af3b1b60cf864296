"""Whether and how a result can be written, asked before anything runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from overscan.core.engines import Notice
from overscan.core.errors import (
    ErrorRecord,
    InvalidJobError,
    OutputExistsError,
    OutputNotWritableError,
    OverscanError,
    UnsupportedImageError,
)
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.jobs import ExtrasMode, OutputSpec, SampleType
from overscan.core.plates import (
    EXR_COMPRESSIONS,
    Part,
    PartHeader,
    PlateFrame,
    Sequence,
    lossless_compression,
    write_frame,
)
from overscan.core.result_names import extras_pattern
from overscan.core.results._extras import EXTRA_CHANNELS, EXTRAS_PART, has_extras, is_extras
from overscan.core.results._new_frame import new_frame_notices
from overscan.core.shots import Shot

_FLAT = {".png", ".tif", ".tiff", ".dpx"}
_HALF, _FLOAT = np.dtype(np.float16), np.dtype(np.float32)
_MOST_BITS_IN_HALF = 11
"""A half tells apart all code values of 11 bits, so that they can be had back."""


def sample_dtype(output: OutputSpec, *, dtype: np.dtype[Any], bits: int) -> np.dtype[Any]:
    """Type that samples of `dtype` are written in."""
    if Path(output.path).suffix.lower() != ".exr":
        return dtype
    if dtype == np.dtype(np.uint32):
        # Object ids and the like: not colours, and no float holds them all.
        return dtype
    if output.sample_type is not None:
        return _HALF if output.sample_type is SampleType.HALF else _FLOAT
    if dtype.kind == "u":
        return _HALF if bits <= _MOST_BITS_IN_HALF else _FLOAT
    return dtype


def written_dtypes(output: OutputSpec, header: PartHeader) -> dict[str, np.dtype[Any]]:
    """Types by channel that a part's samples are written in."""
    return {channel.name: sample_dtype(output, dtype=channel.dtype, bits=header.bits) for channel in header.channels}


def compression(output: OutputSpec, header: PartHeader, *, dtypes: Iterable[np.dtype[Any]]) -> str:
    """Compression that a part with samples of `dtypes` is written with: as asked or as the plate's, if lossless."""
    wanted = output.compression or header.compression
    if Path(output.path).suffix.lower() != ".exr":
        return ""
    return lossless_compression(name=wanted, dtypes=dtypes)


def _painted_compression(shot: Shot) -> str:
    output, header = shot.job.output, shot.header(shot.frames[0])
    dtypes = set(written_dtypes(output, header).values())
    if output.extras is ExtrasMode.LAYERS:
        dtypes.add(_FLOAT)
    return compression(output, header, dtypes=dtypes)


def keeps_aces(shot: Shot) -> bool:
    """Whether a plate that keeps to SMPTE ST 2065-4 still does so as a result."""
    output, header = shot.job.output, shot.header(shot.frames[0])
    return (
        output.extras in (ExtrasMode.NONE, ExtrasMode.SIDECAR)
        and set(written_dtypes(output, header).values()) == {_HALF}
        and _painted_compression(shot) == "none"
    )


def encoding(shot: Shot) -> str:
    """Sample type and compression of the result in words, e.g. ``half, zip``."""
    header, output = shot.header(shot.frames[0]), shot.job.output
    kinds = {written_dtypes(output, header)[name] for name in shot.colours}
    words = {_HALF: "half", _FLOAT: "float"}
    names = sorted(words.get(kind, f"{header.bits}-bit") for kind in kinds)
    return ", ".join([*names, *filter(None, [_painted_compression(shot)])])


def check_output(shot: Shot) -> tuple[list[ErrorRecord], list[Notice]]:
    """Everything that keeps the result of `shot` from being written, and what should be known about how it will be."""
    problems = []
    for check in (_format, _compression, _extras, _places, _folder):
        try:
            check(shot)
        except OverscanError as error:
            problems.append(error.record)
    return problems, list(_notices(shot))


def _format(shot: Shot) -> None:
    output, header = shot.job.output, shot.header(shot.frames[0])
    suffix = Path(output.path).suffix.lower()
    if suffix == ".exr":
        return
    if suffix not in _FLAT:
        lossy = suffix in {".jpg", ".jpeg"}
        raise UnsupportedImageError(
            "JPEG is lossy: it cannot hold the plate unchanged."
            if lossy
            else f"results cannot be written as '{suffix or Path(output.path).name}'.",
            next_step="Write .exr; or .png, .tif or .dpx where the plate is of that kind.",
            path=output.path,
            field="output.path",
        )
    dtypes = {channel.dtype for channel in header.channels}
    if any(dtype.kind == "f" for dtype in dtypes) and suffix not in {".tif", ".tiff"}:
        raise UnsupportedImageError(
            f"the plate has float samples, which {suffix} cannot hold.",
            next_step="Write .exr.",
            path=output.path,
            field="output.path",
        )
    if len(shot.headers[shot.frames[0]]) > 1:
        raise UnsupportedImageError(
            f"the plate has several parts, which {suffix} cannot hold.",
            next_step="Write .exr.",
            path=output.path,
            field="output.path",
        )
    if output.extras not in (ExtrasMode.NONE, ExtrasMode.SIDECAR):
        raise InvalidJobError(
            f"{suffix} cannot hold the extra layers.",
            next_step="Write .exr, or ask for --extras sidecar or --extras none.",
            path=output.path,
            field="output.extras",
        )
    _flat_windows(shot, suffix)
    _try_out(shot, suffix)


def _flat_windows(shot: Shot, suffix: str) -> None:
    """Formats without data windows hold the display window. An extension asks for just that; nothing else may go."""
    if shot.layout.region is not None:
        return
    for frame in shot.render:
        window = shot.layout.in_result(shot.coverage(shot.moments[frame].like))
        if window != shot.layout.display_window:
            raise UnsupportedImageError(
                f"the result's data window {window} is not its format {shot.layout.display_window}, which {suffix} "
                "cannot say.",
                next_step="Write .exr.",
                path=shot.job.output.path,
                frame=frame,
                field="output.path",
                expected=str(shot.layout.display_window),
                actual=str(window),
            )


def _try_out(shot: Shot, suffix: str) -> None:
    """Write a tiny frame of the plate's kind: each format has limits of its own, best known to its writer."""
    header, display = shot.header(shot.frames[0]), shot.layout.display_window
    tiny = Window(x=display.x, y=display.y, width=min(8, display.width), height=min(8, display.height))
    planes = {channel.name: np.zeros(tiny.shape, channel.dtype) for channel in header.channels}
    part = Part(
        header=replace(header, index=0, data_window=tiny, display_window=tiny, tile=None),
        planes=planes,
    )
    with tempfile.TemporaryDirectory(prefix="overscan-") as folder:
        path = Path(folder) / f"trial{suffix}"
        frame = PlateFrame(path=path, number=shot.frames[0], format_name="", parts=(part,))
        try:
            write_frame(frame, path=path, overwrite=False)
        except UnsupportedImageError as error:
            raise UnsupportedImageError(
                error.record.message,
                next_step=error.record.next_step,
                path=shot.job.output.path,
                field="output.path",
            ) from error


def _compression(shot: Shot) -> None:
    output = shot.job.output
    if not output.compression:
        return
    if Path(output.path).suffix.lower() != ".exr":
        raise InvalidJobError(
            f"'{output.compression}' is a compression of EXR files, and the output is none.",
            next_step="Leave the compression out, or write .exr.",
            path=output.path,
            field="output.compression",
            actual=output.compression,
        )
    if output.compression.partition(":")[0].lower() not in EXR_COMPRESSIONS:
        raise InvalidJobError(
            f"there is no OpenEXR compression '{output.compression}'.",
            next_step=f"Choose one of: {', '.join(EXR_COMPRESSIONS)}.",
            field="output.compression",
            expected=", ".join(EXR_COMPRESSIONS),
            actual=output.compression,
        )


def _extras(shot: Shot) -> None:
    """Refuse extra layers whose names the plate uses for something else."""
    mode, parts = shot.job.output.extras, shot.headers[shot.frames[0]]
    header = shot.header(shot.frames[0])
    taken = ""
    if mode is ExtrasMode.LAYERS and not has_extras(header):
        taken = ", ".join(channel.name for channel in header.channels if channel.name in EXTRA_CHANNELS)
        taken = f"channels {taken}" if taken else ""
    if mode is ExtrasMode.PART and any(part.name == EXTRAS_PART and not is_extras(part) for part in parts):
        taken = f"a part named '{EXTRAS_PART}'"
    if taken:
        raise InvalidJobError(
            f"the plate has {taken} already, where the extra layers would go.",
            next_step="Ask for --extras sidecar or --extras none.",
            path=shot.path(shot.frames[0]),
            field="output.extras",
        )


def _places(shot: Shot) -> None:
    output = shot.job.output
    target = Sequence.planned(pattern=output.path, frames=shot.render)
    inputs = {os.path.realpath(path) for path in shot.inputs()}
    sidecar = Sequence.planned(pattern=extras_pattern(output.path), frames=shot.render)
    places = [target, sidecar] if output.extras is ExtrasMode.SIDECAR else [target]
    if any(os.path.realpath(place.path(frame)) in inputs for place in places for frame in shot.render):
        raise InvalidJobError(
            "the output would overwrite the plate, a matte or a clean plate.",
            next_step="Write to another folder or name; what a job reads is never overwritten.",
            path=output.path,
            field="output.path",
        )
    if output.overwrite:
        return
    there = [frame for frame in shot.render if any(place.path(frame).exists() for place in places)]
    if there:
        raise OutputExistsError(
            f"{len(there)} of {len(shot.render)} output frames are already there: {format_frames(there)}.",
            next_step="Choose another output, or allow replacing them with --overwrite.",
            path=output.path,
            frame=there[0],
            field="output.path",
        )


def _folder(shot: Shot) -> None:
    folder = Path(shot.job.output.path).parent
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise OutputNotWritableError(
            f"{existing} is a file, so the output folder cannot be made.",
            next_step="Choose another output folder.",
            path=folder,
            field="output.path",
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputNotWritableError(
            f"the service may not write to {existing}.",
            next_step="Change its permissions, or choose another output folder.",
            path=folder,
            field="output.path",
        )


def _notices(shot: Shot) -> Iterator[Notice]:
    output, header = shot.job.output, shot.header(shot.frames[0])
    is_exr = Path(output.path).suffix.lower() == ".exr"
    wanted = output.compression or header.compression
    written = _painted_compression(shot)
    if is_exr and wanted and written != wanted:
        yield Notice(
            code="COMPRESSION_CHANGED",
            message=f"'{wanted}' is lossy, and would change the plate's samples: the result is written as '{written}'.",
        )
    lossy = [
        channel.name
        for channel in header.channels
        if written_dtypes(output, header)[channel.name] == _HALF
        and (channel.dtype == _FLOAT or (channel.dtype.kind == "u" and header.bits > _MOST_BITS_IN_HALF))
    ]
    if lossy:
        yield Notice(
            code="SAMPLES_ROUNDED",
            message=f"The plate is finer than half, which was asked for: {', '.join(lossy)} are rounded to half, "
            "outside the generated region too.",
        )
    if any(map(is_extras, shot.headers[shot.frames[0]])) or has_extras(header):
        yield Notice(
            code="EXTRAS_REPLACED",
            message="The plate is a result of Overscan. Its extra layers speak of an older plate and are not carried "
            "over.",
        )
    yield from new_frame_notices(shot)
