"""Suites `outpainting` and `inpainting`: real clips at 8 bits, by the protocols of the literature, and `davis-removal`.

Outpainting as M3DDM and MOTIA (Table 1): 256x256, black bars left and right of 0.25 and 0.66 of the width in all.
Inpainting after ProPainter (Table 1): 432x240, stationary free-form mattes that do not follow the object, of 22 % of
the frame; theirs are not published, these are drawn by our own rule from a fixed seed. In both the known part is
replaced by the truth (the plate comes back to the bit, which is checked), and PSNR and SSIM are over the whole frame.

`davis-removal` takes the clips' objects out by their annotations. Nobody knows what is behind them: it has no figures,
only contact sheets.
"""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from engine_run import run_engine
from evaluate import GENERATED, SEEN, WHOLE, Clip
from frame_files import read_codes, read_kind, write_codes
from record import Row
from sheet import write_sheet
from suite import Outcome, Settings, filled_frames, over_cases, rows_of_case, say

from overscan.core.jobs import AnyTask, Extend, ExtrasMode, Inpaint, Job, MatteSource, OutputSpec, SequenceSource

Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

OUTPAINTING, INPAINTING, REMOVAL = "outpainting", "inpainting", "davis-removal"
RATIOS = (0.25, 0.66)
OUTPAINTING_SIZE = (256, 256)
INPAINTING_SIZE = (432, 240)
MASKED = 0.22
"""Part of the frame."""
_FIRST = 1001
_QUICK_FRAMES = 10
_MATTE_GROWN = 5
"""Px by which an object's annotation is grown: soft edges and motion blur belong to the object."""
_COPIED = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DavisCase:
    """One clip in one suite."""

    suite: str
    clip: Path
    ratio: float = 0.0
    """Of the bars, of the width; outpainting alone."""

    @property
    def name(self) -> str:
        """As in the tables."""
        return f"{self.clip.name} {self.ratio}" if self.ratio else self.clip.name


def run_outpainting(settings: Settings) -> list[Row]:
    """The rows of `outpainting`."""
    clips = _clips(settings)
    return over_cases(
        run_case, [DavisCase(suite=OUTPAINTING, clip=clip, ratio=ratio) for clip in clips for ratio in RATIOS], settings
    )


def run_inpainting(settings: Settings) -> list[Row]:
    """The rows of `inpainting`."""
    return over_cases(run_case, [DavisCase(suite=INPAINTING, clip=clip) for clip in _clips(settings)], settings)


def run_removal(settings: Settings) -> list[Row]:
    """Contact sheets of clips without their objects; the rows have time and memory alone."""
    if settings.sheets is None:
        raise SystemExit(f"{REMOVAL} makes nothing but pictures: say where with --sheets FOLDER")
    return over_cases(run_case, [DavisCase(suite=REMOVAL, clip=clip) for clip in _clips(settings)], settings)


def run_case(case: DavisCase, settings: Settings) -> list[Row]:
    """One clip's rows."""
    say(f"{case.suite}: {case.name}")
    frames = read_clip(case.clip, size=OUTPAINTING_SIZE if case.suite == OUTPAINTING else INPAINTING_SIZE)
    if settings.quick:
        frames = frames[:_QUICK_FRAMES]
    holes = _holes(case, frames, settings)
    with tempfile.TemporaryDirectory() as folder:
        outcome, copied = _generate(case, frames, holes, Path(folder), settings)
    truth = [frame.astype(np.float32) / np.float32(255) for frame in frames]
    everything = [np.ones(hole.shape, np.bool_) for hole in holes]
    regions = {WHOLE: everything, GENERATED: holes}
    clip = Clip(truth=truth, scene_linear=False, generated=holes, regions=regions)
    if case.suite == REMOVAL:
        assert settings.sheets is not None
        made = {"overscan": outcome.frames, **filled_frames(clip, settings=settings)}
        write_sheet(settings.sheets / f"{REMOVAL}-{case.name}.jpg", clip=clip, frames={"original": truth, **made})
        return [
            Row(
                suite=REMOVAL,
                case=case.name,
                method="overscan",
                region=WHOLE,
                frames=len(frames),
                note=outcome.run.problem,
            )
        ]
    rows = rows_of_case(
        suite=case.suite,
        case=case.name,
        clip=clip,
        outcome=outcome,
        others=filled_frames(clip, settings=settings),
        settings=settings,
    )
    if any(mask.any() for mask in copied):
        # What the engine itself says it copied; no other method has this region.
        own = replace(clip, regions={SEEN: copied})
        seen = rows_of_case(
            suite=case.suite, case=case.name, clip=own, outcome=outcome, others={},
            settings=replace(settings, sheets=None, perceptual=False),
        )  # fmt: skip
        rows += [replace(row, region=f"copied ({np.mean(copied) / np.mean(holes):.0%})") for row in seen]
    return rows


