"""Render jobs write real files with the right frames, on top of what the Deliver page held, and fail as they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest

from tests.hosts.resolve_double import double, user

SIZE = (32, 18)


class Deliver:
    """A project whose clip has its frame number in every sample of red, and rows in green."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder = folder
        self.resolve = double.start(**more)
        self.project = user.new_project(rate="24", size=SIZE)
        self.pattern = write_plate(folder / "plate", range(1001, 1041))
        self.film = user.import_sequence(self.pattern, 1001, 1040)
        self.timeline = user.new_timeline()

    def job(self, **settings: Any) -> str:
        """Add a job of EXR in half float."""
        codecs = self.project.GetRenderCodecs("exr")
        assert self.project.SetCurrentRenderFormatAndCodec("exr", codecs["RGB half (ZIP)"])
        plain = {"TargetDir": str(self.folder / "out"), "CustomName": "a", "SelectAllFrames": False}
        assert self.project.SetRenderSettings({**plain, **settings})
        return str(self.project.AddRenderJob())

    def render(self, number: str) -> dict[str, Any]:
        """Start a job and wait for it."""
        assert self.project.StartRendering([number], False)
        double.pump(until=lambda: not self.project.IsRenderingInProgress(), limit_seconds=60)
        return self.project.GetRenderJobStatus(number)  # type: ignore[no-any-return]

    def files(self) -> list[str]:
        """What is in the target folder."""
        out = self.folder / "out"
        return sorted(path.name for path in out.iterdir()) if out.is_dir() else []

    def numbers(self) -> list[float]:
        """The frame number in each file, by its red."""
        return [float(pixels(self.folder / "out" / name)[9, 16, 0]) for name in self.files()]


@pytest.fixture
def deliver(tmp_path: Path) -> Iterator[Deliver]:
    yield Deliver(tmp_path)
    double.stop()


def write_plate(folder: Path, numbers: range, *, size: tuple[int, int] = SIZE) -> str:
    folder.mkdir()
    width, height = size
    for number in numbers:
        held = np.zeros((height, width, 3), np.float32)
        held[..., 0] = number - 1000
        held[..., 1] = np.arange(height)[:, None]
        held[..., 2] = -0.5
        spec = OpenImageIO.ImageSpec(width, height, 3, "half")
        spec["compression"] = "zip"
        writer = OpenImageIO.ImageOutput.create(str(folder / f"p.{number:04d}.exr"))
        assert writer.open(str(folder / f"p.{number:04d}.exr"), spec)
        writer.write_image(held)
        writer.close()
    return str(folder / "p.%04d.exr")


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(OpenImageIO.ImageBuf(str(path)).get_pixels("float"))


def test_marks_are_record_frames_and_both_are_written(deliver: Deliver) -> None:
    user.place(deliver.film, at=5, source=(10, 30))
    status = deliver.render(deliver.job(MarkIn=86405, MarkOut=86408))
    assert status["JobStatus"] == "Complete"
    assert status["CompletionPercentage"] == 100
    assert deliver.files() == [f"a_{number:08d}.exr" for number in range(86405, 86409)]
    assert deliver.numbers() == [11, 12, 13, 14]
    first = pixels(deliver.folder / "out" / "a_00086405.exr")
    assert np.array_equal(first, pixels(deliver.folder / "plate" / "p.1011.exr"))
    spec = OpenImageIO.ImageBuf(str(deliver.folder / "out" / "a_00086405.exr")).spec()
    assert spec.getattribute("smpte:TimeCode")[0] == 0x01000005


def test_marks_before_the_start_are_moved_in_silence(deliver: Deliver) -> None:
    user.place(deliver.film, source=(10, 30))
    deliver.render(deliver.job(MarkIn=2, MarkOut=3))
    assert deliver.numbers() == [11]


def test_retimes_gaps_and_layers(deliver: Deliver) -> None:
    user.place(deliver.film, source=(0, 8), speed=200)
    user.place(deliver.film, at=6, source=(20, 24), speed=-100)
    user.place(deliver.film, at=1, track=2, source=(39, 40))
    deliver.render(deliver.job(MarkIn=86400, MarkOut=86409, ClipStartFrame=1001))
    assert deliver.files()[0] == "a_00001001.exr"
    assert deliver.numbers() == [1, 40, 5, 7, 0, 0, 24, 23, 22, 21]


def test_nested_timelines_and_disabled_things(deliver: Deliver) -> None:
    item = user.place(deliver.film, source=(5, 9))
    whole = deliver.timeline.CreateCompoundClip([item])
    top = user.place(deliver.film, at=0, track=2, source=(30, 34))
    top.SetClipEnabled(False)
    deliver.render(deliver.job(MarkIn=86400, MarkOut=86401))
    assert deliver.numbers() == [6, 7]
    assert whole.GetMediaPoolItem().GetClipProperty("Frames") == "4"


