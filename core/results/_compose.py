"""Puts generated pixels and plate together so that every sample outside the generated region stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.access import check_write
from overscan.core.errors import OutputExistsError, OutputNotWritableError, PlateChangedError
from overscan.core.geometry import Window
from overscan.core.jobs import ExtrasMode
from overscan.core.plates import (
    Channel,
    Part,
    PartHeader,
    Plane,
    PlateFrame,
    Sequence,
    read_frame,
    same_chunks,
    write_frame,
)
from overscan.core.result_names import extras_pattern
from overscan.core.results._compare import CHECKS, FrameCheck, compare, keep_check, kept_check
from overscan.core.results._extras import EXTRA_CHANNELS, EXTRAS_PART, without_extras
from overscan.core.results._output import compression, keeps_aces, written_dtypes
from overscan.core.results._receipt import receipt_of
from overscan.core.results._stamp import ACES_FLAG, MULTI_VIEW, stamped
from overscan.core.shots import Shot
from overscan.core.shots._samples import as_type
from overscan.core.storage import Places, storage_error
from overscan.core.temporaries import flush

_HALF_MAX = 65504.0

Map = npt.NDArray[np.float32]
"""One value a pixel, ``(height, width)`` float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What an engine made for one frame. All arrays cover `window`."""

    window: Window
    """The result's data window, in the plate's pixel space."""
    light: npt.NDArray[np.float32] = field(repr=False)
    """Scene-linear light, ``(height, width, channels)``; read only where `alpha` > 0, and finite there."""
    alpha: Map = field(repr=False)
    """1 = generated, 0 = plate, between = mix; 1 wherever the plate has no samples."""
    confidence: Map = field(repr=False)
    """0 to 1; 1 for plate."""
    source_x: Map = field(repr=False)
    """Plate position that the pixel was copied from, NaN where there is no single one."""
    source_y: Map = field(repr=False)
    source_frame: Map = field(repr=False)
    kind: npt.NDArray[np.uint8] = field(repr=False)
    """`SourceKind` of each pixel; read only where `alpha` > 0."""


class Composer:
    """Composes, writes and checks the result frames of one shot."""

    def __init__(self, *, shot: Shot, work_folder: Path, attributes: Mapping[str, str]) -> None:
        """Records of frames go into `work_folder`, whose name is the job's id; `attributes` go into every header."""
        self._shot = shot
        self._checks = work_folder / CHECKS
        self._claims = work_folder / "claims"
        self._places = Places.of(work_folder)
        self._job_id = work_folder.name
        output = shot.job.output
        self._is_exr = Path(output.path).suffix.lower() == ".exr"
        self._target = Sequence.planned(pattern=output.path, frames=shot.render)
        self._sidecar = (
            Sequence.planned(pattern=extras_pattern(output.path), frames=shot.render)
            if output.extras is ExtrasMode.SIDECAR
            else None
        )
        self._attributes = dict(attributes)

    def path(self, frame: int) -> Path:
        """Where the result of `frame` goes."""
        return self._target.path(frame)

    def write(self, plate: PlateFrame, generated: Generated | None, *, frame: int | None = None) -> None:
        """Compose and write one frame; None generates nothing. `check` follows.

        `frame` is its number in the result, where that is not the plate's; one that the plate has not starts from
        `empty_frame` as its `plate`, and is generated whole.
        A frame that this job has written before is replaced; one that somebody else has put there only where the job
        says ``overwrite``. Raises the errors of writing.
        """
        number = plate.number if frame is None else frame
        plate = without_extras(plate, painted=self._shot.colours)
        claim = self._claims / str(number)
        replaces = self._shot.job.output.overwrite or claim.exists()
        claim.parent.mkdir(parents=True, exist_ok=True)
        if not claim.exists():
            claim.touch()
            flush(claim.parent)  # before the frame: a frame without its claim is taken for somebody else's
        try:
            composed = self._compose(plate, generated, number)
            encoded = None if _paints(generated) or self._is_new(number) else plate.path
            self._put(composed, self.path(number), overwrite=replaces, encoded=encoded)
            if self._sidecar is not None:
                sidecar = self._extras_frame(plate, generated, number)
                self._put(sidecar, self._sidecar.path(number), overwrite=replaces)
        except OutputExistsError:
            claim.unlink(missing_ok=True)
            raise

    def _put(self, frame: PlateFrame, path: Path, *, overwrite: bool, encoded: Path | None = None) -> None:
        if not path.parent.is_dir():
            self._places.check()  # or the folder of a share that is gone would be made on the disk below it
            _make_folder(path.parent)
        write_frame(frame, path=path, overwrite=overwrite, owner=f"{self._job_id}-{frame.number}", encoded=encoded)

    def check(self, plate: PlateFrame, generated: Generated | None, *, frame: int | None = None) -> FrameCheck:
        """Read a written frame back, compare it with the plate, and keep the record; the arguments are `write`'s.

        A frame that the plate has not is read back and compared with nothing. May run beside the writing of other
        frames. Raises `PlateChangedError` where the file differs from the plate outside the generated region, and the
        errors of reading.
        """
        number = plate.number if frame is None else frame
        path = self.path(number)
        if self._is_new(number):
            read_frame(path, number=number)
            check = FrameCheck(frame=number, path=path, samples=0, differing=0)
        else:
            own = without_extras(plate, painted=self._shot.colours)
            if own is plate and not _paints(generated) and self._is_exr and same_chunks(path, plate.path):
                samples = sum(plane.size for part in own.parts for plane in part.planes.values())
                check = FrameCheck(frame=number, path=path, samples=samples, differing=0)
                keep_check(self._checks, check, inputs=self._shot.made_from(number))
                return check
            # The extra layers follow the plate's parts: there is nothing in it that they could differ from.
            written = read_frame(path, number=number, parts=range(len(own.parts)))
            compared = compare(
                plate=own,
                result=written,
                offset=self._shot.layout.offset,
                part=self._shot.part,
                painted=self._shot.colours,
                generated=None if generated is None else generated.alpha > 0,
                window=self._shot.coverage(plate.number),
            )
            check = replace(compared, frame=number)
        if check.differing:
            raise PlateChangedError(
                f"{check.differing} of {check.samples} samples outside the generated region differ after writing: "
                f"{check.first_difference}.",
                next_step="Check the disk, then retry the job; if it happens again, please report it.",
                path=path,
                frame=number,
            )
        keep_check(self._checks, check, inputs=self._shot.made_from(number))
        return check

    def kept(self, frame: int) -> FrameCheck | None:
        """The check of a frame that this job has written already and nobody has touched since."""
        if self._sidecar is not None and not self._sidecar.path(frame).exists():
            return None
        return kept_check(self._checks, frame, self.path(frame), inputs=self._shot.made_from(frame))

    def _is_new(self, number: int) -> bool:
        return self._shot.moments[number].plate is None

    def _compose(self, plate: PlateFrame, generated: Generated | None, number: int) -> PlateFrame:
        parts = [
            self._painted(part, generated, plate.number, is_new=self._is_new(number))
            if part.header.index == self._shot.part
            else self._carried(part)
            for part in plate.parts
        ]
        if self._is_exr and self._shot.job.output.extras is ExtrasMode.PART:
            parts = [_named(part) for part in parts]
            parts.append(self._extras_part(plate, generated, index=len(parts)))
        kind = "openexr" if self._is_exr else plate.format_name
        return self._stamped(replace(plate, number=number, format_name=kind, parts=tuple(parts)))

    def _stamped(self, frame: PlateFrame) -> PlateFrame:
        text = self._attributes | receipt_of(self._shot, frame=frame.number)
        untrue = () if keeps_aces(self._shot) else (ACES_FLAG,)
        parts = []
        for part in frame.parts:
            is_foreign = part.header.exr_attributes is None and self._shot.space.interop_id
            # An EXR file without this tag would be taken for linear light.
            tag = {"colorInteropID": self._shot.space.interop_id} if self._is_exr and is_foreign else {}
            parts.append(stamped(part, text=text | tag, untrue=untrue))
        return replace(frame, parts=tuple(parts))

    def _painted(self, part: Part, generated: Generated | None, number: int, *, is_new: bool) -> Part:
        header, output = part.header, self._shot.job.output
        have, cover = header.data_window, self._cover(part.header)
        dtypes = written_dtypes(output, header)
        planes = {name: as_type(plane, bits=header.bits, dtype=dtypes[name]) for name, plane in part.planes.items()}
        paints = _paints(generated)
        if paints or cover != have:
            planes = _on_canvas(planes, have=have, cover=cover)
        if generated is not None and paints:
            self._paint(planes, part, generated, cover, is_new=is_new)
        if output.extras is ExtrasMode.LAYERS and self._is_exr:
            planes |= self._extras_planes(number, generated, cover)
        return Part(header=self._header(header, cover, planes), planes=planes)

    def _paint(
        self, planes: dict[str, Plane], part: Part, generated: Generated, cover: Window, *, is_new: bool
    ) -> None:
        """Write the generated light into `planes`, which cover `cover`."""
        shot, header = self._shot, part.header
        # A format without data windows may be smaller than what was generated.
        crop = cover.slices_in(generated.window)
        alpha = generated.alpha[crop]
        rows, columns = np.nonzero(alpha > 0)
        light = generated.light[crop][rows, columns]
        mix = alpha[rows, columns]
        soft = np.flatnonzero(mix < 1)
        if soft.size:
            at = (rows[soft] + cover.y - header.data_window.y, columns[soft] + cover.x - header.data_window.x)
            own: dict[str, Plane] = {name: part.planes[name][at][np.newaxis] for name in shot.colours}
            under = shot.light(own, bits=header.bits)[0]
            share = mix[soft, np.newaxis]
            with np.errstate(invalid="ignore", over="ignore"):
                mixed = under * (1 - share) + light[soft] * share
            # Where the plate holds no light (NaN, Inf), there is nothing to mix with.
            light[soft] = np.where(np.isfinite(under), mixed, light[soft])
        if not rows.size:
            return
        samples = shot.samples(light[np.newaxis])[0]
        for index, name in enumerate(shot.colours):
            dtype = planes[name].dtype
            values = samples[:, index]
            if dtype == np.float16:
                values = np.clip(values, -_HALF_MAX, _HALF_MAX)
            planes[name][rows, columns] = as_type(values, bits=header.bits, dtype=dtype)
        if shot.alpha is not None:
            # What was generated beyond the plate is as solid as the plate; inside, the plate's own alpha stays.
            solid = (alpha > 0) if is_new else _outside(header.data_window, cover) & (alpha > 0)
            opaque: Plane = np.ones(1, np.float32)
            dtype = planes[shot.alpha].dtype
            planes[shot.alpha][solid] = as_type(opaque, bits=header.bits, dtype=dtype)[0]

    def _carried(self, part: Part) -> Part:
        """A part that is not painted: its samples and data window stay, only the format round it changes."""
        dtypes = written_dtypes(self._shot.job.output, part.header)
        planes = {
            name: as_type(plane, bits=part.header.bits, dtype=dtypes[name]) for name, plane in part.planes.items()
        }
        return Part(header=self._header(part.header, part.header.data_window, planes), planes=planes)

    def _cover(self, header: PartHeader) -> Window:
        """Data window of the painted part in the result, in the plate's pixel space."""
        if self._is_exr:
            return self._shot.layout.coverage(header.data_window)
        return self._shot.layout.display_window.moved(*(-distance for distance in self._shot.layout.offset))

    def _header(self, header: PartHeader, cover: Window, planes: Mapping[str, Plane]) -> PartHeader:
        layout, source = self._shot.layout, self._shot.job.plate
        aspect = source.pixel_aspect if source is not None else None
        return replace(
            header,
            display_window=layout.display_window,
            data_window=layout.in_result(cover),
            pixel_aspect=aspect or header.pixel_aspect,
            channels=tuple(Channel(name=name, dtype=plane.dtype) for name, plane in planes.items()),
            compression=compression(self._shot.job.output, header, dtypes=(plane.dtype for plane in planes.values())),
        )

    def _extras_part(self, plate: PlateFrame, generated: Generated | None, *, index: int) -> Part:
        header = next(part.header for part in plate.parts if part.header.index == self._shot.part)
        cover = self._cover(header)
        planes = self._extras_planes(plate.number, generated, cover)
        part = Part(
            header=replace(
                self._header(header, cover, planes),
                index=index,
                name=EXTRAS_PART,
                compression="zip",
                tile=None,
                bits=32,
            ),
            planes=planes,
        )
        return stamped(part, text={}, untrue=(ACES_FLAG, MULTI_VIEW))

    def _extras_frame(self, plate: PlateFrame, generated: Generated | None, number: int) -> PlateFrame:
        extras = self._extras_part(plate, generated, index=0)
        return self._stamped(replace(plate, number=number, format_name="openexr", parts=(extras,)))

    def _extras_planes(self, number: int, generated: Generated | None, cover: Window) -> dict[str, Plane]:
        """The extra layers over `cover`. Plate pixels name themselves as their source."""
        # In the order of `EXTRA_CHANNELS`: generated, confidence, source x, y, frame and kind.
        row = np.tile(np.array([0, 1, 0, 0, number, 0], np.float32), (cover.width, 1))
        row[:, 2] = np.arange(cover.x, cover.right)
        pixels = np.empty((*cover.shape, len(EXTRA_CHANNELS)), np.float32)
        pixels[:] = row
        pixels[..., 3] = np.arange(cover.y, cover.bottom, dtype=np.float32)[:, np.newaxis]
        if generated is not None:
            crop = cover.slices_in(generated.window)
            made = np.nonzero(generated.alpha[crop] > 0)
            found: tuple[npt.NDArray[Any], ...] = (
                generated.alpha,
                generated.confidence,
                generated.source_x,
                generated.source_y,
                generated.source_frame,
                generated.kind,
            )
            pixels[made] = np.stack([values[crop][made] for values in found], axis=-1)
        return {name: pixels[..., index] for index, name in enumerate(EXTRA_CHANNELS)}


