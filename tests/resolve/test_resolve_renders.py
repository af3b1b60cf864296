"""Render jobs of Resolve: what they give, and how they end badly without a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import OpenImageIO
import PyOpenColorIO
import pytest
from conftest import Resolve, double, read_frame, same_bits, user

from overscan_host import BridgeError, StoppedError, Work
from overscan_resolve import Wish, kept, read_clip, retimes_of
from overscan_resolve._colour import _NAMES
from overscan_resolve._handover import Handover, look, render
from overscan_resolve._render_job import Rendering, render_steps


def through(steps: Any, *, stop_after: int = -1) -> Any:
    """Run steps that ask the bridge nothing; with `stop_after`, cancelled at that yield."""
    value, count = None, 0
    try:
        while True:
            effect = steps.throw(StoppedError()) if count == stop_after else steps.send(value)
            count += 1
            value = effect.function() if isinstance(effect, Work) else None
    except StopIteration as end:
        return end.value


def clip_of(resolve: Resolve, item: Any, *, track: int = 1) -> Any:
    retimes = retimes_of(resolve.resolve, resolve.timeline)
    return read_clip(resolve.timeline, item, track=track, retime=retimes.get((track, item.GetStart())))


def handed_over(resolve: Resolve, item: Any, wish: Wish, **more: Any) -> Handover:
    clip = clip_of(resolve, item)
    project = resolve.resolve.GetProjectManager().GetCurrentProject()
    looked = look(project, resolve.timeline, clip, wish)
    steps = render(resolve.resolve, resolve.timeline, clip, wish, looked, folder=resolve.folder / "v001", name="plate")
    return through(steps, **more)


def test_graded_frames_are_what_the_track_shows(resolve: Resolve) -> None:
    media = resolve.sequence(size=(64, 36))
    item = user.place(media, source=(4, 12), speed=-200)
    user.place(media, source=(0, 4), track=2)
    user.grade(item, gain=2.0)
    before = double.snapshot()
    done = handed_over(resolve, item, Wish("inpaint", pixels="graded", matte="/a/matte.exr"))
    assert double.difference(before, double.snapshot()) == []
    assert (done.first, done.last) == (1001, 1004)
    for number, source in zip(range(1001, 1005), (1012, 1010, 1008, 1006), strict=True):
        shown = read_frame(done.path % number)["G"]
        plate = read_frame(resolve.folder / f"plates/plate/plate.{source}.exr")["G"]
        assert np.allclose(shown, plate * 2, rtol=1e-3, equal_nan=True), number


def test_a_compound_clips_frames_one_to_one(resolve: Resolve) -> None:
    project = resolve.resolve.GetProjectManager().GetCurrentProject()
    project.SetSetting("colorScienceMode", "davinciYRGB")
    inner = user.place(resolve.sequence(size=(64, 36)), source=(4, 12))
    item = resolve.timeline.CreateCompoundClip([inner], {"name": "Both"})
    before = double.snapshot()
    wish = Wish("extend", color_space="ACEScg", handles=0, size="80x36")
    done = handed_over(resolve, item, wish)
    assert double.difference(before, double.snapshot()) == []
    assert (done.first, done.last, done.begins, done.count) == (1001, 1008, 1001, 8)
    for number in range(1001, 1009):
        shown = read_frame(done.path % number)["G"]
        assert same_bits(shown, read_frame(resolve.folder / f"plates/plate/plate.{number + 4}.exr")["G"])


@pytest.mark.parametrize(
    ("rate", "clip_rate"), [("23.976", "24"), ("25", "24"), ("29.97 DF", "29.97"), ("24", "59.94"), ("24", "25")]
)
def test_the_matte_has_the_numbers_of_the_plate_whatever_the_rates(resolve: Resolve, rate: str, clip_rate: str) -> None:
    resolve.timeline = user.new_timeline("Other rate", rate=rate)
    item = user.place(resolve.sequence(rate=clip_rate), source=(2, 10))
    user.grade(item, window=(0.25, 0.25, 0.75, 0.75))
    before = double.snapshot()
    done = handed_over(resolve, item, Wish("inpaint", handles=1, matte="alpha"))
    assert double.difference(before, double.snapshot()) == []
    assert done.matte is not None
    names = sorted(path.name for path in (resolve.folder / "v001" / "matte").iterdir())
    assert names == [f"plate_matte.{number}.exr" for number in range(done.first, done.last + 1)]
    assert done.first == 1002


def test_a_compound_clip_and_its_alpha_output(resolve: Resolve) -> None:
    project = resolve.resolve.GetProjectManager().GetCurrentProject()
    project.SetSetting("colorScienceMode", "davinciYRGB")
    inner = user.place(resolve.sequence(size=(64, 36)), source=(4, 8))
    item = resolve.timeline.CreateCompoundClip([inner], {"name": "Both"})
    user.grade(item, gain=2.0, window=(0.25, 0.25, 0.75, 0.75))
    before = double.snapshot()
    done = handed_over(resolve, item, Wish("inpaint", color_space="ACEScg", handles=0))
    assert double.difference(before, double.snapshot()) == []
    assert done.matte is not None
    for number in range(1001, 1005):
        plate = read_frame(resolve.folder / f"plates/plate/plate.{number + 4}.exr")["G"]
        assert same_bits(read_frame(done.path % number)["G"], plate)  # not graded
        matte = read_frame(done.matte["sequence"]["path"] % number)["A"]
        assert (matte.min(), matte.max()) == (0.0, 1.0)


@pytest.mark.parametrize("stop_after", range(1, 8, 2))
def test_cancelled_at_any_moment(resolve: Resolve, stop_after: int) -> None:
    item = user.place(resolve.sequence(), source=(2, 10))
    user.grade(item, window=(0.25, 0.25, 0.75, 0.75))
    double.session().faults.render = "slow"
    before = double.snapshot()
    with pytest.raises(StoppedError):
        handed_over(resolve, item, Wish("inpaint"), stop_after=stop_after)
    assert double.difference(before, double.snapshot()) == []
    assert not (resolve.folder / "v001" / "matte").exists()


def test_a_render_that_hangs_is_given_up(resolve: Resolve) -> None:
    user.place(resolve.sequence(), source=(2, 10))
    double.session().faults.render = "hang"
    before = double.snapshot()
    wanted = Rendering(86400, 86403, resolve.folder / "plate", "plate", 1001, 64, 36)
    with pytest.raises(BridgeError, match="stands still"), kept(resolve.resolve, render=True) as held:
        through(render_steps(held, wanted, stall_seconds=1.0))
    assert double.difference(before, double.snapshot()) == []
    assert not wanted.folder.exists()


@pytest.mark.parametrize(
    ("fault", "value", "words"),
    [
        ("refused_settings", {"MarkIn"}, "render settings"),
        ("refused_jobs", 1, "does not take the render job"),
        ("refused_starts", 1, "does not start"),
        ("lost_preset", True, "could not be put back"),
    ],
)
def test_what_resolve_does_not_take(resolve: Resolve, fault: str, value: Any, words: str) -> None:
    item = user.place(resolve.sequence(), source=(2, 10))
    setattr(double.session().faults, fault, value)
    before = double.snapshot()
    with pytest.raises(BridgeError, match=words):
        handed_over(resolve, item, Wish("inpaint", matte="alpha"))
    assert double.difference(before, double.snapshot()) == []


@pytest.mark.parametrize("moment", ["Project.AddRenderJob", "Project.StartRendering", "Project.IsRenderingInProgress"])
@pytest.mark.parametrize("then", ["Second", None])
def test_the_project_is_closed_under_a_render(resolve: Resolve, moment: str, then: str | None) -> None:
    item = user.place(resolve.sequence(), source=(2, 10))
    user.new_project("Second")
    second = double.snapshot()["projects"]["Second"]
    project = user.open_project("Show")
    assert project is not None
    double.session().faults.before_call[moment] = lambda: user.open_project(then)
    with pytest.raises(BridgeError):
        handed_over(resolve, item, Wish("inpaint", matte="alpha"))
    assert double.difference(second, double.snapshot()["projects"]["Second"]) == []
    assert not (resolve.folder / "v001" / "matte").exists()


def test_another_language_says_the_same(resolve: Resolve) -> None:
    double.session().language = "ja"
    item = user.place(resolve.sequence(), source=(2, 10))
    done = handed_over(resolve, item, Wish("inpaint", matte="alpha", handles=0))
    assert done.is_ready
    double.session().faults.render = "fail"
    with pytest.raises(BridgeError, match="failed to render"):
        handed_over(resolve, item, Wish("inpaint", matte="alpha", handles=0))


def test_rendered_files_are_half_and_lossless(resolve: Resolve) -> None:
    item = user.place(resolve.sequence(size=(64, 36)), source=(2, 4))
    done = handed_over(resolve, item, Wish("inpaint", pixels="graded", matte="/a/matte.exr"))
    spec = OpenImageIO.ImageInput.open(done.path % 1001).spec()
    assert str(spec.format) == "half"
    assert spec.getattribute("compression") in ("zip", "zips", "piz", "none")


def test_colour_names_are_those_of_the_built_in_configuration() -> None:
    known = set(PyOpenColorIO.Config.CreateFromBuiltinConfig("studio-config-latest").getColorSpaceNames())
    assert set(_NAMES.values()) <= known
