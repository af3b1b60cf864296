"""The whole way of a plate: graph, hand-over, job, and back into the graph, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
from conftest import Nuke, read_frame, same_bits


def inside(picture: dict[str, np.ndarray], channel: str, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """The part of an extended picture (6 left, 4 right, 3 top, 2 bottom) that is the plate."""
    return np.ascontiguousarray(picture[channel][3 : 3 + size[1], 6 : 6 + size[0]])


def versions(node: Any) -> list[dict[str, Any]]:
    return json.loads(node["overscan_versions"].value())


def cached(nuke: Nuke) -> list[Path]:
    return sorted((nuke.folder / "cache").glob("plates/*/frame.*.exr"))


def assert_plate_kept(nuke: Nuke, node: Any, plate: Any, frame: int) -> None:
    """What the node shows is the plate's own bits where the plate is, and the difference says the same."""
    before, after = nuke.picture(plate, frame), nuke.picture(node, frame)
    for channel in "RGB":
        assert same_bits(inside(after, channel), before[channel]), channel
    assert after["R"].shape == (35, 50)
    assert (after["R"][:3] == np.float32(np.float16(0.18))).all() or (after["R"][:3] == np.float32(0.18)).all()


def test_a_plate_that_nothing_changes_goes_over_by_path_and_comes_back_bit_by_bit(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate())
    dot = nuke.nuke.nodes.Dot()
    dot.setInput(0, read)
    node = nuke.make("extend", dot)

    assert nuke.generate(node) == "v001"

    assert cached(nuke) == []
    assert node["overscan_result"].value() == str(nuke.folder / "overscan/Extend1/v001/Extend1.%04d.exr")
    for frame in (1001, 1004):
        assert_plate_kept(nuke, node, read, frame)
    shown = nuke.picture(node, 1001)
    assert (inside(shown, "generated.A") == 0).all()
    assert (shown["generated.A"][:3] == 1).all()


def test_the_result_is_the_same_bits_in_a_nuke_that_has_no_overscan(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate())
    node = nuke.make("extend", read)
    nuke.generate(node)
    before = nuke.picture(node, 1002)
    path = nuke.folder / "farm.nk"
    nuke.nuke.scriptSaveAs(str(path), overwrite=1)

    from overscan_nuke import _session
    from tests.hosts.nuke_double import double
    from tests.nuke.nuke_case import forget_plugin

    _session.close()
    double.uninstall()
    forget_plugin()
    farm = Nuke(nuke.folder, double.install(version="13.2v1", gui=False))
    farm.nuke.scriptOpen(str(path))

    after = farm.picture(farm.nuke.toNode("Extend1"), 1002)
    assert sorted(before) == sorted(after)
    assert all(same_bits(before[channel], after[channel]) for channel in before)


def test_a_graded_plate_is_rendered_as_float_and_only_where_it_is_missing(nuke: Nuke) -> None:
    grade = nuke.nuke.nodes.Grade(name="Warm")
    grade.setInput(0, nuke.read(nuke.write_plate()))
    grade["white"].setValue(1.234567)
    node = nuke.make("extend", grade)
    nuke.press(node, "plan")
    nuke.until(lambda: "First Nuke renders" in node["overscan_plan"].value())
    assert "4 frames to the cache: the plate, because Warm changes the picture" in node["overscan_plan"].value()
    assert cached(nuke) == []

    nuke.generate(node)

    first = cached(nuke)
    assert [path.name for path in first] == [f"frame.{frame}.exr" for frame in range(1001, 1005)]
    assert_plate_kept(nuke, node, grade, 1003)
    stamps = [path.stat().st_mtime_ns for path in first]
    first[2].unlink()
    assert nuke.generate(node) == "v002"
    assert cached(nuke) == first
    again = [path.stat().st_mtime_ns for path in first]
    assert [again[i] == stamps[i] for i in range(4)] == [True, True, False, True]

    grade["white"].setValueAt(2.0, 1004)
    assert nuke.generate(node) == "v003"
    assert len(cached(nuke)) == 8
    assert_plate_kept(nuke, node, grade, 1004)
    assert [one.name() for one in node.nodes() if one.Class() == "Write"] == []


