"""What a wish on a clip comes to: formats, head and tail, colour, clips that are chosen, and what is refused."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from resolve_case import ResolveCase, double, user, write_exr

from overscan_resolve import Choice, Wish, chosen, timeline_named
from overscan_resolve._colour import colour_of_media, colour_of_render, service_name
from overscan_resolve._exr_header import read_header
from overscan_resolve._handover import look
from overscan_resolve._output import output_template, shot_name
from overscan_resolve._tasks import settings_of


class Formats(ResolveCase):
    def size(self, *, width: int = 16, height: int = 9, timeline: tuple[int, int] = (1920, 800), **more: Any) -> str:
        item = user.place(
            self.sequence(f"p{width}x{height}", 1001, 1004, width=width, height=height),
            timeline=user.new_timeline(f"T{timeline}{width}{height}{len(more)}", size=timeline), source=(0, 4),
        )  # fmt: skip
        self.timeline = self.project.GetCurrentTimeline()
        for name, value in more.items():
            item.SetProperty(name, value)
        clip = self.clip(item)
        found = settings_of(self.project, self.timeline, clip, Wish("extend"), None)
        return str(found["format"]["size"])

    def test_of_the_timelines_shape_around_the_plate(self) -> None:
        self.assertEqual(self.size(width=1280, height=720, timeline=(1728, 720)), "1728x720")
        self.assertEqual(self.size(width=160, height=90, timeline=(1920, 800)), "216x90")
        self.assertEqual(self.size(width=48, height=20, timeline=(1920, 1080)), "48x27")
        self.assertEqual(self.size(width=100, height=100, timeline=(1920, 1080)), "178x100")  # 177.8: never less

    def test_pixel_by_pixel_where_nothing_is_scaled(self) -> None:
        self.assertEqual(self.size(width=160, height=90, timeline=(1920, 800), Scaling=1), "1920x800")
        with self.refused("INVALID_JOB", "covers the timeline's"):
            self.size(width=1920, height=1080, timeline=(1920, 800), Scaling=1)

    def test_what_would_not_fit_is_refused(self) -> None:
        for name, value in (("ZoomX", 1.2), ("Pan", 20.0), ("RotationAngle", 3.0), ("CropLeft", 4.0), ("FlipX", True)):
            with self.subTest(name=name), self.refused("UNSUPPORTED", name, "Inspector"):
                self.size(**{name: value})
        with self.refused("UNSUPPORTED", "scaled to fill"):
            self.size(Scaling=3)
        with self.refused("INVALID_JOB", "the timeline's shape already"):
            self.size(width=1920, height=1080, timeline=(3840, 2160))

    def test_head_and_tail_count_what_the_media_has(self) -> None:
        def wanted(speed: float = 100, source: tuple[int, int] = (10, 90), **more: Any) -> dict[str, int]:
            clip = self.clip(user.place(self.sequence(), source=source, speed=speed))
            return settings_of(self.project, self.timeline, clip, Wish("continue", **more), None)

        self.assertEqual(wanted(head=24), {"head": 14, "tail": 0})
        self.assertEqual(wanted(tail=24), {"head": 0, "tail": 14})
        self.assertEqual(wanted(head=24, speed=200), {"head": 38, "tail": 0})
        self.assertEqual(wanted(head=24, speed=-100), {"head": 0, "tail": 14})
        with self.refused("INVALID_JOB", "10 before and 10 after"):
            wanted(head=8, tail=10)
        with self.refused("INVALID_JOB", "a still or a freeze"):
            clip = self.clip(user.place(self.sequence(), source=(5, 6), speed=0, duration=24))
            settings_of(self.project, self.timeline, clip, Wish("continue", head=8), None)


class Pixels(ResolveCase):
    def look(self, item: Any, **more: Any) -> Any:
        return look(self.project, self.timeline, self.clip(item), Wish(more.pop("task", "inpaint"), **more))

    def test_by_path_with_handles(self) -> None:
        item = user.place(self.sequence(**{"Input Color Space": "ACEScg"}), source=(10, 58))
        found = self.look(item, matte="/a/matte.%04d.exr")
        self.assertTrue(found.is_ready)
        self.assertEqual((found.first, found.last, found.begins, found.count), (1003, 1066, 1011, 48))
        self.assertEqual(found.plate()["frames"], "1003-1066")
        self.assertEqual(found.color_space, "ACEScg")

    def test_the_matte_is_the_clips_own_where_it_has_one(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        media = item.GetMediaPoolItem()
        self.assertEqual(self.look(item).frames_to_render, 64)
        self.resolve.GetMediaStorage().AddClipMattesToMediaPool(media, ["/a/matte.%04d.exr"])
        found = self.look(item)
        self.assertEqual((found.frames_to_render, found.matte), (0, {"sequence": {"path": "/a/matte.%04d.exr"}}))
        self.assertEqual(self.look(item, matte="alpha").frames_to_render, 64)

    def test_colour_that_is_not_known_is_asked_for(self) -> None:
        item = user.place(self.sequence(**{"Input Color Space": "Sony Venice X-OCN"}), source=(10, 58))
        with self.refused("COLOUR_SPACE", "Sony Venice X-OCN", "--colorspace"):
            self.look(item, matte="/a/m.exr")
        self.assertEqual(self.look(item, matte="/a/m.exr", color_space="ACEScg").color_space, "ACEScg")
        with mock.patch.dict("os.environ", {"OCIO": "/show/config.ocio"}):
            self.assertEqual(self.look(item, matte="/a/m.exr").color_space, "Sony Venice X-OCN")

    def test_what_has_no_files_is_rendered_only_where_that_is_the_source(self) -> None:
        clip = user.place(self.sequence(), source=(10, 58))
        item = self.timeline.CreateCompoundClip([clip], {"name": "Both"})
        with self.refused("UNSUPPORTED", "output transform"):
            self.look(item)
        self.project.SetSetting("colorScienceMode", "davinciYRGB")
        with self.refused("COLOUR_SPACE", "not colour managed"):
            self.look(item)
        found = self.look(item, color_space="ACEScg", handles=0)
        self.assertEqual((found.path, found.frames_to_render, found.first), ("", 96, 1001))
        self.assertIn("compound", found.reasons[0])

    def test_a_clip_that_is_longer_than_its_media(self) -> None:
        item = user.place(self.sequence(first=1001, last=1024), source=(0, 24))
        user.move_item(item, trim_tail=-6)
        with self.refused("MISSING_FRAMES", "0 to 29", "24 from 0 on"):
            self.look(item)

    def test_graded_pixels(self) -> None:
        item = user.place(self.sequence(), source=(10, 58), speed=200)
        found = self.look(item, pixels="graded")
        self.assertEqual((found.first, found.last, found.count, found.frames_to_render), (1001, 1024, 24, 24))
        self.assertEqual(found.color_space, "Gamma 2.4 Encoded Rec.709")
        with self.refused("INVALID_JOB", "media's frames"):
            self.look(item, pixels="graded", matte="clip")
        transition = user.put("transition", at=20, duration=8)
        with self.refused("UNSUPPORTED", "Cross Dissolve", "reaches into"):
            self.look(item, pixels="graded")
        user.delete_item(transition)
        item.SetClipEnabled(False)
        with self.refused("INVALID_JOB", "disabled"):
            self.look(item, pixels="graded")

    def test_wishes_that_contradict_themselves(self) -> None:
        for wish, code in (
            (Wish("repair"), "USAGE"),
            (Wish("inpaint", pixels="both"), "USAGE"),
            (Wish("inpaint", handles=-1), "USAGE"),
            (Wish("continue"), "USAGE"),
            (Wish("fill"), "USAGE"),
            (Wish("inpaint", pixels="graded", place="take"), "INVALID_JOB"),
            (Wish("continue", head=3, pixels="graded"), "INVALID_JOB"),
        ):
            with self.subTest(wish=wish), self.refused(code):
                wish.check()


class Colour(ResolveCase):
    def test_names(self) -> None:
        self.assertEqual(service_name("ARRI LogC4"), "ARRI LogC4")
        self.assertEqual(service_name("DaVinci WG/Intermediate"), "DaVinci Intermediate WideGamut")
        self.assertEqual(service_name("Project"), "")

    def test_the_clips_own_counts_before_the_projects(self) -> None:
        self.project.SetSetting("colorSpaceInput", "ACEScct")
        self.assertEqual(colour_of_media(self.project, {"Input Color Space": "Project"}), ("ACEScct", "ACEScct"))
        self.assertEqual(colour_of_media(self.project, {"Input Color Space": "ACEScg"}), ("ACEScg", "ACEScg"))
        self.project.SetSetting("colorScienceMode", "davinciYRGB")
        self.assertEqual(colour_of_media(self.project, {"Input Color Space": "Project"}), ("", ""))
        self.assertEqual(colour_of_render(self.project), ("", ""))


class Choosing(ResolveCase):
    def setUp(self) -> None:
        super().setUp()
        media = self.sequence()
        self.items = [user.place(media, source=(0, 24), name=name) for name in ("A001", "A002", "B001")]
        self.above = user.place(media, source=(0, 24), at=24, track=2, name="A009")

    def names(self, **choice: Any) -> list[str]:
        return [item.GetName() for _, item in chosen(self.timeline, Choice(**choice))]

    def test_under_the_playhead(self) -> None:
        user.move_playhead(50)
        self.assertEqual(self.names(), ["B001"])
        user.move_playhead(30)
        self.assertEqual(self.names(), ["A009"])

    def test_by_name_and_track(self) -> None:
        self.assertEqual(self.names(names="a0*"), ["A001", "A002", "A009"])
        self.assertEqual(self.names(names="a0*", track=1), ["A001", "A002"])
        self.assertEqual(self.names(track=2), ["A009"])

    def test_by_flags_of_the_clip_or_its_media(self) -> None:
        self.items[2].AddFlag("Red")
        self.assertEqual(self.names(flags="red"), ["B001"])
        self.items[0].GetMediaPoolItem().AddFlag("Red")
        self.assertEqual(len(self.names(flags="red")), 4)

    def test_by_markers(self) -> None:
        self.items[0].AddMarker(3, "Blue", "", "", 1, "")
        self.timeline.AddMarker(30, "Blue", "", "", 1, "")
        self.timeline.AddMarker(60, "Green", "", "", 1, "")
        self.assertEqual(self.names(markers="blue"), ["A001", "A009"])
        self.assertEqual(self.names(markers="GREEN"), ["B001"])

    def test_titles_and_transitions_are_not_meant(self) -> None:
        user.put("title", track=2, at=60)
        user.put("transition", at=20, duration=8)
        self.assertEqual(self.names(track=1), ["A001", "A002", "B001"])
        self.assertEqual(self.names(track=2), ["A009"])

    def test_what_is_not_there(self) -> None:
        with self.refused("USAGE", "There is no video track 7"):
            self.names(track=7)
        with self.refused("INVALID_JOB", "No clip"):
            self.names(flags="pink")
        with self.refused("USAGE", "There are: Edit"):
            timeline_named(self.project, "Cut")
        self.assertEqual(timeline_named(self.project, "").GetName(), "Edit")


class Names(ResolveCase):
    def test_shots(self) -> None:
        clip = self.clip(user.place(self.sequence(), source=(0, 4)))
        self.assertEqual(shot_name(clip), "plate")
        template = output_template(clip, folder="", project_name="Show")
        self.assertEqual(
            template, f"{self.folder.as_posix()}/plate/overscan/plate/{{version}}/plate_{{version}}.%04d.exr"
        )
        template = output_template(clip, folder="/results/", project_name="Show")
        self.assertEqual(template, "/results/plate/{version}/plate_{version}.%04d.exr")

    def test_headers(self) -> None:
        path = self.folder / "a.exr"
        write_exr(path, width=20, height=10)
        header = read_header(path)
        self.assertEqual((header.width, header.height, header.channels), (20, 10, ("B", "G", "R")))
        data = path.read_bytes()
        for broken in (b"", b"PNG" + data, data[:40], data[:8] + b"x" * 400):
            path.write_bytes(broken)
            with self.subTest(size=len(broken)):
                self.assertRaises(ValueError, read_header, path)
        self.assertEqual(double.session().violations, [])


if __name__ == "__main__":
    unittest.main()
