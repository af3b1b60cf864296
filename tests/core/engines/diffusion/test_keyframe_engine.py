"""Whole jobs of the engine of stills, with a family that loads nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import Recorder, changed, ellipse, inpaint, look, make_job, pan, rgb, run, same_files, scene, write
from stills import CARD, StillStub

from overscan.core.controls import Controls
from overscan.core.engines import Context, _registry, installed_engines
from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine
from overscan.core.engines.diffusion._keyframe_painter import parts_of
from overscan.core.errors import CancelledError
from overscan.core.geometry import Window
from overscan.core.jobs import Continue, Extend, Margins

SIZE = (163, 101)


@pytest.fixture
def family(monkeypatch):
    stub = StillStub()

    class Entry:
        name = "still-stub"

        def load(self):
            return lambda: KeyframeEngine(family=stub)

    monkeypatch.setattr(_registry, "entry_points", lambda **_: [Entry()])
    installed_engines.cache_clear()
    yield stub
    monkeypatch.undo()
    installed_engines.cache_clear()


def _job(tmp_path, task, plate, out="o", **fields):
    return make_job(task, plate, str(tmp_path / out / "o.%d.exr"), engine="still-stub", **fields)


def _plate(tmp_path, frames=range(1001, 1007), **fields):
    return pan(tmp_path / "p", frames=frames, size=SIZE, step=(1.5, 0.5), **fields)


def test_a_set_extension_is_painted_and_keeps_every_sample_of_the_plate(tmp_path, family):
    plate = _plate(tmp_path, picture=scene(300, 460) * 30 - 0.4, origin=(-9, 7))
    controls = Controls(prompt="a wall", steps=3, guidance=4.0)
    job = _job(tmp_path, Extend(margins=Margins(left=31, right=17, top=9)), plate, controls=controls, seed=5)
    done = run(job, tmp_path)
    assert done.recorder.finished == list(range(1001, 1007))
    assert sum(step.weight for step in done.plan.steps) == pytest.approx(1)
    made = 0
    for frame in range(1001, 1007):
        compared, differing = changed(
            tmp_path / f"p/plate.{frame}.exr", done.path(frame), offset=done.plan.plate_offset
        )
        assert (compared, differing) == (SIZE[0] * SIZE[1] * 3, 0)
        extras = done.extras(frame)
        model = extras["kind"] == 3
        made += int(model.sum())
        assert np.isnan(extras["x"][model]).all()
        assert np.isfinite(done.light(frame)).all()
    assert made > 6 * 2500
    assert done.result(1001).attributes["overscan:engine"] == "still-stub 1"
    for request in family.asked:
        assert request.video.shape[1] % 8 == request.video.shape[2] % 8 == 0
        assert request.video.shape[0] == len(request.given) == 1
        assert request.video.min() >= 0
        assert request.video.max() <= 1
        assert set(np.unique(request.matte)) <= {0, 1}
        assert (request.prompt, request.negative_prompt) == ("a wall", "text")
        assert (request.steps, request.guidance) == (3, 4.0)
    assert len({request.seed for request in family.asked}) == len(family.asked)
    # Everything that was painted, in all frames, comes from strokes on two key frames.
    assert len(family.asked) <= 8


def test_a_removal_far_from_another_is_painted_by_itself(tmp_path, family):
    plate = pan(tmp_path / "p", size=(640, 200), picture=scene(400, 900), frames=range(1, 3), step=(1, 0))
    one = ellipse((640, 200), centre=(60, 60), radii=(20, 16))
    two = ellipse((640, 200), centre=(580, 140), radii=(20, 16))
    write(tmp_path / "m.exr", {"A": np.maximum(one, two)})
    done = run(_job(tmp_path, inpaint(str(tmp_path / "m.exr")), plate), tmp_path)
    assert len(family.asked) >= 2
    assert all(request.video.shape[2] < 320 for request in family.asked)
    for frame in (1, 2):
        matte = np.maximum(one, two)
        assert changed(tmp_path / f"p/plate.{frame:04d}.exr", done.path(frame), replaced=matte > 0)[1] == 0


def test_a_cast_of_the_model_does_not_come_out(tmp_path, family):
    plate = _plate(tmp_path, frames=range(1, 2))
    write(tmp_path / "m.exr", {"A": ellipse(SIZE, centre=(80, 50), radii=(30, 24))})
    results = []
    for at, cast in enumerate((0.0, 0.02)):
        family.cast = cast
        job = _job(tmp_path, inpaint(str(tmp_path / "m.exr")), plate, f"o{at}", parameters={"grain": False})
        results.append(run(job, tmp_path / f"{at}").light(1))
    stops = np.log2(results[1] / results[0])[45:55, 75:85]
    assert abs(np.median(stops)) < 0.01  # a cast of 0.02 is 0.35 of a stop


def test_what_is_larger_than_the_models_pictures_is_gone_over_in_parts(tmp_path, family):
    plate = pan(tmp_path / "p", size=(420, 240), picture=scene(500, 900), frames=range(1, 2))
    task = Extend(margins=Margins(left=200))
    coarse = run(_job(tmp_path, task, plate, "coarse", parameters={"detail": False}), tmp_path / "a")
    assert [request.strength for request in family.asked] == [1.0]
    family.asked.clear()
    fine = run(_job(tmp_path, task, plate, "fine"), tmp_path / "b")
    first, *others = family.asked
    assert first.strength == 1.0
    assert len(others) >= 4
    assert all(request.strength == 0.4 for request in others)
    assert all(request.video.shape[1] * request.video.shape[2] <= 1.3 * CARD.lattice.pixels for request in others)
    # The detail is another, the broad light is not, and no part is told from its neighbour.
    broad = [cv2.GaussianBlur(done.light(1), (0, 0), 24)[24:-24, 24:180] for done in (coarse, fine)]
    assert np.abs(np.log2(broad[1] / broad[0])).max() < 0.3
    assert np.abs(fine.light(1) / coarse.light(1) - 1)[:, :180].mean() > 0.05


def test_parts_are_never_resampled_and_cover_everything():
    """A size that is no multiple of the model's is filled up, not scaled: a scaled picture is a softer one."""
    whole = Window(x=-5, y=3, width=419, height=123)
    parts = parts_of(whole, lattice=CARD.lattice, pixels=128 * 128)
    covered = np.zeros(whole.shape, int)
    for part in parts:
        assert (part.width, part.height) == (part.window.width, part.window.height)
        assert part.padded_width % 8 == part.padded_height % 8 == 0
        covered[part.window.slices_in(whole)] += 1
    assert covered.min() >= 1
    squeezed = parts_of(whole, lattice=CARD.lattice, pixels=128 * 128, aspect=2.0)
    assert all(part.width == 2 * part.window.width and part.width <= 128 for part in squeezed)


