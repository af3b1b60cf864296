"""Checks the frames of a result against their receipts: bytes, samples, signatures, source layers."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from overscan.core.colour import ColourConfig, LinearTransform, load_config
from overscan.core.errors import OverscanError
from overscan.core.geometry import Window
from overscan.core.jobs import SequenceSource
from overscan.core.plates import Part, PlateFrame, Sequence, read_frame, sha256_of
from overscan.core.receipts._audit_receipt import signature_finding
from overscan.core.receipts._document import FrameFacts, JobReceipt, PartFacts
from overscan.core.receipts._finding import Finding, State, Subject
from overscan.core.receipts._refetch import Light, SourceCheck, check_sources
from overscan.core.receipts._sign import SignatureReader
from overscan.core.result_names import signature_path
from overscan.core.results import EXTRA_CHANNELS
from overscan.core.results._digests import facts_in, holds
from overscan.core.results._receipt import Receipt
from overscan.core.shots._samples import as_light
from overscan.core.shots._space import space_of

PLATES_KEPT = 12
"""Plate frames whose light is kept while frames are sampled."""


def check_file(
    facts: FrameFacts | None, path: Path, *, digest: str, frame: int, signatures: SignatureReader
) -> tuple[list[Finding], PlateFrame | None]:
    """Check one frame's file, whose SHA-256 is `digest`, against `facts`, or its own header where no receipt knows it.

    Gives the frame too, where it could be read.
    """
    finding = partial(Finding, path=str(path), frame=frame)
    found: list[Finding] = []
    try:
        image = read_frame(path, number=frame)
    except OverscanError as error:
        detail = f"frame {frame} is damaged: {error.record.message}"
        return [finding(subject=Subject.FRAME, state=State.CHANGED, detail=detail)], None
    if facts is None:
        found.append(_by_header(image, frame=frame))
    elif digest == facts.sha256:
        detail = f"frame {frame} is the file that was written."
        found.append(finding(subject=Subject.FRAME, state=State.INTACT, detail=detail))
    else:
        found.append(_other_bytes(image, facts, path))
    is_signed = signature_path(path).exists()
    if is_signed or (found[0].state is State.INTACT and facts is not None):
        signature = signatures.read(path)
        if found[0].state is State.RESAVED and signature is not None and not signature.intact:
            detail = (
                f"the signature of frame {frame} is that of the file that Overscan wrote; it says nothing of this one."
            )
            found.append(finding(subject=Subject.SIGNATURE, state=State.UNKNOWN, detail=detail))
        else:
            found.append(signature_finding(signature, path, what=f"frame {frame}", frame=frame))
    if facts is not None and facts.extras is not None:
        found.append(_sidecar(path.with_name(facts.extras.path), facts.extras.sha256, frame))
    return found, image


def _other_bytes(image: PlateFrame, facts: FrameFacts, path: Path) -> Finding:
    """A file that is not the one that was written: what of its samples is still there."""
    finding = partial(Finding, subject=Subject.FRAME, path=str(path), frame=facts.frame)
    differing = [
        words for index, part in enumerate(facts.parts) for words in _differing(image, part, index, len(facts.parts))
    ]
    size = path.stat().st_size
    how = "was written again by another tool" if size != facts.bytes else "has other bytes"
    if differing:
        shown = "; ".join(differing[:3]) + (f"; and {len(differing) - 3} more" if len(differing) > 3 else "")
        detail = f"frame {facts.frame} {how}, and its samples are not the same: {shown}."
        return finding(state=State.CHANGED, detail=detail)
    if size == facts.bytes:
        detail = f"frame {facts.frame} {how}: all samples are the same, something beside them is not."
        return finding(state=State.CHANGED, detail=detail)
    detail = f"frame {facts.frame} {how}: all samples are the same."
    return finding(state=State.RESAVED, detail=detail)


def _differing(image: PlateFrame, wanted: PartFacts, index: int, parts: int) -> Iterator[str]:
    """What of a part is not there any more, in words."""
    of_part = f" of part {index}" if parts > 1 else ""
    if index >= len(image.parts):
        yield f"part {index} is gone"
        return
    part = image.parts[index]
    window = Window(x=wanted.window[0], y=wanted.window[1], width=wanted.window[2], height=wanted.window[3])
    have = part.header.data_window
    if have.intersection(window) != window:
        yield f"the data window{of_part} was cut to {have.width}x{have.height}"
        return
    crop = window.slices_in(have)
    for name, digest in wanted.channels.items():
        if name not in part.planes:
            yield f"channel {name}{of_part} is gone"
        elif not holds(part.planes[name][crop], digest):
            yield f"channel {name}{of_part}"


def _by_header(image: PlateFrame, *, frame: int) -> Finding:
    """A frame that no receipt knows: its own header says what its samples were."""
    finding = partial(Finding, subject=Subject.FRAME, path=str(image.path), frame=frame)
    told = differing = 0
    for part in image.parts:
        channels, _ = facts_in(part.header)
        told += len(channels or {})
        differing += sum(
            name not in part.planes or not holds(part.planes[name], digest) for name, digest in (channels or {}).items()
        )
    if not told:
        return finding(state=State.UNKNOWN, detail=f"no receipt knows frame {frame}, and its header tells nothing.")
    if differing:
        detail = f"frame {frame} does not hold the samples that its own header tells of."
        return finding(state=State.CHANGED, detail=detail)
    detail = f"no receipt knows frame {frame}; it holds the samples that its own header tells of."
    return finding(state=State.UNKNOWN, detail=detail)


def _sidecar(path: Path, digest: str, frame: int) -> Finding:
    finding = partial(Finding, subject=Subject.EXTRAS, path=str(path), frame=frame)
    try:
        if sha256_of(path) == digest:
            return finding(state=State.INTACT, detail=f"the extra layers of frame {frame} are intact.")
        return finding(state=State.CHANGED, detail=f"the extra layers of frame {frame} were changed.")
    except OverscanError:
        return finding(state=State.MISSING, detail=f"the extra layers of frame {frame} are gone.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layers:
    """The extra layers of one frame, and the light of the part that they tell of, over the same window."""

    planes: Mapping[str, np.ndarray]
    light: Light


class SourceSampler:
    """Fetches copied pixels of a result's frames again, a share of them from each frame."""

    def __init__(self, *, plates: Sequence | None, receipt: Receipt, colour_space: str, per_frame: int) -> None:
        """`plates` are the plate's frames as far as they are there; `receipt` is what the frames' headers say."""
        self._plates = plates
        self._receipt = receipt
        self._source = SequenceSource(path=receipt.plate, colour_space=colour_space)
        self._per_frame = per_frame
        self._kept: OrderedDict[int, tuple[Light, Window]] = OrderedDict()

    def sample(self, image: PlateFrame, *, sidecar: Path | None) -> SourceCheck | None:
        """What fetching again finds in one frame; None where it has no layers, or nothing tells its colours.

        `sidecar` is the file with its layers where they are not in its own.
        """
        try:
            layers = self._layers(image, sidecar)
        except OverscanError:
            return None
        if layers is None:
            return None
        seed = zlib.crc32(str(image.number).encode())
        return check_sources(
            light=layers.light, layers=layers.planes, light_of=self._light_of, count=self._per_frame, seed=seed
        )

    def _layers(self, image: PlateFrame, sidecar: Path | None) -> _Layers | None:
        receipt = self._receipt
        painted = image.parts[receipt.part] if receipt.part < len(image.parts) else None
        if painted is None or any(name not in painted.planes for name in receipt.painted):
            return None
        holder = next((part for part in image.parts if all(name in part.planes for name in EXTRA_CHANNELS)), None)
        if holder is None:
            if sidecar is None or not sidecar.exists():
                return None
            holder = read_frame(sidecar, number=image.number).parts[0]
        window, own = holder.header.data_window, painted.header.data_window
        if own.intersection(window) != window:
            return None
        light = self._as_light(painted, self._transform(painted, image.path))[window.slices_in(own)]
        return _Layers(planes={name: holder.planes[name] for name in EXTRA_CHANNELS}, light=light)

    def _light_of(self, number: int) -> tuple[Light, Window]:
        if self._plates is None or number not in self._plates.frames:
            raise KeyError(number)
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        try:
            image = read_frame(self._plates.path(number), number=number, parts=(self._receipt.part,))
            part = image.parts[0]
            light = self._as_light(part, self._transform(part, image.path))
        except OverscanError as error:  # said of the input itself
            raise KeyError(number) from error
        self._kept[number] = (light, part.header.data_window)
        while len(self._kept) > PLATES_KEPT:
            self._kept.popitem(last=False)
        return self._kept[number]

    def _as_light(self, part: Part, transform: LinearTransform) -> Light:
        return as_light(part.planes, colours=self._receipt.painted, bits=part.header.bits, transform=transform)

    def _transform(self, part: Part, path: Path) -> LinearTransform:
        space = space_of(self._config, source=self._source, part=part.header, path=path)
        return LinearTransform(config=self._config, space=space)

    @cached_property
    def _config(self) -> ColourConfig:
        return load_config()


def header_receipt(receipt: JobReceipt, facts: FrameFacts) -> Receipt:
    """What a frame's own header said, for frames that have lost it."""
    result = receipt.result
    plate = next((source for source in receipt.inputs if source.role == "plate"), None)
    matte = next((source for source in receipt.inputs if source.role == "matte"), None)
    return Receipt(
        plate="" if plate is None else plate.pattern,
        frame=facts.frame,
        plate_frame=facts.plate_frame,
        frames=tuple(frame.frame for frame in receipt.frames),
        offset=result.offset,
        part=result.part,
        painted=result.channels,
        fills=matte is not None,
        matte="" if matte is None else matte.pattern,
        matte_part=result.matte_part,
        matte_channel=result.matte_channel,
    )
