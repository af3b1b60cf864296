"""Measure a result against the truth, all frames, and show it."""

from __future__ import annotations

import os
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from overscan.core.colour import load_config
from overscan.core.errors import MismatchError, MissingFramesError, OutputNotWritableError
from overscan.core.frames import format_frames
from overscan.core.measure._frames import frame_rate, read_picture
from overscan.core.measure._measured import COPIED, MODEL, SYNTHESISED, Colour, MeasuredFrame, Scores, measure_frame
from overscan.core.measure._movie import MovieWriter
from overscan.core.measure._pictures import Rgb8, contact_sheet, write_png
from overscan.core.plates import Sequence

_SHEET_FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `compare` found."""

    frames: str
    """The frames measured, as a range."""
    frame_count: int
    generated_share: float
    """Part of the result's pixels that was generated."""
    copied_share: float
    """Part of the generated pixels that other frames of the plate showed."""
    synthesised_share: float
    """Part of the generated pixels that no frame showed, synthesised from the plate."""
    model_share: float
    """Part of the generated pixels that a model made."""
    plate_differing_samples: int
    """Samples outside the generated region that are not the plate's, bit for bit. Anything but 0 is a fault."""
    result: Scores
    """In the whole generated region."""
    result_where_seen: Scores | None
    """Where it was copied from other frames of the plate; None where nothing was."""
    telea: Scores
    """OpenCV's inpainting of each frame on its own, in the same region."""
    contact_sheet: str
    movie: str


def compare(
    *,
    plate: str,
    result: str,
    truth: str,
    out: Path,
    colour_space: str = "",
    config: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Measure the generated region of `result` against `truth`; make ``contact_sheet.png`` and ``before_after.mp4``.

    `plate`, `result`, `truth`: path patterns; the frames that all three have are measured, a few at a time in memory.
    `result` has Overscan's extras in the file. Truth and result are laid over each other by the upper left corners of
    their display windows. `out`: a folder, made where it is not there. `colour_space`, `config`: as for a job.
    `progress` is called with frames done and frames in all.

    Raises `MissingFramesError` where there is no common frame, `MismatchError` where they do not fit each other or
    nothing was generated, `OutputNotWritableError`, and whatever reading raises.
    """
    plates, results, truths = (Sequence.find(pattern=pattern) for pattern in (plate, result, truth))
    numbers = sorted(set(plates.frames) & set(results.frames) & set(truths.frames))
    if not numbers:
        raise MissingFramesError(
            f"{plate}, {result} and {truth} have no frame number in common.",
            next_step="Give sequences of the same frames.",
            path=result,
        )
    _make_folder(out)
    sheet_path, movie_path = out / "contact_sheet.png", out / "before_after.mp4"
    on_sheet = {numbers[round(at)] for at in np.linspace(0, len(numbers) - 1, min(_SHEET_FRAMES, len(numbers)))}
    colour = Colour(config=load_config(path=config), name=colour_space)

    def measure(number: int) -> MeasuredFrame:
        return measure_frame(
            number=number,
            original=read_picture(plates.path(number), number=number),
            made=read_picture(results.path(number), number=number),
            true=read_picture(truths.path(number), number=number),
            colour=colour,
            on_sheet=number in on_sheet,
        )

    tally = _Tally()
    rows: list[Rgb8] = []
    rate = frame_rate(read_picture(plates.path(numbers[0]), number=numbers[0])) or Fraction(24)
    with MovieWriter(movie_path, rate=rate) as movie:
        for done, frame in enumerate(_in_order(measure, numbers), start=1):
            tally.add(frame)
            movie.add(frame.movie)
            if frame.sheet is not None:
                rows.append(frame.sheet)
            if progress:
                progress(done, len(numbers))
        comparison = tally.comparison(frames=format_frames(numbers), sheet=sheet_path, movie=movie_path)
    write_png(sheet_path, contact_sheet(rows))
    return comparison


def _in_order(measure: Callable[[int], MeasuredFrame], numbers: list[int]) -> Iterator[MeasuredFrame]:
    """Frames measured a few at a time (OpenCV, OpenColorIO and numpy leave Python's lock alone), in order."""
    workers = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[MeasuredFrame]] = deque()
        try:
            for number in numbers:
                pending.append(pool.submit(measure, number))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputNotWritableError(
            f"the folder cannot be made: {error.strerror}.",
            next_step="Choose a folder that can be written.",
            path=out,
        ) from error


class _Tally:
    """Sums over the frames."""

    def __init__(self) -> None:
        self._samples = self._generated = self._differing = self._count = 0
        self._kinds = {COPIED: 0, SYNTHESISED: 0, MODEL: 0}
        self._result: list[Scores] = []
        self._seen: list[Scores] = []
        self._telea: list[Scores] = []

    def add(self, frame: MeasuredFrame) -> None:
        self._count += 1
        self._samples += frame.samples
        self._generated += frame.generated
        self._differing += frame.differing
        for kind, count in frame.kinds.items():
            self._kinds[kind] += count
        for scores, kept in ((frame.result, self._result), (frame.seen, self._seen), (frame.telea, self._telea)):
            if scores:
                kept.append(scores)

    def comparison(self, *, frames: str, sheet: Path, movie: Path) -> Comparison:
        if not self._result:
            raise MismatchError(
                "nothing in the result is marked as generated, so there is nothing to measure.",
                next_step="Give the result of a job that extends or fills something.",
                expected="generated.A above 0 somewhere",
            )
        return Comparison(
            frames=frames,
            frame_count=self._count,
            generated_share=self._generated / self._samples,
            copied_share=self._kinds[COPIED] / self._generated,
            synthesised_share=self._kinds[SYNTHESISED] / self._generated,
            model_share=self._kinds[MODEL] / self._generated,
            plate_differing_samples=self._differing,
            result=_mean(self._result),
            result_where_seen=_mean(self._seen) if self._seen else None,
            telea=_mean(self._telea),
            contact_sheet=str(sheet),
            movie=str(movie),
        )


def _mean(scores: list[Scores]) -> Scores:
    detail = [score.high_frequency_ratio for score in scores if score.high_frequency_ratio is not None]
    return Scores(
        psnr_db=statistics.fmean(score.psnr_db for score in scores),
        log_psnr_db=statistics.fmean(score.log_psnr_db for score in scores),
        ssim=statistics.fmean(score.ssim for score in scores),
        high_frequency_ratio=statistics.fmean(detail) if detail else None,
    )
