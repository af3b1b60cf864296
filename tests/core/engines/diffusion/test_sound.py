"""Sound beside the frames: as long as they are to the sample, in its place, joined without a jump."""

from __future__ import annotations

import struct
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from filming import make_job, pan

from overscan.core.engines.diffusion._family import Lattice, Sound
from overscan.core.engines.diffusion._sound import (
    RATE,
    _Piece,
    exact_rate,
    finish_sound,
    join,
    keep_sound,
    kept_sound,
    resampled,
    sample_of,
    write_wav,
)
from overscan.core.engines.diffusion._windows import PaintWindow, windows_beyond, windows_over
from overscan.core.errors import InvalidJobError, OutputExistsError
from overscan.core.jobs import Continue, Extend, Job, Margins
from overscan.core.results import files_beside
from overscan.core.shots import Shot, survey

LATTICE = Lattice(size=32, frames=8, offset=1, frames_max=17, pixels=1)
FRAMES = range(1001, 1041)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pan(tmp_path_factory.mktemp("plate"), size=(16, 8), frames=FRAMES)


def surveyed(job: Job) -> Shot:
    found = survey(job)
    assert found.shot is not None
    return found.shot


def samples_of(path: Path) -> np.ndarray:
    """``(n, channels)``, -1 to 1, read by another's reader."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (RATE, 3)
        raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, file.getnchannels(), 3)
    wide = np.concatenate([np.zeros((*raw.shape[:2], 1), np.uint8), raw], axis=-1)
    return wide.view("<i4")[..., 0] / 2**31


def time_reference(path: Path) -> int:
    data = path.read_bytes()
    at = data.index(b"bext")
    assert struct.unpack("<I", data[at + 4 : at + 8]) == (602,)
    (samples,) = struct.unpack("<Q", data[at + 8 + 338 : at + 8 + 346])
    return int(samples)


@pytest.mark.parametrize(
    ("number", "rate"),
    [
        (24.0, Fraction(24)),
        (25.0, Fraction(25)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_a_rate_is_the_one_that_is_meant(number: float, rate: Fraction) -> None:
    assert exact_rate(number) == rate


def test_frames_begin_at_exact_samples() -> None:
    assert [sample_of(frame, Fraction(25)) for frame in (0, 1, 25)] == [0, 1920, RATE]
    slow = Fraction(30000, 1001)
    assert sample_of(5, slow) == 8008
    assert sample_of(30_000, slow) == 1001 * RATE, "no drift in a thousand seconds"
    assert sample_of(-2, Fraction(24)) == -4000


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, RATE])
def test_resampling_keeps_time_and_length(rate: int) -> None:
    seconds, tone = 0.5, 440.0
    times = np.arange(round(seconds * rate)) / rate
    wave_form = (0.5 * np.sin(2 * np.pi * tone * times)).astype(np.float32)
    made = resampled(Sound(samples=np.stack([wave_form, np.zeros_like(wave_form)]), rate=rate))
    assert made.shape == (2, round(seconds * RATE))
    expected = 0.5 * np.sin(2 * np.pi * tone * np.arange(made.shape[1]) / RATE)
    inner = slice(2000, -2000)
    assert np.abs(made[0] - expected)[inner].max() < 0.005, "neither later nor earlier"
    assert np.abs(made[1]).max() < 1e-6


def test_sound_of_many_channels_is_refused() -> None:
    with pytest.raises(InvalidJobError, match="5 channels"):
        resampled(Sound(samples=np.zeros((5, 10), np.float32), rate=24_000))


def test_pieces_fade_into_one_another_with_the_same_loudness() -> None:
    random = np.random.default_rng(3)
    first, second = (0.1 * random.standard_normal((2, RATE)).astype(np.float32) for _ in range(2))
    made = join([_Piece(begin=RATE // 2, samples=second), _Piece(begin=0, samples=first)], length=2 * RATE)
    assert made.shape == (2, 2 * RATE)
    assert np.array_equal(made[:, 1000 : RATE // 2], first[:, 1000 : RATE // 2])
    assert np.array_equal(made[:, RATE : RATE + 1000], second[:, RATE // 2 : RATE // 2 + 1000])
    loudness = [np.std(made[:, at : at + RATE // 8]) for at in range(RATE // 4, RATE + RATE // 4, RATE // 8)]
    assert max(loudness) / min(loudness) < 1.1
    assert not made[:, RATE + RATE // 2 :].any(), "silent where there is nothing"
    assert np.abs(made[:, 0]).max() < 1e-3, "it comes in"
    assert np.abs(made[:, RATE + RATE // 2 - 1]).max() < 1e-3, "and goes out"


def test_a_gap_between_pieces_is_silent_and_has_soft_edges() -> None:
    loud = np.full((1, 4800), 0.5, np.float32)
    made = join([_Piece(begin=0, samples=loud), _Piece(begin=9600, samples=loud)], length=14_400)
    assert not made[:, 4800:9600].any()
    for edge in (4799, 9600):
        assert made[0, edge] < 0.01


def test_written_sound_is_what_it_was_to_24_bits(tmp_path: Path) -> None:
    samples = np.clip(np.random.default_rng(1).standard_normal((2, 1001)) * 0.4, -1, 1).astype(np.float32)
    samples[0, :3] = (1.0, -1.0, 3.0)
    path = tmp_path / "a.wav"
    write_wav(path, samples, since_midnight=123_456_789_012)
    assert time_reference(path) == 123_456_789_012
    read = samples_of(path)
    assert np.abs(read.T - np.clip(samples, -1, 1)).max() < 2**-22
    first = path.read_bytes()
    write_wav(path, samples, since_midnight=123_456_789_012)
    assert path.read_bytes() == first


def tone(window: PaintWindow, frames: int, *, level: float, rate: int = 24_000) -> Sound:
    """A constant level: where it lands shows."""
    del window
    return Sound(samples=np.full((2, round(frames / 24 * rate)), level, np.float32), rate=rate)


def test_windows_land_where_their_frames_are(plate: str, tmp_path: Path) -> None:
    job = make_job(Extend(margins=Margins(left=2)), plate, str(tmp_path / "out.%04d.exr"), frames=FRAMES[5:38])
    shot = surveyed(job)
    windows = windows_over(shot.render, lattice=LATTICE, length=17, overlap=1, may_repeat=True)
    assert len(windows) == 2
    files = [tmp_path / f"{window.index}.npz" for window in windows]
    for window, path, level in zip(windows, files, (0.25, -0.25), strict=True):
        keep_sound(path, tone(window, len(window.slots), level=level))
    assert kept_sound(files[0]).rate == 24_000
    made = finish_sound(
        shot=shot, windows=windows, sound=lambda index: files[index], frame_rate=24.0, work_folder=tmp_path / "work"
    )
    assert made == tmp_path / "out.wav"
    read = samples_of(made)
    assert len(read) == 33 * 2000
    assert time_reference(made) == 1006 * 2000, "without a timecode it is the frame's number"
    inner = read[1000:-1000, 0]
    change = 1000 + int(np.argmax(inner < 0))
    assert 16 * 2000 <= change <= 17 * 2000, "the windows share the seventeenth frame"
    assert np.allclose(read[2000 : 16 * 2000], 0.25, atol=0.01)
    assert np.allclose(read[17 * 2000 + 100 : -1000], -0.25, atol=0.01)
    # What is done again, as after a crash, may write its own file again; another job may not.
    again = finish_sound(
        shot=shot, windows=windows, sound=lambda index: files[index], frame_rate=24.0, work_folder=tmp_path / "work"
    )
    assert again == made
    assert files_beside(tmp_path / "work") == (made,)
    with pytest.raises(OutputExistsError, match=r"out\.wav"):
        finish_sound(
            shot=shot, windows=windows, sound=lambda index: files[index], frame_rate=24.0, work_folder=tmp_path / "new"
        )


@pytest.mark.parametrize("head", [True, False], ids=["before", "after"])
def test_handles_have_sound_on_their_side(plate: str, tmp_path: Path, head: bool) -> None:
    task = Continue(head=8) if head else Continue(tail=8)
    job = make_job(task, plate, str(tmp_path / "out.%04d.exr"))
    shot = surveyed(job)
    given, new = (FRAMES[:9][::-1], range(1000, 992, -1)) if head else (FRAMES[-9:], range(1041, 1049))
    (window,) = windows_beyond(given, new, lattice=LATTICE, length=17, overlap=9, may_repeat=True, backwards=head)
    keep_sound(tmp_path / "0.npz", tone(window, 17, level=0.5))
    path = finish_sound(
        shot=shot,
        windows=[window],
        sound=lambda _: tmp_path / "0.npz",
        frame_rate=24.0,
        work_folder=tmp_path / "work",
    )
    assert path is not None
    heard = np.abs(samples_of(path)[:, 0]) > 0.25
    assert len(heard) == len(shot.render) * 2000
    found = np.flatnonzero(heard)
    begin = 0 if head else len(heard) - 17 * 2000
    assert abs(found[0] - begin) < 500
    assert abs(found[-1] - (begin + 17 * 2000)) < 500


@pytest.mark.parametrize("head", [True, False], ids=["before", "after"])
def test_frames_that_only_fill_a_window_up_are_not_heard(plate: str, tmp_path: Path, head: bool) -> None:
    task = Continue(head=4) if head else Continue(tail=4)
    shot = surveyed(make_job(task, plate, str(tmp_path / "out.%04d.exr")))
    given, new = (FRAMES[:1], range(1000, 996, -1)) if head else (FRAMES[-1:], range(1041, 1045))
    (window,) = windows_beyond(given, new, lattice=LATTICE, length=17, overlap=1, may_repeat=True, backwards=head)
    assert [slot.copies is not None for slot in window.slots] == [False] * 5 + [True] * 4
    # Each frame as loud as its number among the window's, in time.
    levels = np.repeat(np.arange(1, 10, dtype=np.float32) / 10, 1000)
    keep_sound(tmp_path / "0.npz", Sound(samples=levels[np.newaxis], rate=24_000))
    path = finish_sound(
        shot=shot, windows=[window], sound=lambda _: tmp_path / "0.npz", frame_rate=24.0, work_folder=tmp_path / "work"
    )
    assert path is not None
    read = samples_of(path)[:, 0]
    assert len(read) == len(shot.render) * 2000
    first = 0 if head else len(read) - 5 * 2000
    middles = [float(read[first + 2000 * at + 1000]) for at in range(5)]
    expected = [0.5, 0.6, 0.7, 0.8, 0.9] if head else [0.1, 0.2, 0.3, 0.4, 0.5]
    assert middles == pytest.approx(expected, abs=0.01)
    assert not read[5 * 2000 :].any() if head else not read[:first].any()


def test_no_sound_at_all_leaves_no_file(plate: str, tmp_path: Path) -> None:
    job = make_job(Extend(margins=Margins(left=2)), plate, str(tmp_path / "out.%04d.exr"), frames=FRAMES[:9])
    shot = surveyed(job)
    windows = windows_over(shot.render, lattice=LATTICE, length=17, overlap=1, may_repeat=True)
    made = finish_sound(
        shot=shot, windows=windows, sound=lambda _: tmp_path / "no.npz", frame_rate=24.0, work_folder=tmp_path / "work"
    )
    assert made is None
    assert not (tmp_path / "out.wav").exists()