def _paints(generated: Generated | None) -> bool:
    return generated is not None and bool((generated.alpha > 0).any())


def _on_canvas(planes: Mapping[str, Plane], *, have: Window, cover: Window) -> dict[str, Plane]:
    """Fresh planes over `cover` with the samples of `planes`, which cover `have`, in place; 0 elsewhere."""
    kinds = {plane.dtype for plane in planes.values()}
    if len(kinds) == 1:
        # One interleaved array, which is written without another copy.
        pixels = np.zeros((*cover.shape, len(planes)), kinds.pop())
        canvas: dict[str, Plane] = {name: pixels[..., index] for index, name in enumerate(planes)}
    else:
        canvas = {name: np.zeros(cover.shape, plane.dtype) for name, plane in planes.items()}
    common = have.intersection(cover)
    if common is not None:
        for name, plane in planes.items():
            kind = f"u{plane.dtype.itemsize}"  # as integers, so that no NaN is touched on the way
            canvas[name].view(kind)[common.slices_in(cover)] = plane.view(kind)[common.slices_in(have)]
    return canvas


def _outside(inner: Window, cover: Window) -> npt.NDArray[np.bool_]:
    outside = np.ones(cover.shape, np.bool_)
    common = inner.intersection(cover)
    if common is not None:
        outside[common.slices_in(cover)] = False
    return outside


def _named(part: Part) -> Part:
    """OpenEXR wants every part of a multi-part file to have a name; hosts that put it before layers know this one."""
    if part.header.name:
        return part
    return replace(part, header=replace(part.header, name=f"rgba{part.header.index or ''}"))


def _make_folder(folder: Path) -> None:
    check_write(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = storage_error(error)
        if found is not None:
            raise found from error
        raise OutputNotWritableError(
            f"the output folder cannot be made: {error.strerror}.",
            next_step="Check the path, its permissions and the room on its disk.",
            path=folder,
        ) from error