def read_clip(folder: Path, *, size: tuple[int, int]) -> list[Codes]:
    """All frames, RGB, scaled to `size`."""
    paths = sorted(folder.glob("*.jpg")) or sorted(folder.glob("*.png"))
    frames = []
    for path in paths:
        frames.append(np.asarray(cv2.resize(read_codes(path), size, interpolation=cv2.INTER_AREA), np.uint8))
    if not frames:
        raise SystemExit(f"{folder} has no *.jpg or *.png")
    return frames


def free_form_matte(name: str, *, size: tuple[int, int], share: float) -> Mask:
    """Blobs and strokes of at least `share` of a frame, and 1 % of it more at most; always the same for a name."""
    width, height = size
    random = np.random.default_rng(zlib.crc32(name.encode()))
    mask = np.zeros((height, width), np.uint8)
    while mask.mean() < share:
        more = mask.copy()
        x, y = (int(random.integers(0, side)) for side in (width, height))
        if random.random() < 0.5:
            axes = tuple(int(side) for side in random.integers(height // 24, height // 6, 2))
            cv2.ellipse(more, (x, y), axes, float(random.uniform(0, 180)), 0, 360, 1, cv2.FILLED)
        else:
            points = np.cumsum([[x, y], *random.integers(-height // 5, height // 5 + 1, (4, 2))], axis=0)
            cv2.polylines(more, [points.astype(np.int32)], False, 1, int(random.integers(6, height // 10)))
        if more.mean() <= share + 0.01:
            mask = more
    return np.asarray(mask, np.bool_)


def _clips(settings: Settings) -> list[Path]:
    root = settings.davis / "JPEGImages"
    if not root.is_dir():
        raise SystemExit(f"{root} is not there: give a folder with JPEGImages/<clip>/*.jpg as --davis")
    clips = [clip for clip in sorted(root.iterdir()) if clip.is_dir() and settings.wants(clip.name)]
    return clips[:2] if settings.quick and not settings.clips else clips


def _holes(case: DavisCase, frames: list[Codes], settings: Settings) -> list[Mask]:
    height, width = frames[0].shape[:2]
    if case.suite == OUTPAINTING:
        bar, hole = bar_width(case.ratio), np.ones((height, width), np.bool_)
        hole[:, bar : width - bar] = False
        return [hole] * len(frames)
    if case.suite == INPAINTING:
        return [free_form_matte(case.clip.name, size=(width, height), share=MASKED)] * len(frames)
    side = 2 * _MATTE_GROWN + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    paths = sorted((settings.davis / "Annotations" / case.clip.name).glob("*.png"))[: len(frames)]
    holes = []
    for path in paths:
        object_in = np.asarray(read_codes(path).any(axis=2), np.uint8)
        small = cv2.resize(object_in, (width, height), interpolation=cv2.INTER_NEAREST)
        holes.append(np.asarray(cv2.dilate(small, disc), np.bool_))
    if len(holes) != len(frames):
        raise SystemExit(f"{case.clip.name} has {len(frames)} frames and {len(holes)} annotations")
    return holes


def bar_width(ratio: float) -> int:
    """Of each of the two bars."""
    return round(OUTPAINTING_SIZE[0] * ratio / 2)


def _generate(
    case: DavisCase, frames: list[Codes], holes: list[Mask], folder: Path, settings: Settings
) -> tuple[Outcome, list[Mask]]:
    """Let the engine work on what is known; what it says it copied from other frames."""
    numbers = range(_FIRST, _FIRST + len(frames))
    width = frames[0].shape[1]
    bar = bar_width(case.ratio) if case.suite == OUTPAINTING else 0
    task: AnyTask = Extend(size=OUTPAINTING_SIZE, place=(bar, 0))
    if case.suite != OUTPAINTING:
        task = Inpaint(matte=MatteSource(sequence=SequenceSource(path=str(folder / "m.%04d.png"))))
    for number, frame, hole in zip(numbers, frames, holes, strict=True):
        shown = frame if case.suite == REMOVAL else np.where(hole[..., None], np.uint8(0), frame)
        write_codes(folder / f"p.{number}.png", shown[:, bar : width - bar])
        if case.suite != OUTPAINTING:
            write_codes(folder / f"m.{number}.png", hole.astype(np.uint8) * 255)
    job = Job(
        task=task,
        plate=SequenceSource(path=str(folder / "p.%04d.png")),
        output=OutputSpec(path=str(folder / "out" / "o.%04d.png"), extras=ExtrasMode.SIDECAR),
        parameters=settings.parameters,
    )
    done = run_engine(job, threads=settings.threads)
    if done.problem:
        return Outcome(run=done), [np.zeros_like(hole) for hole in holes]
    results, copied, changed = [], [], 0
    for number, frame, hole in zip(numbers, frames, holes, strict=True):
        made = read_codes(folder / "out" / f"o.{number}.png")
        changed += int(np.count_nonzero((made != frame)[~hole]))
        results.append(made.astype(np.float32) / np.float32(255))
        copied.append(hole & (read_kind(folder / "out" / f"o.extras.{number}.exr") == _COPIED))
    return Outcome(run=done, frames=results, samples_changed=changed), copied