def test_an_anamorphic_plate_is_shown_unsqueezed(tmp_path, family):
    task = Extend(margins=Margins(left=20, right=20, top=12, bottom=12))
    shapes = {}
    for name, aspect in (("square", 1.0), ("wide", 2.0)):
        attributes = {"PixelAspectRatio": aspect}
        plate = pan(tmp_path / name, size=(160, 96), frames=range(1, 2), attributes=attributes)
        done = run(_job(tmp_path, task, plate, f"o-{name}"), tmp_path / f"w-{name}")
        _, height, width = family.asked[0].matte.shape
        shapes[name] = width / height
        assert changed(tmp_path / name / "plate.0001.exr", done.path(1), offset=done.plan.plate_offset)[1] == 0
        assert (done.extras(1)["kind"] == 3).sum() > 3000
        family.asked.clear()
    assert shapes["square"] == pytest.approx(200 / 120, rel=0.08)
    assert shapes["wide"] == pytest.approx(400 / 120, rel=0.08)


def test_the_same_job_gives_the_same_bits_and_goes_on_where_it_was_stopped(tmp_path, family):
    plate = _plate(tmp_path, frames=range(1, 6))
    task = Extend(margins=Margins(left=31))
    one = run(_job(tmp_path, task, plate, "one"), tmp_path / "a")
    strokes = len(family.asked)
    job = _job(tmp_path, task, plate, "two")
    family.asked.clear()
    family.stops_at = strokes - 1
    with pytest.raises(CancelledError):
        run(job, tmp_path / "b")
    family.stops_at = None
    stopped = next(at for at, step in enumerate(one.plan.steps) if step.frames == (5,) and step.kind == "imagine")
    two = run(job, tmp_path / "b", order=lambda plan: plan.steps[stopped:])
    for frame in range(1, 6):
        assert same_files(one.path(frame), two.path(frame))


