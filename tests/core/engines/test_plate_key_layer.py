"""Another engine's painter in the plate engine's key frames: what it paints is carried along with the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from filming import Run, changed, ellipse, inpaint, make_job, pan, run, same_files, scene, write

from overscan.core.engines import (
    Context,
    EngineCard,
    Plan,
    RightsCard,
    Step,
    TrainingData,
    _registry,
    installed_engines,
)
from overscan.core.engines.plate import KeyLayer
from overscan.core.errors import CancelledError
from overscan.core.jobs import Extend, Job, Margins, Task

SIZE = (177, 109)
PITCH = 17.0
"""Samples from one painted dot to the next."""


@dataclass
class Dots:
    """Paints round dots on an even ground, on a grid that is the frame's own; remembers what it was asked."""

    asked: list[tuple[int, int]] = field(default_factory=list)
    """Frame numbers, and how much was missing."""
    stops_at: int | None = None

    def paint(self, key, *, tick: Callable[[], None]) -> np.ndarray:
        if key.frame == self.stops_at:
            raise CancelledError("stopped.")
        tick()
        self.asked.append((key.frame, int(key.missing.sum())))
        assert np.isfinite(key.light[key.missing]).all()
        rows, columns = np.nonzero(key.missing)
        y, x = rows + key.window.y, columns + key.window.x
        dots = np.exp(-(_off(x) ** 2 + _off(y) ** 2) / (2 * 2.5**2))
        light = np.full_like(key.light, np.nan)
        light[rows, columns] = (0.2 + 3.0 * dots)[:, np.newaxis] * np.array([1.0, 0.8, 0.5])
        return light


def _off(position: np.ndarray) -> np.ndarray:
    """Distance to the nearest dot along one axis."""
    return (position + PITCH / 2) % PITCH - PITCH / 2


class Dotted:
    """An engine round `Dots`."""

    painter = Dots()

    def __init__(self) -> None:
        self._layer = KeyLayer()

    @property
    def card(self) -> EngineCard:
        rights = RightsCard(
            maker="test", licence="MIT", training_data=TrainingData.NONE, statement="None.", commercial_use=True
        )
        return EngineCard(
            name="dotted", version="1", title="Dots", tasks=(Task.EXTEND, Task.INPAINT), controls=(), rights=rights
        )

    def plan(self, job: Job) -> Plan:
        return self._layer.plan(job, card=self.card, title="Painting dots", cost=4.0, parameters=job.parameters)

    def run(self, step: Step, context: Context) -> None:
        painter = type(self).painter if self._layer.paints(step) else None
        attributes = {"overscan:engine": "dotted 1"}
        self._layer.run(step, context, parameters=context.job.parameters, painter=painter, attributes=attributes)


@pytest.fixture
def painter(monkeypatch):
    class Entry:
        name = "dotted"

        def load(self):
            return Dotted

    monkeypatch.setattr(_registry, "entry_points", lambda **_: [Entry()])
    installed_engines.cache_clear()
    Dotted.painter = Dots()
    yield Dotted.painter
    monkeypatch.undo()
    installed_engines.cache_clear()


def _job(tmp_path, task, plate, out="o", **fields) -> Job:
    parameters = {"copy": "never", "grain": False} | fields.pop("parameters", {})
    return make_job(task, plate, str(tmp_path / out / "o.%d.exr"), engine="dotted", parameters=parameters, **fields)


def _misplaced(done: Run, frame: int, *, moved: tuple[float, float], least: int) -> float:
    """How far the dots of a result frame are from where the camera should have taken them, in samples, at most.

    `moved` is how far the picture has moved in the frame against the first, which was painted. At least so many of the
    dots that were painted there whole must be so here.
    """
    extras, light = done.extras(frame), done.light(frame).sum(axis=-1)
    made = (extras["kind"] == 3) & (extras["A"] == 1)
    painted = done.extras(done.plan.frames[0])["kind"] == 3
    offset = done.plan.plate_offset
    worst, found = 0.0, 0
    for i in range(-4, 40):
        for j in range(-4, 40):
            if not _whole(painted, round(j * PITCH) + offset[0], round(i * PITCH) + offset[1]):
                continue
            x, y = j * PITCH + moved[0] + offset[0], i * PITCH + moved[1] + offset[1]
            left, top = round(x) - 6, round(y) - 6
            here = np.s_[top : top + 13, left : left + 13]
            if not _whole(made, round(x), round(y)):
                continue
            weight = np.maximum(light[here] - 0.6, 0)
            rows, columns = np.mgrid[top : top + 13, left : left + 13]
            centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
            worst, found = max(worst, float(np.hypot(*(centre - (x, y))))), found + 1
    assert found >= least, found
    return worst


