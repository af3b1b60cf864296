"""Whether and how a result can be written, asked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
from overscan.core.jobs import ExtrasMode, OutputSpec, SampleType
from overscan.core.plates import PartHeader, Sequence, lossless_compression
from overscan.core.results._extras import extras_pattern
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


def compression(output: OutputSpec, header: PartHeader) -> str:
    """Compression that a part is written with: as asked or as the plate's, where that is lossless."""
    wanted = output.compression or header.compression
    if Path(output.path).suffix.lower() != ".exr":
        return wanted if not output.compression else ""
    return lossless_compression(name=wanted, dtypes=written_dtypes(output, header).values())


def encoding(shot: Shot) -> str:
    """Sample type and compression of the result in words, e.g. ``half, zip``."""
    header, output = shot.header(shot.frames[0]), shot.job.output
    kinds = {written_dtypes(output, header)[name] for name in shot.colours}
    words = {_HALF: "half", _FLOAT: "float"}
    names = sorted(words.get(kind, f"{header.bits}-bit") for kind in kinds)
    return ", ".join([*names, *filter(None, [compression(output, header)])])


def check_output(shot: Shot) -> tuple[list[ErrorRecord], list[Notice]]:
    """Everything that keeps the result of `shot` from being written, and what should be known about how it will be."""
    problems = []
    for check in (_format, _places, _folder):
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


def _places(shot: Shot) -> None:
    output = shot.job.output
    target = Sequence.planned(pattern=output.path, frames=shot.render)
    plates = {os.path.realpath(shot.path(frame)) for frame in shot.frames}
    if shot.matte is not None:
        plates |= {os.path.realpath(shot.matte.sequence.path(number)) for number in shot.matte.sequence.frames}
    if any(os.path.realpath(target.path(frame)) in plates for frame in shot.render):
        raise InvalidJobError(
            "the output would overwrite the plate or the matte.",
            next_step="Write to another folder or name; plates are never overwritten.",
            path=output.path,
            field="output.path",
        )
    if output.overwrite:
        return
    sidecar = Sequence.planned(pattern=extras_pattern(output.path), frames=shot.render)
    there = [
        frame
        for frame in shot.render
        if target.path(frame).exists() or (output.extras is ExtrasMode.SIDECAR and sidecar.path(frame).exists())
    ]
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
    if is_exr and wanted and compression(output, header) != wanted:
        yield Notice(
            code="COMPRESSION_CHANGED",
            message=f"'{wanted}' is lossy, and would change the plate's samples: the result is written as "
            f"'{compression(output, header)}'.",
        )
    lossy = [
        channel.name
        for channel in header.channels
        if channel.dtype == _FLOAT and written_dtypes(output, header)[channel.name] == _HALF
    ]
    if lossy:
        yield Notice(
            code="SAMPLES_ROUNDED",
            message=f"The plate is float and half was asked for: {', '.join(lossy)} are rounded to half, outside the "
            "generated region too.",
        )
