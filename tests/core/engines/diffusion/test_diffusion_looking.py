"""What is found out of a shot before it is painted: how bright it is, and which parts of it a model paints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filming import make_job, pan, scene, write
from running import run_engine
from stub import CARD, LATTICE, StubFamily, stub_engine

from overscan.core.colour import Curve
from overscan.core.engines.diffusion._looking import areas_of_sketches, wide_range
from overscan.core.engines.diffusion._parameters import values_of
from overscan.core.engines.diffusion._share import cells_to_paint, model_share
from overscan.core.engines.diffusion._windows import windows_over
from overscan.core.geometry import Window
from overscan.core.jobs import Continue, Extend, Job, Margins
from overscan.core.results import CELL, Generated, Groundwork, LightCounts, Sketch, SourceKind
from overscan.core.results._sketch import sketch_of


def _values(**parameters: object) -> dict[str, object]:
    job = make_job(Continue(tail=1), "p", "o", parameters=parameters)
    return dict(values_of(job, CARD))


def _light(*, highlight: float, share: float, darkest: float = 0.0) -> LightCounts:
    light = np.full((200, 200, 3), 0.18, np.float32)
    light.reshape(-1, 3)[: round(share * 40000)] = highlight
    light[-2:] = darkest
    # Counted on every second sample both ways.
    return LightCounts.of(np.repeat(np.repeat(light, 2, axis=0), 2, axis=1))


def test_exposure_makes_lamps_fit_and_not_glints():
    wide, notices = wide_range(_light(highlight=1500.0, share=0.01), card=CARD, values=_values())
    assert wide.exposure <= -2.75
    assert wide.highest >= 1500
    assert notices == []
    wide, notices = wide_range(_light(highlight=60000.0, share=0.00005), card=CARD, values=_values())
    assert wide.exposure == 0
    assert "LIGHT_LIMITED" in {notice.code for notice in notices}


def test_what_lies_below_the_curve_is_told():
    _, notices = wide_range(_light(highlight=1.0, share=0.1, darkest=-0.5), card=CARD, values=_values())
    assert "1 %" in notices[0].message
    _, notices = wide_range(_light(highlight=1.0, share=0.1), card=CARD, values=_values())
    assert notices == []


@pytest.mark.parametrize(("curve", "room"), [("auto", 222.8), ("acescct", 222.8), ("logc3", 55.0)])
def test_curve_and_exposure_as_asked(curve, room):
    light = _light(highlight=1.0, share=0.1)
    wide, _ = wide_range(light, card=CARD, values=_values(curve=curve, exposure="-1.5"))
    assert wide.exposure == -1.5
    assert wide.highest == pytest.approx(room * 2**1.5, rel=0.01)
    assert wide.curve is (Curve.LOGC3 if curve == "logc3" else Curve.ACESCCT)


def _groundwork() -> Groundwork:
    """A hole of which the left half was copied, the upper part of that with little confidence, and the right unseen."""
    window = Window(x=-3, y=7, width=100, height=70)
    alpha = np.zeros(window.shape, np.float32)
    alpha[20:60, 20:80] = 1
    kind = np.where(np.arange(100) < 50, SourceKind.COPIED, SourceKind.SYNTHESISED).astype(np.uint8)
    confidence = np.full(window.shape, 0.9, np.float32)
    confidence[20:40, 20:50] = 0.1
    confidence[55, 30] = 0.1  # a speck
    nowhere = np.full(window.shape, np.nan, np.float32)
    generated = Generated(
        window=window,
        light=np.full((*window.shape, 3), 0.5, np.float32),
        alpha=alpha,
        confidence=confidence,
        source_x=nowhere,
        source_y=nowhere,
        source_frame=nowhere,
        kind=np.broadcast_to(kind, window.shape) * (alpha > 0).astype(np.uint8),
    )
    unseen = (alpha > 0) & (generated.kind == SourceKind.SYNTHESISED)
    return Groundwork(frame=1, generated=generated, never_seen=unseen.astype(np.float32))


@pytest.mark.parametrize("repaint", ["unseen", "all"])
def test_the_models_share(repaint):
    ground, values = _groundwork(), _values(repaint=repaint)
    share = model_share(ground, values=values, scale=1.0)
    painted = ground.generated.alpha > 0
    assert not share[~painted].any()
    assert (share[30:50, 60:70] == 1).all()
    assert share[24:36, 24:46].min() == 1  # copied, and not sure of
    assert share[50, 35] == (1 if repaint == "all" else 0)
    assert share[55, 30] == (1 if repaint == "all" else 0)
    # It rises inwards, more gently where the model's picture is coarse.
    assert share[30, 79] == pytest.approx(1 / 3, abs=0.05)
    assert model_share(ground, values=values, scale=0.25)[30, 79] < 0.1
    # A sketch knows every place of it, without the pixels.
    sketch = sketch_of(ground.generated, never_seen=ground.never_seen)
    cells = np.repeat(np.repeat(cells_to_paint(sketch, values), CELL, 0), CELL, 1)[:70, :100]
    assert not (share > 0)[~cells].any()


def test_a_sketch_is_kept(tmp_path):
    ground = _groundwork()
    sketch = sketch_of(ground.generated, never_seen=ground.never_seen)
    sketch.save(tmp_path / "s.npz")
    kept = Sketch.load(tmp_path / "s.npz")
    assert kept.window == sketch.window
    for name in ("unseen", "generated", "confidence"):
        assert np.array_equal(getattr(kept, name), getattr(sketch, name))
    assert np.array_equal(kept.light.above, sketch.light.above)
    assert kept.light.pixels == 35 * 50


def test_areas_follow_mattes_from_window_to_window():
    """A matte that crosses the frame has an area of its own in each window, though data windows differ."""

    def sketch(frame: int) -> Sketch:
        window = Window(x=-(frame % 3), y=0, width=2000 + frame % 3, height=800)
        cells = np.zeros((50, 126), np.bool_)
        cells[20:26, 2 * frame : 2 * frame + 5] = True
        return Sketch(
            window=window,
            unseen=cells,
            generated=cells,
            confidence=np.ones(cells.shape, np.float32),
            light=LightCounts(),
        )

    windows = windows_over(range(1, 26), lattice=LATTICE, length=9, overlap=2, may_repeat=True)
    areas, _ = areas_of_sketches(windows, sketch, lattice=LATTICE, values=_values(), tick=lambda: None)
    assert len(areas) == len(windows) >= 3
    for window, (area,) in zip(windows, areas, strict=True):
        for frame in window.frames:
            own = Window(x=2 * frame * CELL - frame % 3, y=20 * CELL, width=5 * CELL, height=6 * CELL)
            assert area.window.contains(own)
    assert areas[0][0].window.x < areas[-1][0].window.x


def _job(tmp_path: Path, plate: str, task: object, **fields: object) -> Job:
    return make_job(task, plate, str(tmp_path / "o/o.%d.exr"), parameters={"grain": False}, **fields)


def test_squeezed_plates_are_shown_unsqueezed(tmp_path):
    plate = pan(tmp_path / "p", size=(96, 128), frames=range(1, 4))
    engine = stub_engine(pixels=192 * 128)
    run_engine(engine, _job(tmp_path, plate, Continue(tail=2), source={"pixel_aspect": 2.0}), tmp_path)
    assert isinstance(engine.family, StubFamily)
    height, width = engine.family.requests[0].video.shape[1:3]
    assert (width, height) == (192, 128)


@pytest.mark.parametrize("task", [Continue(tail=2), Extend(margins=Margins(right=12))], ids=["continue", "extend"])
def test_grey_plates(tmp_path, task):
    picture = scene(100, 140)[..., 0]
    for frame in range(1, 5):
        write(tmp_path / f"p/p.{frame}.exr", {"Y": picture[:60, frame : frame + 80].astype(np.float16)})
    done = run_engine(stub_engine(), _job(tmp_path, str(tmp_path / "p/p.%d.exr"), task), tmp_path)
    frame = done.plan.frames[-1]
    made = done.extras(frame)["kind"] == 3
    assert made.any()
    assert np.isfinite(done.result(frame).planes["Y"][made]).all()