def test_grade_alpha_and_its_two_modes(deliver: Deliver) -> None:
    item = user.place(deliver.film, source=(4, 5))
    user.grade(item, gain=2.0, window=(0.5, 0.0, 1.0, 1.0))
    deliver.render(deliver.job(ExportAlpha=True, AlphaMode=1))
    straight = pixels(deliver.folder / "out" / "a_00086400.exr")
    assert straight.shape[2] == 4
    assert (straight[..., 0] == 10).all()
    assert (straight[:, :16, 3] == 0).all()
    assert (straight[:, 16:, 3] == 1).all()
    deliver.render(deliver.job(ExportAlpha=True, AlphaMode=0, CustomName="b"))
    assert (pixels(deliver.folder / "out" / "b_00086400.exr")[:, :16] == 0).all()


def test_sizing(deliver: Deliver) -> None:
    small = user.import_sequence(write_plate(deliver.folder / "small", range(1, 3), size=(16, 9)), 1, 2)
    item = user.place(small, source=(0, 1))
    assert item.SetProperty("Scaling", 1)  # crop: as many pixels as there are
    deliver.render(deliver.job())
    cropped = pixels(deliver.folder / "out" / "a_00086400.exr")
    assert (cropped[4:13, 8:24, 0] == -999).all()
    assert (cropped[:4, :, 0] == 0).all()
    assert (cropped[:, :8, 0] == 0).all()
    assert item.SetProperty({"Scaling": 0, "Pan": 8})
    deliver.render(deliver.job(CustomName="b"))
    moved = pixels(deliver.folder / "out" / "b_00086400.exr")
    assert (moved[:, :8] == 0).all()
    assert (moved[:, 8:, 0] == -999).all()


def test_settings_lie_on_top_of_what_was_there(deliver: Deliver) -> None:
    user.place(deliver.film, source=(0, 4))
    assert deliver.project.LoadRenderPreset("Audio Only")
    number = deliver.job(MarkIn=86400, MarkOut=86401)
    deliver.render(number)
    assert OpenImageIO.ImageBuf(str(deliver.folder / "out" / deliver.files()[0])).read() is False  # sound, no pictures
    assert deliver.project.SaveAsNewRenderPreset("keep")
    assert not deliver.project.SaveAsNewRenderPreset("keep")
    assert deliver.project.LoadRenderPreset("H.264 Master")
    assert deliver.project.GetCurrentRenderFormatAndCodec() == {"format": "mov", "codec": "H264"}
    assert deliver.project.LoadRenderPreset("keep")
    assert deliver.project.GetCurrentRenderFormatAndCodec()["format"] == "exr"
    assert deliver.project.DeleteRenderPreset("keep")
    assert not deliver.project.SetRenderSettings({"CustomName": "", "MarkIn": 86403})
    assert deliver.project.GetRenderJobList()[0]["MarkIn"] == 86400
    assert not deliver.project.SetCurrentRenderFormatAndCodec("exr", "RGB half (ZIP)")


def test_the_page_goes_to_deliver_and_does_not_come_back(deliver: Deliver) -> None:
    for call in (
        deliver.project.GetCurrentRenderMode, lambda: deliver.project.SetRenderSettings({"MarkIn": 1}),
        deliver.project.AddRenderJob, lambda: deliver.project.LoadRenderPreset("H.264 Master"),
    ):  # fmt: skip
        deliver.resolve.OpenPage("color")
        call()
        assert deliver.resolve.GetCurrentPage() == "deliver"
    deliver.resolve.OpenPage("color")
    deliver.project.GetCurrentRenderFormatAndCodec()
    deliver.project.GetRenderJobList()
    assert deliver.resolve.GetCurrentPage() == "color"


def test_one_render_at_a_time(deliver: Deliver) -> None:
    user.place(deliver.film, source=(0, 10))
    one, other = deliver.job(), deliver.job(CustomName="b")
    double.session().faults.render = "slow"
    assert deliver.project.StartRendering([one])
    assert not deliver.project.StartRendering([other])
    assert not deliver.project.DeleteRenderJob(one)
    deliver.project.StopRendering()
    assert not deliver.project.IsRenderingInProgress()
    assert deliver.project.GetRenderJobStatus(one)["JobStatus"] == "Cancelled"
    assert deliver.project.DeleteRenderJob(one)


@pytest.mark.parametrize(
    ("fault", "status", "files"), [("fail", "Failed", 2), ("cancel", "Cancelled", 2), ("short", "Complete", 3)]
)
def test_faults(deliver: Deliver, fault: str, status: str, files: int) -> None:
    user.place(deliver.film, source=(0, 4))
    double.session().faults.render, double.session().faults.render_after = fault, 2
    found = deliver.render(deliver.job())
    assert found["JobStatus"] == status
    assert bool(found.get("Error")) == (status == "Failed")
    assert len(deliver.files()) == files


def test_a_render_that_hangs_can_be_stopped(deliver: Deliver) -> None:
    user.place(deliver.film, source=(0, 4))
    double.session().faults.render = "hang"
    number = deliver.job()
    assert deliver.project.StartRendering([number])
    double.pump(until=lambda: deliver.files(), limit_seconds=60)
    double.pump(limit_seconds=0.3)
    assert deliver.project.IsRenderingInProgress()
    deliver.project.StopRendering()
    assert deliver.project.GetRenderJobStatus(number)["JobStatus"] == "Cancelled"