def test_a_plate_that_was_written_over_is_rendered_again(nuke: Nuke) -> None:
    pattern = nuke.write_plate()
    grade = nuke.nuke.nodes.Grade()
    grade.setInput(0, nuke.read(pattern))
    grade["white"].setValue(2)
    node = nuke.make("extend", grade)
    nuke.generate(node)
    nuke.write_plate(seed=77)
    nuke.generate(node)
    assert len(cached(nuke)) == 8


def test_proxy_mode_hands_over_the_full_size(nuke: Nuke) -> None:
    grade = nuke.nuke.nodes.Grade()
    grade.setInput(0, nuke.read(nuke.write_plate()))
    grade["white"].setValue(2)
    node = nuke.make("extend", grade)
    nuke.nuke.root()["proxy"].setValue(True)
    nuke.generate(node)
    assert nuke.nuke.root()["proxy"].value()
    assert read_frame(cached(nuke)[0])["R"].shape == (30, 40)


def test_a_shifted_plate_keeps_its_own_numbers_and_is_shown_at_the_scripts(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate(frames=range(1, 5)), range(1, 5), frame_mode="start at", frame="1001")
    node = nuke.make("extend", read, range="custom", frames="1002-1003")
    nuke.generate(node)
    files = sorted(path.name for path in (nuke.folder / "overscan/Extend1/v001").glob("*.exr"))
    assert files == ["Extend1.0002.exr", "Extend1.0003.exr"]
    assert_plate_kept(nuke, node, read, 1002)
    assert versions(node)[0]["offset"] == 1000


def test_an_anamorphic_plate_with_a_large_data_window(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate(border=5, aspect=2.0))
    read["format"].fromScript("40 30 0 0 40 30 2 ")
    node = nuke.make("extend", read, target="overscan", left=12, right=12, top=0, bottom=0)
    nuke.generate(node)
    before, after = nuke.picture(read, 1001), nuke.picture(node, 1001)
    assert all(same_bits(before[channel], after[channel]) for channel in "RGB")
    assert node.format().pixelAspect() == 2.0
    assert (node.width(), node.height()) == (40, 30)


def test_the_black_rim_of_a_read_is_no_part_of_a_rendered_plate(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate(border=5))
    grade = nuke.nuke.nodes.Grade(inputs=[read], multiply=1.5)
    assert (read.bbox().w(), read.bbox().h()) == (40 + 2 * 5 + 2, 30 + 2 * 5 + 2)
    node = nuke.make("extend", grade, target="overscan", left=12, right=12, top=0, bottom=0)
    nuke.generate(node)
    (entry,) = (path.parent for path in nuke.folder.rglob("overscan_cache.json"))
    spec = OpenImageIO.ImageInput.open(str(sorted(entry.glob("*.exr"))[0])).spec()
    assert (spec.x, spec.y, spec.width, spec.height) == (-5, -5, 50, 40)
    assert not [one for one in nuke.nuke.allNodes(recurseGroups=True) if "Temporary" in one.name()]


def test_difference_shows_nothing_where_the_plate_was_kept(nuke: Nuke) -> None:
    pattern = nuke.write_plate(channels="RGB")
    node = nuke.make("extend", nuke.read(pattern))
    nuke.generate(node)
    node["overscan_show"].setValue("difference")
    found = nuke.picture(node, 1001)
    rows = inside(found, "G")
    assert (rows == 0).all()
    assert (found["G"][:3] != 0).all()
    node["overscan_show"].setValue("plate")
    assert nuke.picture(node, 1001)["R"].shape == (35, 50)


def test_the_matte_is_the_plates_alpha_unless_another_is_connected(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate())
    node = nuke.make("inpaint", read)
    nuke.generate(node)
    alpha = nuke.picture(read, 1001)["A"]
    before, after = nuke.picture(read, 1001), nuke.picture(node, 1001)
    assert (after["R"][alpha == 1] == np.float32(np.float16(0.18))).all()
    kept = alpha == 0
    assert same_bits(np.where(kept, after["G"], 0), np.where(kept, before["G"], 0))
    assert cached(nuke) == []


