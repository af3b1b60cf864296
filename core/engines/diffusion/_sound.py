"""Sound that models make with the pictures: kept by window, joined, and written as a WAV file beside the frames.

48 kHz, 24 bits. The file begins with the first frame that is rendered and is as long as all of them, to the sample; it
is silent where no window has reached. It says when it begins by a broadcast wave chunk (EBU Tech 3285): the plate's
timecode, or where it has none the frame's number.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from overscan.core.engines.diffusion._family import Floats, Sound
from overscan.core.engines.diffusion._windows import PaintWindow
from overscan.core.errors import InvalidJobError
from overscan.core.results import beside_path, claim_beside
from overscan.core.results._timecode import frames_since_midnight
from overscan.core.shots import Shot
from overscan.core.temporaries import written_beside

RATE = 48_000
SUFFIX = ".wav"
_EDGE_SECONDS = 0.01
"""Over which sound comes in and goes out where there is none beside it."""
_LAYOUTS = {1: "mono", 2: "stereo"}
_BROADCAST_RATES = (24, 30, 48, 60, 120)
"""Rates that also exist slowed down by 1000/1001."""
_FULL_SCALE = (1 << 23) - 1
_BYTES_MAX = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """The sound of one window, at our rate."""

    begin: int
    """Sample of the file that it begins at; below 0 where it begins before."""
    samples: Floats = field(repr=False)
    """``(channels, n)``."""


def keep_sound(path: Path, sound: Sound) -> None:
    """Keep the sound of a window, as it came, for `finish_sound`."""
    with written_beside(path) as temporary, temporary.open("wb") as file:
        np.savez(file, samples=sound.samples, rate=np.int64(sound.rate))


def kept_sound(path: Path) -> Sound:
    """What `keep_sound` kept."""
    with np.load(path) as kept:
        return Sound(samples=np.asarray(kept["samples"], np.float32), rate=int(kept["rate"]))


def finish_sound(
    *,
    shot: Shot,
    windows: Sequence[PaintWindow],
    sound: Callable[[int], Path],
    frame_rate: float,
    work_folder: Path,
) -> Path | None:
    """Join the sound of all windows and write it beside the frames; None where no window has any.

    `sound` says where `keep_sound` put the sound of a window. Raises `OutputExistsError` where the file is there and
    the job may not replace it.
    """
    rate = exact_rate(frame_rate)
    numbers = sorted(shot.moments)
    first, last = numbers.index(shot.render[0]), numbers.index(shot.render[-1])
    place = {frame: at - first for at, frame in enumerate(numbers)}
    own = {moment.plate: frame for frame, moment in shot.moments.items() if moment.plate is not None}
    pieces = []
    for window in windows:
        path = sound(window.index)
        begin = _first_place(window, place, own)
        if begin is not None and path.exists():
            # Slots that fill a window up come last, and first in time where it runs against it.
            fill = sum(slot.copies is not None for slot in window.slots)
            own_begin = begin + (fill if window.backwards else 0)
            zero, start, stop = (sample_of(at, rate) for at in (begin, own_begin, own_begin + len(window.slots) - fill))
            samples = resampled(kept_sound(path))[:, start - zero : stop - zero]
            pieces.append(_Piece(begin=start, samples=samples))
    if not pieces:
        return None
    joined = join(pieces, length=sample_of(last - first + 1, rate))
    path = beside_path(shot.job.output.path, suffix=SUFFIX)
    claim_beside(path, work_folder=work_folder, overwrite=shot.job.output.overwrite)
    write_wav(path, joined, since_midnight=sample_of(_since_midnight(shot), rate))
    return path


def exact_rate(frame_rate: float) -> Fraction:
    """The rate that a number stands for: 23.976 is 24000/1001."""
    for whole in _BROADCAST_RATES:
        slowed = Fraction(whole * 1000, 1001)
        if abs(frame_rate - slowed) < 0.005:
            return slowed
    return Fraction(frame_rate).limit_denominator(1001)


def sample_of(frame: int, rate: Fraction) -> int:
    """The sample that a frame begins with; frame 0 begins with sample 0."""
    return math.floor(frame * RATE / rate + Fraction(1, 2))


def resampled(sound: Sound) -> Floats:
    """`sound` at 48 kHz, ``(channels, n)``; as long as it was, to the sample."""
    channels, count = sound.samples.shape
    if channels not in _LAYOUTS:
        raise InvalidJobError(
            f"the model made sound of {channels} channels, and one or two can be written.",
            next_step="Leave sound off.",
            field="parameters.sound",
        )
    wanted = round(Fraction(count * RATE, sound.rate))
    if sound.rate == RATE:
        return np.nan_to_num(sound.samples)
    layout = _LAYOUTS[channels]
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=RATE)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.nan_to_num(sound.samples)), "fltp", layout)
    frame.sample_rate = sound.rate
    found = [part.to_ndarray() for part in (*resampler.resample(frame), *resampler.resample(None))]
    made = np.zeros((channels, wanted), np.float32)
    whole = np.concatenate(found, axis=1) if found else made
    length = min(wanted, whole.shape[1])
    made[:, :length] = whole[:, :length]
    return made


def join(pieces: Sequence[_Piece], *, length: int) -> Floats:
    """One sound of `length` samples: where two pieces overlap, one fades into the other with the same loudness."""
    channels = max(piece.samples.shape[0] for piece in pieces)
    made = np.zeros((channels, length), np.float32)
    filled = 0
    """Sample up to which there is sound."""
    begun = False
    for piece in sorted(pieces, key=lambda piece: piece.begin):
        samples = np.broadcast_to(piece.samples, (channels, piece.samples.shape[1])).copy()
        start, stop = max(0, piece.begin), min(length, piece.begin + samples.shape[1])
        if stop <= start or stop <= filled:
            continue
        samples = samples[:, start - piece.begin : stop - piece.begin]
        shared = max(0, filled - start) if begun else 0
        if shared:
            turn = (np.arange(shared, dtype=np.float32) + 0.5) / shared * np.float32(np.pi / 2)
            samples[:, :shared] = made[:, start:filled] * np.cos(turn) + samples[:, :shared] * np.sin(turn)
        else:
            _fade(made[:, :filled], at_end=True)
            _fade(samples, at_end=False)
        made[:, start:stop] = samples
        filled, begun = stop, True
    _fade(made[:, :filled], at_end=True)
    return made


def write_wav(path: Path, samples: Floats, *, since_midnight: int) -> None:
    """Write ``(channels, n)`` samples, -1 to 1, as 24-bit broadcast wave; what is louder is limited."""
    channels, count = samples.shape
    width = 3 * channels
    # Text fields stay empty but for the maker: the same sound is the same file, whenever it is made.
    bext = struct.pack(
        "<256s32s32s10s8sQH254s",
        b"Sound of generated frames",
        b"Overscan",
        b"",
        b"",
        b"",
        max(0, since_midnight),
        1,
        b"",
    )
    form = struct.pack("<HHIIHH", 1, channels, RATE, RATE * width, width, 24)
    levels = np.rint(np.clip(samples.T, -1.0, 1.0).astype(np.float64) * _FULL_SCALE).astype("<i4")
    data = np.ascontiguousarray(levels).view(np.uint8).reshape(count, channels, 4)[:, :, :3].tobytes()
    chunks = b"".join(_chunk(name, body) for name, body in ((b"bext", bext), (b"fmt ", form), (b"data", data)))
    if len(chunks) + 4 > _BYTES_MAX:
        raise InvalidJobError(
            f"{count / RATE / 3600:.1f} hours of sound are more than a WAV file holds.",
            next_step="Render fewer frames at once, or leave sound off.",
            field="parameters.sound",
        )
    with written_beside(path) as temporary:
        temporary.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _fade(samples: Floats, *, at_end: bool) -> None:
    """Let a stretch of sound, ``(channels, n)``, come in or go out, in place."""
    count = min(samples.shape[1], round(_EDGE_SECONDS * RATE))
    if not count:
        return
    ramp = (np.arange(count, dtype=np.float32) + 0.5) / count
    if at_end:
        samples[:, samples.shape[1] - count :] *= ramp[::-1]
    else:
        samples[:, :count] *= ramp


def _first_place(window: PaintWindow, place: dict[int, int], own: dict[int, int]) -> int | None:
    """Where in the result the window's first frame in time is, counted from the first that is rendered."""
    for at, slot in enumerate(window.slots):
        frame = slot.frame if slot.frame is not None else own.get(-1 if slot.plate is None else slot.plate)
        if slot.copies is None and frame in place:
            # Slots against time were turned round before they were painted.
            return place[frame] - (len(window.slots) - 1 - at if window.backwards else at)
    return None


def _since_midnight(shot: Shot) -> int:
    """Frames between midnight and the first frame that is rendered."""
    first = shot.render[0]
    moment = shot.moments[first]
    counted = frames_since_midnight(shot.header(moment.like))
    return first if counted is None else counted + int(moment.time - moment.like)