def _whole(mask: np.ndarray, x: int, y: int) -> bool:
    """Whether all that lies within 6 samples of a position is in a mask."""
    height, width = mask.shape
    inside = 6 <= x < width - 6 and 6 <= y < height - 6
    return inside and bool(mask[y - 6 : y + 7, x - 6 : x + 7].all())


def test_what_is_painted_in_the_first_key_frame_moves_with_the_camera(tmp_path, painter):
    step = (1.25, 0.6)
    plate = pan(tmp_path / "p", size=SIZE, step=step, frames=range(1001, 1013), dtype=np.float16)
    done = run(_job(tmp_path, Extend(margins=Margins(left=46, right=30, top=20)), plate), tmp_path)
    assert [frame for frame, _ in painter.asked] == [1001, 1012]
    first, last = (missing for _, missing in painter.asked)
    # The second takes over what the first has: all but the right, and what was plate there and now lies on the left.
    assert last < 0.62 * first
    for index, frame in enumerate(range(1001, 1012)):
        moved = (-index * step[0], -index * step[1])
        assert _misplaced(done, frame, moved=moved, least=6) < 0.1
        assert changed(tmp_path / f"p/plate.{frame:04d}.exr", done.path(frame), offset=done.plan.plate_offset)[1] == 0
    assert done.result(1001).attributes["overscan:engine"] == "dotted 1"


def test_its_pixels_say_that_a_model_made_them_and_where_none_was_copied_from(tmp_path, painter):
    plate = pan(tmp_path / "p", size=SIZE, step=(4.0, 0.0), frames=range(1, 8))
    matte = ellipse(SIZE, centre=(90, 50), radii=(34, 26), soft=5)
    write(tmp_path / "m.exr", {"A": matte})
    done = run(_job(tmp_path, inpaint(str(tmp_path / "m.exr")), plate, parameters={"copy": "always"}), tmp_path)
    made = copied = 0
    for frame in range(1, 8):
        extras = done.extras(frame)
        model, other = extras["kind"] == 3, extras["kind"] == 1
        made, copied = made + int(model.sum()), copied + int(other.sum())
        for name in ("x", "y", "frame"):
            assert np.isnan(extras[name][model]).all()
            assert np.isfinite(extras[name][other]).all()
        assert (extras["A"][model] > 0).all()
        assert (extras["confidence"][model] < 0.5).all()
        _, differing = changed(tmp_path / f"p/plate.{frame:04d}.exr", done.path(frame), replaced=matte > 0)
        assert differing == 0
    assert made > 500
    assert copied > 500


def test_runs_are_alike_and_a_key_frame_that_is_done_is_not_painted_again(tmp_path, painter):
    plate = pan(tmp_path / "p", size=SIZE, step=(2.0, 1.0), frames=range(1, 9))
    task = Extend(margins=Margins(left=31, bottom=15))
    one = run(_job(tmp_path, task, plate, "one"), tmp_path / "a")
    painter.asked.clear()
    painter.stops_at = 8
    job = _job(tmp_path, task, plate, "two")
    with pytest.raises(CancelledError):
        run(job, tmp_path / "b")
    assert [frame for frame, _ in painter.asked] == [1]
    painter.stops_at = None
    # What was interrupted goes on with the step that was not finished, in a fresh engine.
    unfinished = next(at for at, step in enumerate(one.plan.steps) if step.frames == (8,) and step.kind == "imagine")
    two = run(job, tmp_path / "b", order=lambda plan: plan.steps[unfinished:])
    assert [frame for frame, _ in painter.asked] == [1, 8]
    for frame in range(1, 9):
        assert same_files(one.path(frame), two.path(frame))


def test_a_single_frame_is_painted_whole(tmp_path, painter):
    plate = pan(tmp_path / "p", size=SIZE, frames=range(5, 6), picture=scene(200, 300) * 20 - 0.5)
    done = run(_job(tmp_path, Extend(margins=Margins(right=40)), plate), tmp_path)
    assert painter.asked == [(5, 40 * SIZE[1])]
    assert _misplaced(done, 5, moved=(0, 0), least=4) < 0.05
    assert (done.extras(5)["kind"][:, SIZE[0] :] == 3).all()