def test_it_stops_between_denoising_steps(tmp_path, family):
    plate = _plate(tmp_path, frames=range(1, 2))
    engine = KeyframeEngine(family=family)
    job = _job(tmp_path, Extend(margins=Margins(left=31)), plate, controls=Controls(steps=50))
    plan = engine.plan(job)

    class Stopping(Recorder):
        """Stops when it hears of the third denoising step."""

        def check_cancelled(self) -> None:
            if any("3 of 50" in message for message in self.messages):
                raise CancelledError("stopped.")

        messages: list[str]

        def progress(self, *, fraction: float, message: str) -> None:
            assert 0 <= fraction <= 1
            self.messages.append(message)

    reporter = Stopping()
    reporter.messages = []
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    cache.mkdir()
    context = Context(job=job, plan=plan, work_folder=work, cache_folder=cache, reporter=reporter)
    with pytest.raises(CancelledError):
        for step in plan.steps:
            engine.run(step, context)
    assert "Painting key frames" in reporter.messages[-1]
    assert not any("4 of 50" in message for message in reporter.messages)


def test_a_camera_that_shakes_sees_nothing_that_was_not_painted(tmp_path, family):
    picture, rng = scene(300, 460), np.random.default_rng(0)
    x = 90 + 8 * np.sin(np.arange(25) * 0.5) + rng.normal(0, 1, 25)
    y = 70 + 7 * np.sin(np.arange(25) * 0.33 + 1) + rng.normal(0, 1, 25)
    for at in range(25):
        write(tmp_path / f"p.{at:02d}.exr", rgb(look(picture, x[at], y[at], size=(128, 80))))
    task = Extend(margins=Margins(left=20, right=20, top=14, bottom=14))
    done = run(_job(tmp_path, task, str(tmp_path / "p.%02d.exr"), parameters={"grain": False}), tmp_path)
    for frame in range(25):
        extras = done.extras(frame)
        painted = extras["kind"][extras["A"] > 0]
        assert (painted == 2).mean() < 0.001
        assert (painted == 3).mean() > 0.3


def test_a_plate_of_one_channel_with_holes_in_its_light_is_painted(tmp_path, family):
    picture = scene(300, 460)[..., 1] * 40 - 0.3
    for at in range(3):
        light = picture[60 : 60 + SIZE[1], 90 + 2 * at : 90 + 2 * at + SIZE[0]].astype(np.float16)
        light[40, 30:34] = (np.nan, np.inf, -np.inf, 60000)
        write(tmp_path / f"p.{at}.exr", {"Y": np.ascontiguousarray(light)})
    done = run(_job(tmp_path, Extend(margins=Margins(left=31)), str(tmp_path / "p.%d.exr")), tmp_path)
    assert all(np.isfinite(request.video).all() for request in family.asked)
    for frame in range(3):
        path = tmp_path / f"p.{frame}.exr"
        _, differing = changed(path, done.path(frame), offset=done.plan.plate_offset, painted=("Y",))
        assert differing == 0
        extras, light = done.extras(frame), done.result(frame).planes["Y"]
        model = extras["kind"] == 3
        assert model.sum() > 2000
        assert np.isfinite(light[model]).all()
        assert light[model].astype(np.float32).std() > 0.01


def test_what_it_cannot_do_is_a_problem_of_the_plan(tmp_path, family):
    plate = _plate(tmp_path, frames=range(1, 3))
    extend = Extend(margins=Margins(left=8))
    plan = KeyframeEngine(family=family).plan

    def fields(job):
        return sorted(str(problem.field) for problem in plan(job).problems)

    assert fields(_job(tmp_path, extend, plate)) == []
    assert fields(_job(tmp_path, Continue(tail=2), plate)) == ["task"]
    refused = Controls(negative_prompt="text", strength=0.1, steps=2)
    assert fields(_job(tmp_path, extend, plate, controls=refused)) == ["controls.negative_prompt", "controls.strength"]
    assert fields(_job(tmp_path, extend, plate, parameters={"exposure": "much"})) == ["parameters.exposure"]
    names = {parameter.name for parameter in KeyframeEngine(family=family).card.parameters}
    assert not names & {"window", "overlap", "confidence", "sound"}
    assert {"repaint", "work_pixels", "detail", "search_range", "quality"} <= names