def test_a_matte_of_any_channel_is_rendered_under_the_plates_numbers(nuke: Nuke) -> None:
    plate = nuke.read(
        nuke.write_plate(frames=range(1, 5), channels="RGB"), range(1, 5), frame_mode="start at", frame="1001"
    )
    pattern = str(nuke.write_plate("roto", frames=range(1001, 1005)))
    matte = nuke.read(pattern)
    invert = nuke.nuke.nodes.Invert()
    invert.setInput(0, matte)
    node = nuke.make("inpaint", plate, matte_channel="rgba.alpha")
    node.setInput(1, invert)
    nuke.generate(node)
    assert [path.name for path in cached(nuke)] == [f"frame.000{frame}.exr" for frame in range(1, 5)]
    assert sorted(read_frame(cached(nuke)[0])) == ["A"]
    drawn = nuke.picture(matte, 1002)["A"]
    after = nuke.picture(node, 1002)
    assert (after["R"][drawn == 0] == np.float32(np.float16(0.18))).all()
    assert same_bits(after["R"][drawn == 1], nuke.picture(plate, 1002)["R"][drawn == 1])


def test_a_channel_that_is_not_there_is_named(nuke: Nuke) -> None:
    grade = nuke.nuke.nodes.Grade()
    grade.setInput(0, nuke.read(nuke.write_plate()))
    node = nuke.make("inpaint", grade, matte_channel="depth.Z")
    nuke.press(node, "generate")
    nuke.until(lambda: "Not started" in nuke.progress(node))
    assert "no channel depth.Z" in nuke.progress(node)


def test_each_view_has_a_job_and_files_of_its_own(nuke: Nuke) -> None:
    for view, seed in (("left", 1), ("right", 2)):
        nuke.write_plate(f"plate.{view}", seed=seed)
    nuke.nuke.addView("left")
    nuke.nuke.addView("right")
    nuke.nuke.deleteView("main")
    read = nuke.read(str(nuke.folder / "plates/plate.%V.%04d.exr"))
    node = nuke.make("extend", read)
    nuke.generate(node)
    assert [job["view"] for job in versions(node)[0]["jobs"]] == ["left", "right"]
    folder = nuke.folder / "overscan/Extend1/v001"
    for view in ("left", "right"):
        after = read_frame(folder / f"Extend1.{view}.1001.exr")
        assert same_bits(inside(after, "R"), read_frame(nuke.folder / f"plates/plate.{view}.1001.exr")["R"])
    assert node.node("Result")["file"].value() == str(folder / "Extend1.%V.%04d.exr")


def test_a_node_after_a_node_takes_the_result_by_path(nuke: Nuke) -> None:
    first = nuke.make("inpaint", nuke.read(nuke.write_plate()))
    nuke.generate(first)
    second = nuke.make("extend", first)
    nuke.generate(second)
    assert cached(nuke) == []
    assert_plate_kept(nuke, second, first, 1003)


def test_generate_has_no_engine_yet_and_says_so(nuke: Nuke) -> None:
    import overscan_nuke

    node = overscan_nuke.create("generate")
    nuke.press(node, "generate")
    nuke.until(lambda: "Not started" in nuke.progress(node))
    assert "does not do generate" in nuke.progress(node)
    nuke.press(node, "plan")
    nuke.until(lambda: "does not do generate" in node["overscan_plan"].value())


def test_a_matte_drawn_into_the_plates_alpha_is_rendered_with_the_plate(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate(channels="RGB"))
    shape = nuke.read(str(nuke.write_plate("shape")))
    drawn = nuke.nuke.nodes.Copy(name="DrawnIn")
    drawn.setInput(0, read)
    drawn.setInput(1, shape)
    drawn["from0"].setValue("rgba.alpha")
    drawn["to0"].setValue("rgba.alpha")
    node = nuke.make("inpaint", drawn)
    nuke.generate(node)
    assert len(cached(nuke)) == 4
    before, after = nuke.picture(drawn, 1002), nuke.picture(node, 1002)
    assert (after["R"][before["A"] == 1] == np.float32(0.18)).all()
    assert same_bits(after["R"][before["A"] == 0], before["R"][before["A"] == 0])


def test_a_range_that_the_plate_has_not_is_refused_before_anything_is_rendered(nuke: Nuke) -> None:
    grade = nuke.nuke.nodes.Grade()
    grade.setInput(0, nuke.read(nuke.write_plate()))
    node = nuke.make("extend", grade, range="script", handles=8)
    nuke.press(node, "generate")
    nuke.until(lambda: "Not started" in nuke.progress(node))
    assert "993-1012" in nuke.progress(node)
    assert "No frame is repeated" in nuke.progress(node)
    assert cached(nuke) == []
