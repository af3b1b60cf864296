"""What is measured reaches the tables, the JSON and the gates unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import davis
import numpy as np
import pytest
from clean_plate import against_room
from evaluate import GENERATED, NEVER_SEEN, SEEN, WHOLE, Clip, Figures, mean_figures, measure
from filming import look, scene
from gates import gates
from record import Row, gate_table, means, new_record, table, with_rows, write_json
from suite import Settings, filled_frames

SIZE = (160, 96)


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A pan, of which 32 px on the left are to be generated, the outer 16 of them never seen."""
    whole = scene(300, 460)
    truth = [look(whole, 40 + 3 * at, 30, size=SIZE) for at in range(4)]
    hole, seen = np.zeros(SIZE[::-1], bool), np.zeros(SIZE[::-1], bool)
    hole[:, :32] = seen[:, 16:32] = True
    regions = {GENERATED: [hole] * 4, SEEN: [seen] * 4, NEVER_SEEN: [hole & ~seen] * 4}
    return Clip(truth=truth, scene_linear=True, generated=[hole] * 4, regions=regions, comparable_in_place=True)


def test_the_truth_itself_is_perfect(clip: Clip) -> None:
    found = measure(clip.truth, clip, perceptual=False)
    for figures in found.values():
        assert (figures.psnr_db, figures.log_psnr_db) == (100.0, 100.0)
        assert figures.ssim == pytest.approx(1.0)
        assert figures.high_frequency_ratio == pytest.approx(1.0)
        assert figures.warp_error_ratio == pytest.approx(1.0)
        assert figures.seam_stops in (0.0, None)
    assert found[SEEN].drift_px == pytest.approx(0.0, abs=1e-6)
    assert found[NEVER_SEEN].drift_px is None


def test_faults_show_in_their_own_figure_and_region(clip: Clip) -> None:
    never = clip.regions[NEVER_SEEN][0]
    brighter = [np.where(never[..., None], frame * np.float32(2), frame) for frame in clip.truth]
    found = measure(brighter, clip, perceptual=False)
    assert found[SEEN].log_psnr_db == 100.0
    assert found[NEVER_SEEN].log_psnr_db < 26
    flickering = [frame * np.float32(1.2 if at % 2 else 1.0) for at, frame in enumerate(clip.truth)]
    assert measure(flickering, clip, perceptual=False)[GENERATED].warp_error_ratio > 2


def test_a_result_with_nan_is_bad_not_fatal(clip: Clip) -> None:
    broken = [frame.copy() for frame in clip.truth]
    broken[1][:, :32] = np.nan
    assert measure(broken, clip, perceptual=False)[GENERATED].log_psnr_db < 90


def test_fills_leave_the_plate_and_see_nothing_of_the_truth(clip: Clip) -> None:
    settings = Settings(data=Path(), davis=Path())
    for linear in (True, False):
        truth = [frame if linear else np.clip(frame, 0, 1) for frame in clip.truth[:1]]
        other = [np.where(clip.generated[0][..., None], np.float32(0.7), frame) for frame in truth]
        clips = [
            replace(clip, truth=frames, generated=clip.generated[:1], scene_linear=linear) for frames in (truth, other)
        ]
        made, again = (filled_frames(one, settings=settings) for one in clips)
        assert set(made) == {"Telea", "PatchMatch", "blur"}
        for name, frames in made.items():
            if frames is not None:
                np.testing.assert_array_equal(frames[0][~clip.generated[0]], truth[0][~clip.generated[0]])
                np.testing.assert_array_equal(frames[0], again[name][0])


def test_masks_cover_what_the_protocol_says() -> None:
    first = davis.free_form_matte("libby", size=(432, 240), share=0.22)
    assert 0.22 <= first.mean() <= 0.231
    np.testing.assert_array_equal(first, davis.free_form_matte("libby", size=(432, 240), share=0.22))
    assert (first != davis.free_form_matte("parkour", size=(432, 240), share=0.22)).any()
    assert [davis.bar_width(ratio) for ratio in davis.RATIOS] == [32, 84]


def test_a_visitor_is_found_in_a_room_at_another_exposure() -> None:
    room = (np.clip(scene(90, 140), 0.02, 1) * 200).astype(np.float32)
    frame = np.clip(room * 1.1 + 4, 0, 255)
    frame[20:70, 50:80] = (frame[20:70, 50:80] + 128) % 256
    found = against_room(np.round(frame).astype(np.uint8), room)
    assert found.hole[20:70, 50:80].all()
    assert not found.hole[:, :35].any() and not found.hole[:, 95:].any()
    error = np.abs(found.truth * 255 - (room * 1.1 + 4))
    assert np.median(error) < 1.0


def row(case: str, method: str, region: str = WHOLE, suite: str = "outpainting", **figures: object) -> Row:
    return Row(suite=suite, case=case, method=method, region=region, frames=10, figures=Figures(**figures))


def test_means_and_tables_keep_methods_and_regions_apart() -> None:
    rows = [
        row("a 0.25", "overscan", psnr_db=20.0, samples_changed=2, grain_ratio=(1.0, 1.1, 0.9)),
        row("a 0.66", "overscan", psnr_db=24.0, samples_changed=1, drift_px=0.3),
        row("a 0.25", "Telea", psnr_db=18.0),
        Row(suite="outpainting", case="b", method="PatchMatch", region=WHOLE, frames=10, note="not installed"),
    ]
    ours, telea = means(rows)
    assert ours.figures == Figures(psnr_db=22.0, samples_changed=3, drift_px=0.3, grain_ratio=(1.0, 1.1, 0.9))
    assert telea.figures == Figures(psnr_db=18.0)
    text = table([*rows, ours])
    assert "| a 0.25 | overscan | 10 | 20.00 | 1.00 1.10 0.90 |  | 2 |" in text
    assert "b, PatchMatch: not installed" in text
    assert "SSIM" not in text and "region" not in text
    assert mean_figures([]) == Figures()


def test_gates_are_met_missed_or_not_measured() -> None:
    rows = [
        row("a 0.25", "overscan", psnr_db=23.0, ssim=0.7),
        row("a 0.66", "overscan", psnr_db=22.0, ssim=0.7),
        row("a 0.25", "Telea", psnr_db=23.5),
        row("a 0.66", "Telea", psnr_db=22.4),
        row("pan", "overscan", region=SEEN, suite="hdr", log_psnr_db=41.0, samples_changed=0),
    ]
    found = {(gate.suite, gate.what): gate for gate in gates(rows)}
    assert found["outpainting", "PSNR, mean of both ratios, dB"].met is True
    assert found["outpainting", "SSIM"].met is False
    worst = found["outpainting", "worst clip against Telea, dB"]
    assert (worst.value, worst.met) == (pytest.approx(-0.45), False)
    assert found["hdr", "pan: log-PSNR where seen, dB"].met is True
    assert found["hdr", "pan: drift, px"].met is None
    assert found["all", "samples of the plate changed"].met is True
    assert not any(suite == "speed" for suite, _ in found)
    assert "**no**" in gate_table(list(found.values()))


def test_the_record_says_where_and_with_what(tmp_path: Path) -> None:
    record = new_record(command=["run.py", "hdr"], quick=True)
    write_json(with_rows(record, [row("pan", "overscan", psnr_db=float("nan"))], ()), tmp_path / "a" / "record.json")
    stored = json.loads((tmp_path / "a" / "record.json").read_text())
    assert stored["schema"] == 1 and stored["quick"] is True
    assert stored["machine"]["cores"] >= 1 and stored["versions"]["numpy"] == np.__version__
    assert stored["rows"][0]["figures"]["psnr_db"] is None
