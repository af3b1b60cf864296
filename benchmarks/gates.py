"""What a release has to show, read off the rows of a run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from davis import INPAINTING, OUTPAINTING
from evaluate import GENERATED, SEEN, WHOLE, Figures
from record import MEAN, OVERSCAN, Gate, Row, means


def gates(rows: Sequence[Row]) -> list[Gate]:
    """Every gate of the suites that have rows; what could not be measured is not met, but says so."""
    found = _Rows([*rows, *means(rows)])
    suites = {row.suite for row in rows}
    made: list[Gate] = []
    if OUTPAINTING in suites:
        whole, hole = (found.of(OUTPAINTING, MEAN, region=region) for region in (WHOLE, GENERATED))
        made += [
            _at_least(OUTPAINTING, "PSNR, mean of both ratios, dB", whole.psnr_db, 22.3),
            _at_least(OUTPAINTING, "SSIM", whole.ssim, 0.77),
            _within(OUTPAINTING, "detail in what was missing", hole.high_frequency_ratio, 0.8, 1.2),
            _at_most(OUTPAINTING, "flicker, in truths", hole.warp_error_ratio, 1.2),
            _at_least(OUTPAINTING, "worst clip against Telea, dB", _worst_against_telea(rows), -0.3),
        ]
    if INPAINTING in suites:
        made.append(_at_least(INPAINTING, "PSNR, dB", found.of(INPAINTING, MEAN, region=WHOLE).psnr_db, 24.5))
    if "hdr" in suites:
        pan = found.of("hdr", "pan", region=SEEN)
        flicker, grain = found.of("hdr", "flicker", region=SEEN), found.of("hdr", "grain", region=GENERATED)
        ratios = grain.grain_ratio or ()
        furthest = max(ratios, key=lambda ratio: abs(ratio - 1), default=None)
        made += [
            _at_least("hdr", "pan: log-PSNR where seen, dB", pan.log_psnr_db, 40.0),
            _at_most("hdr", "pan: drift, px", pan.drift_px, 0.1),
            _at_most("hdr", "flicker: seam, stops", flicker.seam_stops, 0.02),
            _within("hdr", "grain: worst channel's ratio", furthest, 0.9, 1.1),
        ]
    if "clean-plate" in suites:
        first = found.of("clean-plate", "one comes in", region=SEEN)
        made.append(_at_least("clean-plate", "PSNR where seen, dB", first.psnr_db, 38.0))
    if "speed" in suites:
        made += _speed(found)
    changed = [row.figures.samples_changed for row in rows if row.figures.samples_changed is not None]
    made.append(_at_most("all", "samples of the plate changed", float(sum(changed)) if changed else None, 0))
    return made


def _speed(found: _Rows) -> list[Gate]:
    final, preview, single = (found.of("speed", case) for case in ("final", "preview", "one core"))
    short, long, other = (found.of("speed", case) for case in ("short", "long", "PatchMatch"))
    peaks = [one.peak_mib for one in (final, short, long) if one.peak_mib is not None]
    return [
        _at_most("speed", "final, s a frame", final.seconds_per_frame, 2.0),
        _at_most("speed", "preview, s a frame", preview.seconds_per_frame, 0.35),
        _at_least("speed", "PatchMatch's time in ours", _ratio(other.seconds_per_frame, final.seconds_per_frame), 4.0),
        _at_least(
            "speed", "one core's time in all cores'", _ratio(single.seconds_per_frame, final.seconds_per_frame), 1.6
        ),
        _at_most("speed", "peak memory, MiB", max(peaks, default=None), 4096),
        _at_most("speed", "peak memory, long in short", _ratio(long.peak_mib, short.peak_mib), 1.25),
    ]


class _Rows:
    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def of(self, suite: str, case: str, *, region: str | None = None) -> Figures:
        """Our figures, or PatchMatch's in its own case; empty ones where there is no such row."""
        for row in self._rows:
            fits = (row.suite, row.case) == (suite, case) and region in (None, row.region)
            if fits and row.method in (OVERSCAN, case):
                return row.figures
        return Figures()


def _worst_against_telea(rows: Sequence[Row]) -> float | None:
    """Of the clips, each as the mean of its ratios."""
    gains: dict[str, list[float]] = {}
    scores = {
        (row.case, row.method): row.figures.psnr_db for row in rows if row.suite == OUTPAINTING and row.region == WHOLE
    }
    for (case, method), own in scores.items():
        telea = scores.get((case, "Telea"))
        if method == OVERSCAN and own is not None and telea is not None:
            gains.setdefault(case.rpartition(" ")[0], []).append(own - telea)
    return min((statistics.fmean(gain) for gain in gains.values()), default=None)


def _ratio(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or not lower else upper / lower


def _at_least(suite: str, what: str, value: float | None, limit: float) -> Gate:
    met = None if value is None else value >= limit
    return Gate(suite=suite, what=what, value=value, limit=f"at least {limit:g}", met=met)


def _at_most(suite: str, what: str, value: float | None, limit: float) -> Gate:
    met = None if value is None else value <= limit
    return Gate(suite=suite, what=what, value=value, limit=f"at most {limit:g}", met=met)


def _within(suite: str, what: str, value: float | None, low: float, high: float) -> Gate:
    met = None if value is None else low <= value <= high
    return Gate(suite=suite, what=what, value=value, limit=f"{low:g} to {high:g}", met=met)