def test_missing_media_fail_the_job(deliver: Deliver) -> None:
    (deliver.folder / "plate" / "p.1003.exr").unlink()
    user.place(deliver.film, source=(0, 4))
    found = deliver.render(deliver.job())
    assert found["Error"] == "Full resolution media not found at 01:00:00:02"


def test_status_is_in_the_users_language(tmp_path: Path) -> None:
    deliver = Deliver(tmp_path, language="it")
    user.place(deliver.film, source=(0, 2))
    found = deliver.render(deliver.job())
    assert found["JobStatus"] == "Concluso"
    assert found["CompletionPercentage"] == 100
    double.stop()


def test_jobs_that_cannot_be_added(deliver: Deliver) -> None:
    assert deliver.project.AddRenderJob() == ""  # no folder to write to
    double.session().faults.refused_jobs = 1
    assert deliver.job() == ""
    double.session().faults.refused_settings = {"MarkIn"}
    assert not deliver.project.SetRenderSettings({"MarkIn": 1, "MarkOut": 2})
    assert deliver.project.GetRenderJobStatus("nothing") == {}


def test_a_still_of_the_playhead(deliver: Deliver) -> None:
    user.place(deliver.film, source=(0, 4))
    user.move_playhead(2)
    assert deliver.project.ExportCurrentFrameAsStill(str(deliver.folder / "s.exr"))
    assert pixels(deliver.folder / "s.exr").shape[:2] == (18, 32)
    assert not deliver.project.ExportCurrentFrameAsStill(str(deliver.folder / "s.txt"))


def test_savers_write_what_the_flow_makes(deliver: Deliver) -> None:
    user.place(deliver.film, source=(10, 30))
    deliver.resolve.OpenPage("fusion")
    comp = deliver.resolve.Fusion().GetCurrentComp()
    comp.Lock()
    saver, loader = comp.AddTool("Saver"), comp.AddTool("Loader")
    comp.Unlock()
    loader.Clip = deliver.pattern % 1001
    loader.SetInput("GlobalOut", 39)
    merge, mask = comp.AddTool("Merge"), comp.AddTool("RectangleMask")
    merge.Background, merge.Foreground, merge.EffectMask = comp.FindTool("MediaIn1"), loader, mask
    mask.SetInput("Center", {1: 0.25, 2: 0.5})
    mask.Width, mask.Height = 0.5, 1.0
    saver.Clip = str(deliver.folder / "flow" / "x.0000.exr")
    saver["OpenEXRFormat.Depth"] = 2
    saver.Input = merge
    assert comp.Render({"Tool": saver, "Start": 12, "End": 13, "Wait": True}), double.session().messages
    assert sorted(path.name for path in (deliver.folder / "flow").iterdir()) == ["x.0012.exr", "x.0013.exr"]
    found = pixels(deliver.folder / "flow" / "x.0012.exr")
    assert (found[:, :16, 0] == 13).all()  # the Loader: its 13th file at time 12
    assert (found[:, 16:, 0] == 13).all()  # MediaIn: what the clip's third frame shows
    loader.SetInput("GlobalIn", 2)  # trims, and does not move the pictures
    loader.SetInput("ClipTimeStart", 0)
    assert comp.Render({"Tool": saver, "Start": 12, "End": 12, "Wait": True})
    moved = pixels(deliver.folder / "flow" / "x.0012.exr")
    assert (moved[:, :16, 0] == 11).all()
    assert (moved[:, 16:, 0] == 13).all()


def test_masks_of_every_shape(deliver: Deliver) -> None:
    comp = user.new_comp(span=(0, 3), size=SIZE)
    white = user.add_tool(comp, "Background", TopLeftRed=1, TopLeftGreen=1, TopLeftBlue=1)
    saver = user.add_tool(comp, "Saver", Input=white, Clip=str(deliver.folder / "mask" / "m.exr"))
    ellipse = user.add_tool(comp, "EllipseMask", Width=0.5, Height=0.5)
    corners = [(-0.5, -0.5), (0.0, -0.5), (0.0, 0.5), (-0.5, 0.5)]
    points = {float(number): {"X": x, "Y": y} for number, (x, y) in enumerate(corners, 1)}
    polygon = user.add_tool(comp, "PolygonMask", Polyline={"Points": points})
    bitmap = user.add_tool(comp, "BitmapMask", Image=user.add_tool(comp, "Background", TopLeftAlpha=1), Invert=1)
    for mask, area in ((ellipse, np.pi / 16), (polygon, 0.5), (bitmap, 0.0)):
        white.EffectMask = mask
        assert comp.Render({"Tool": saver, "Start": 0, "End": 0, "Wait": True}), double.session().messages
        alpha = pixels(deliver.folder / "mask" / "m0000.exr")[..., 3]
        assert abs(alpha.mean() - area) < 0.02, mask.ID
