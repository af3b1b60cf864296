"""Pictures of the double: real EXR files in and out, bit for bit where Nuke is exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio
import pytest

from tests.hosts.nuke_double import double

Pixels = npt.NDArray[np.float32]
CHANNELS = ("R", "G", "B", "A", "matte.A", "source.X")


@pytest.fixture
def nuke() -> Iterator[Any]:
    yield double.install(version="15.1v3", gui=True)
    double.uninstall()


Window = tuple[int, int, int, int]


def write(path: Path, *, box: Window, full: Window, seed: int = 1) -> Pixels:
    """An EXR of noise with values below 0, above 1, and of every special kind."""
    spec = oiio.ImageSpec(box[2], box[3], len(CHANNELS), oiio.HALF)
    spec.channelnames = list(CHANNELS)
    spec.x, spec.y = box[:2]
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = full
    spec.attribute("PixelAspectRatio", 2.0)
    spec.attribute("show/shot", "Overscan")
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (0x01020304, 0))
    pixels = (
        np.random.default_rng(seed).normal(0, 3, (box[3], box[2], len(CHANNELS))).astype(np.float16).astype(np.float32)
    )
    pixels[0, 0, :3] = np.inf, -np.inf, np.nan
    pixels[1, 1, :2] = -0.0, 65504.0
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(pixels) and output.close()
    return pixels


def read(path: Path) -> tuple[Any, dict[str, Pixels]]:
    """Header and channels of a file."""
    buffer = oiio.ImageBuf(str(path))
    pixels = buffer.get_pixels(oiio.FLOAT)
    return buffer.spec(), {name: pixels[..., place] for place, name in enumerate(buffer.spec().channelnames)}


def same(first: Pixels, second: Pixels) -> bool:
    """Whether all bits are the same."""
    return first.shape == second.shape and bool(np.array_equal(first.view(np.uint32), second.view(np.uint32)))


def plate(nuke: Any, folder: Path, **windows: Any) -> tuple[Any, dict[int, Pixels]]:
    """A Read of three frames, and their pixels."""
    windows = {"box": (0, 0, 24, 16), "full": (0, 0, 24, 16), **windows}
    frames = {frame: write(folder / f"p.{frame:04d}.exr", seed=frame, **windows) for frame in (1001, 1002, 1003)}
    return nuke.nodes.Read(file=str(folder / "p.%04d.exr"), first=1001, last=1003), frames


def render(nuke: Any, node: Any, folder: Path, frame: int, **knobs: Any) -> tuple[Any, dict[str, Pixels]]:
    """What a node's picture is in a file."""
    knobs = {"channels": "all", "raw": True, "datatype": "32 bit float", **knobs}
    target = nuke.nodes.Write(file=str(folder / "o.%04d.exr"), inputs=[node], **knobs)
    nuke.execute(target, frame, frame)
    nuke.delete(target)
    return read(folder / f"o.{frame:04d}.exr")


@pytest.mark.parametrize("full", [(0, 0, 24, 16), (4, -3, 24, 16)])
@pytest.mark.parametrize("datatype", ["16 bit half", "32 bit float"])
def test_read_to_write_is_exact(nuke: Any, tmp_path: Path, datatype: str, full: Window) -> None:
    box = (full[0] - 2, full[1] - 1, 30, 20)
    node, frames = plate(nuke, tmp_path, box=box, full=full)
    node["edge_pixels"].setValue("repeat")
    for frame, pixels in frames.items():
        spec, planes = render(nuke, node, tmp_path, frame, datatype=datatype)
        assert (spec.x, spec.y, spec.width, spec.height) == (-2, -1, 30, 20)
        assert (spec.full_width, spec.full_height, spec.get_float_attribute("PixelAspectRatio")) == (24, 16, 2.0)
        assert str(spec.format) == ("half" if datatype.startswith("16") else "float")
        assert set(planes) == set(CHANNELS)
        for place, name in enumerate(CHANNELS):
            assert same(planes[name], pixels[..., place]), name


def test_a_read_whose_windows_differ_gains_a_black_pixel_around(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path, box=(2, 3, 10, 8))
    spec, planes = render(nuke, node, tmp_path, 1001)
    assert (spec.x, spec.y, spec.width, spec.height) == (1, 2, 12, 10)
    assert same(planes["R"][1:-1, 1:-1], frames[1001][..., 0])
    assert not planes["G"][0].any() and not planes["G"][:, -1].any()
    box = node.bbox()
    assert (box.x(), box.y(), box.w(), box.h()) == (1, 4, 12, 10)


def test_what_a_node_says_of_its_picture(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    nuke.frame(1002)
    assert (node.width(), node.height(), node.pixelAspect()) == (24, 16, 2.0)
    assert node.channels() == ["matte.alpha", "rgba.alpha", "rgba.blue", "rgba.green", "rgba.red", "source.X"]
    assert nuke.layers(node) == ["matte", "rgba", "source"]
    assert node.metadata("exr/show/shot") == "Overscan" and node.metadata("input/bitsperchannel") == "16-bit half float"
    assert node.metadata("input/filename") == str(tmp_path / "p.1002.exr")
    assert not node.hasError()


def test_headers_go_along_as_the_write_says(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    for mode, shot, timed in (
        ("no metadata", "", False),
        ("default metadata", "", True),
        ("all metadata", "Overscan", True),
    ):
        spec, _ = render(nuke, node, tmp_path, 1001, metadata=mode)
        assert spec.get_string_attribute("show/shot") == shot
        assert (spec.getattribute("smpte:TimeCode") is not None) == timed
        if timed:
            assert spec.getattribute("smpte:TimeCode") == (0x01020304, 0)
        assert spec.get_string_attribute("compression") == "zips"


def test_multi_part_files_are_named_as_nuke_names_them(nuke: Any, tmp_path: Path) -> None:
    def parts(*names: tuple[str, tuple[str, ...]]) -> str:
        specs = []
        for title, channels in names:
            spec = oiio.ImageSpec(4, 4, len(channels), oiio.HALF)
            spec.channelnames = list(channels)
            spec.attribute("oiio:subimagename", title)
            specs.append(spec)
        path = str(tmp_path / "parts.exr")
        output = oiio.ImageOutput.create(path)
        assert output.open(path, specs)
        for place, spec in enumerate(specs):
            if place:
                assert output.open(path, spec, "AppendSubimage")
            output.write_image(np.full((4, 4, spec.nchannels), place, np.float32))
        output.close()
        return path

    node = nuke.nodes.Read(file=parts(("plate", ("R", "G", "B")), ("overscan", ("generated.A", "source.X"))))
    assert node.channels() == ["generated.alpha", "rgba.blue", "rgba.green", "rgba.red", "source.X"]
    node = nuke.nodes.Read(file=parts(("plate", ("R",)), ("depth", ("Z",))))
    assert node.channels() == ["depth.Z", "plate.red"]


def test_missing_frames(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    (tmp_path / "p.1002.exr").unlink()
    with pytest.raises(RuntimeError, match=r"Read1: .*p\.1002\.exr: Read error: No such file"):
        render(nuke, node, tmp_path, 1002)
    nuke.frame(1002)
    assert node.hasError() and nuke.nodes.Dot(inputs=[node]).hasError()
    node["on_error"].setValue("nearest frame")
    assert same(render(nuke, node, tmp_path, 1002)[1]["R"], frames[1001][..., 0])
    node["on_error"].setValue("black")
    node["format"].setValue("square_256")
    spec, planes = render(nuke, node, tmp_path, 1002)
    assert spec.width == 256 and not planes["R"].any()


@pytest.mark.parametrize(
    ("knobs", "frame", "shown"),
    [
        ({}, 990, 1001), ({}, 1010, 1003), ({"before": "loop"}, 1000, 1003), ({"after": "bounce"}, 1004, 1003),
        ({"after": "bounce"}, 1006, 1001), ({"frame": "frame+1"}, 1001, 1002), ({"before": "black"}, 1000, None),
        ({"frame": "1", "frame_mode": "start at"}, 2, 1002), ({"frame": "1000", "frame_mode": "offset"}, 3, 1003),
    ],
)  # fmt: skip
def test_frames_of_a_read(nuke: Any, tmp_path: Path, knobs: dict[str, str], frame: int, shown: int | None) -> None:
    node, frames = plate(nuke, tmp_path)
    for name, value in knobs.items():
        node[name].setValue(value)
    planes = render(nuke, node, tmp_path, frame)[1]
    if shown is None:
        assert not planes["R"].any()
    else:
        assert same(planes["R"], frames[shown][..., 0])


def test_time(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    late = nuke.nodes.TimeOffset(inputs=[node], time_offset=-1000)
    held = nuke.nodes.FrameHold(inputs=[node], firstFrame=1003)
    assert same(render(nuke, late, tmp_path, 2)[1]["B"], frames[1002][..., 2])
    assert same(render(nuke, held, tmp_path, 1001)[1]["B"], frames[1003][..., 2])


def test_selecting_by_an_expression_keeps_every_bit(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    grey = nuke.nodes.Constant(channels="rgba", color="0.5 0.5 0.5 1", format="square_256")
    merge = nuke.nodes.MergeExpression(
        inputs=[node, grey], temp_name0="inside", temp_expr0="x >= 4 && x < 20", bbox="B"
    )
    for place, letter in enumerate("rgba"):
        merge[f"expr{place}"].setValue(f"inside ? B{letter} : A{letter}")
    planes = render(nuke, merge, tmp_path, 1001)[1]
    pixels = frames[1001]
    for place, name in enumerate("RGBA"):
        assert same(np.ascontiguousarray(planes[name][:, 4:20]), np.ascontiguousarray(pixels[:, 4:20, place]))
        assert (planes[name][:, :4] == (1 if name == "A" else 0.5)).all()
    assert same(planes["matte.A"], pixels[..., 4])
    merge["expr0"].setValue("Amatte.nothing")
    with pytest.raises(RuntimeError, match=r"nothing is named 'Amatte\.nothing'"):
        render(nuke, merge, tmp_path, 1001)


def test_a_group_reads_its_inputs(nuke: Any, tmp_path: Path) -> None:
    first, frames = plate(nuke, tmp_path)
    other = nuke.nodes.Constant(channels="rgba", color="2 2 2 1")
    group = nuke.nodes.Group()
    group.addKnob(nuke.Int_Knob("which"))
    with group:
        inputs = [nuke.nodes.Input(), nuke.nodes.Input()]
        switch = nuke.nodes.Switch(inputs=inputs)
        switch["which"].setExpression("parent.which")
        nuke.nodes.Output(inputs=[nuke.nodes.Dot(inputs=[switch])])
    group.setInput(0, first)
    group.setInput(1, other)
    assert same(render(nuke, group, tmp_path, 1002)[1]["R"], frames[1002][..., 0])
    group["which"].setValue(1)
    assert group.sample("rgba.red", 5, 5) == 2.0
    group["disable"].setValue(True)
    assert same(render(nuke, group, tmp_path, 1002)[1]["R"], frames[1002][..., 0])
    group["disable"].setValue(False)
    group["which"].setAnimated()
    group["which"].setValueAt(0, 1001)
    group["which"].setValueAt(1, 1003)
    assert same(render(nuke, group, tmp_path, 1001)[1]["R"], frames[1001][..., 0])
    assert (render(nuke, group, tmp_path, 1003)[1]["R"] == 2).all()


def test_moving_cropping_and_fitting_into_a_format(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    red = frames[1001][..., 0]
    moved = nuke.nodes.Transform(inputs=[node], translate="3 -2", filter="Impulse")
    spec, planes = render(nuke, moved, tmp_path, 1001)
    assert (spec.x, spec.y) == (3, 2) and same(planes["R"], red)
    cropped = nuke.nodes.Crop(inputs=[node], box="2 3 12 9", reformat=True)
    spec, planes = render(nuke, cropped, tmp_path, 1001)
    assert (spec.full_width, spec.full_height) == (10, 6)
    assert same(planes["R"], np.ascontiguousarray(red[16 - 9 : 16 - 3, 2:12]))
    bigger = nuke.nodes.Reformat(
        inputs=[node], type="to box", box_width=40, box_height=20, box_fixed=True, resize="none", pbb=True
    )
    bigger["box_pixel_aspect"].setValue(2)
    spec, planes = render(nuke, bigger, tmp_path, 1001)
    assert (spec.full_width, spec.full_height, spec.x, spec.y) == (40, 20, 8, 2)
    assert same(planes["R"], red)


def test_channels_and_layers(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    pixels = frames[1001]
    grey = nuke.nodes.Constant(channels="rgba", color="0.25 0.5 0.75 1", format="square_256")
    copy = nuke.nodes.Copy(inputs=[grey, node], from0="matte.alpha", to0="rgba.alpha", bbox="A")
    assert same(render(nuke, copy, tmp_path, 1001)[1]["A"], pixels[..., 4])
    kept = nuke.nodes.Remove(inputs=[node], operation="keep", channels="rgb")
    assert set(render(nuke, kept, tmp_path, 1001)[1]) == {"R", "G", "B"}
    mappings = "4 matte.alpha 0 0 rgba.red 0 0 rgba.green 0 1 rgba.green 0 1 white -1 -1 rgba.blue 0 2"
    mappings += " rgba.alpha 0 3 rgba.alpha 0 3"
    planes = render(nuke, nuke.nodes.Shuffle2(inputs=[node], mappings=mappings), tmp_path, 1001)[1]
    assert same(planes["R"], pixels[..., 4]) and (planes["B"] == 1).all() and same(planes["G"], pixels[..., 1])
    some = render(nuke, node, tmp_path, 1001, channels="rgba.red matte")[1]
    assert set(some) == {"R", "matte.A"}


def test_merging(nuke: Any, tmp_path: Path) -> None:
    a = nuke.nodes.Constant(channels="rgba", color="0.5 0.25 0 0.5", format="square_256")
    b = nuke.nodes.Constant(channels="rgba", color="1 1 1 1", format="square_256")
    over = nuke.nodes.Merge2(inputs=[b, a])
    assert [over.sample(f"rgba.{name}", 3, 3) for name in ("red", "green", "blue", "alpha")] == [1.0, 0.75, 0.5, 1.0]
    over["operation"].setValue("difference")
    assert over.sample("rgba.green", 3, 3) == 0.75
    mask = nuke.nodes.Constant(channels="rgba", color="0 0 0 0.5", format="square_256")
    mixed = nuke.nodes.Keymix(inputs=[b, a, mask])
    assert mixed.sample("rgba.green", 3, 3) == 0.625
    graded = nuke.nodes.Grade(inputs=[a], multiply="2 2 2 2", channels="rgb")
    assert [graded.sample(f"rgba.{name}", 3, 3) for name in ("red", "alpha")] == [1.0, 0.5]
    with pytest.raises(RuntimeError, match="overlay"):
        nuke.nodes.Merge2(inputs=[b, a], operation="overlay").sample("rgba.red", 0, 0)


def test_colour_spaces_are_applied_unless_raw(nuke: Any, tmp_path: Path) -> None:
    node, frames = plate(nuke, tmp_path)
    node["colorspace"].setValue("sRGB")
    planes = render(nuke, node, tmp_path, 1001)[1]
    assert not same(planes["R"], frames[1001][..., 0]) and same(planes["A"], frames[1001][..., 3])
    back = render(nuke, node, tmp_path, 1001, raw=False, colorspace="sRGB")[1]
    sound = np.isfinite(frames[1001][..., 1]) & (frames[1001][..., 1] > 0)
    assert np.allclose(back["G"][sound], frames[1001][..., 1][sound], rtol=1e-4)
    node["raw"].setValue(True)
    assert same(render(nuke, node, tmp_path, 1001)[1]["R"], frames[1001][..., 0])
    node["raw"].setValue(False)
    node["colorspace"].setValue("SLog3")
    with pytest.raises(RuntimeError, match="SLog3"):
        render(nuke, node, tmp_path, 1001)


def test_proxy_mode_makes_small_pictures(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    nuke.root()["proxy_type"].setValue("scale")
    nuke.root().setProxy(True)
    spec, _ = render(nuke, node, tmp_path, 1001)
    assert (spec.full_width, spec.width) == (12, 12)
    write(tmp_path / "small.1001.exr", box=(0, 0, 6, 4), full=(0, 0, 6, 4))
    node["proxy"].setValue(str(tmp_path / "small.%04d.exr"))
    assert render(nuke, node, tmp_path, 1001)[0].full_width == 6


def test_views(nuke: Any, tmp_path: Path) -> None:
    nuke.addView("left")
    nuke.addView("right")
    pixels = {view: write(tmp_path / f"{view}.0001.exr", box=(0, 0, 8, 8), full=(0, 0, 8, 8), seed=place)
              for place, view in enumerate(("left", "right"))}  # fmt: skip
    node = nuke.nodes.Read(file=str(tmp_path / "%V.%04d.exr"))
    target = nuke.nodes.Write(file=str(tmp_path / "out.%V.%04d.exr"), inputs=[node], channels="all", raw=True)
    nuke.execute(target, 1, 1, 1, ["left", "right"])
    for view, values in pixels.items():
        assert same(read(tmp_path / f"out.{view}.0001.exr")[1]["R"], values[..., 0])


def test_rendering_runs_its_callbacks_and_can_be_cancelled(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    seen: list[Any] = []
    for name in ("BeforeRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender"):
        getattr(nuke, f"add{name}")(lambda name=name: seen.append((name, nuke.thisNode().name())))
    folder = tmp_path / "new"
    target = nuke.nodes.Write(file=str(folder / "o.%04d.exr"), inputs=[node])
    with pytest.raises(RuntimeError, match="can't open"):
        nuke.execute(target, 1001, 1003)
    target["create_directories"].setValue(True)
    seen.clear()
    nuke.addAfterFrameRender(lambda: nuke.cancel() if len(list(folder.iterdir())) == 2 else None)
    with pytest.raises(RuntimeError, match="Cancelled"):
        nuke.execute(target, 1001, 1003)
    assert sorted(path.name for path in folder.iterdir()) == ["o.1001.exr", "o.1002.exr"]
    assert [name for name, _ in seen] == ["BeforeRender", *["BeforeFrameRender", "AfterFrameRender"] * 2]
    assert {name for _, name in seen} == {"Write1"}


def test_unknown_nodes_make_no_picture(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    nuke.selectAll()
    nuke.scriptReadText("push 0\nFancy {\n inputs 1\n name F\n}\n")
    fancy = nuke.toNode("F")
    fancy.setInput(0, node)
    with pytest.raises(RuntimeError, match="Fancy: Unknown command"):
        render(nuke, fancy, tmp_path, 1001)
    double.session().errors.clear()


def test_blocking_by_rendering_is_nukes_and_not_the_plugins(nuke: Any, tmp_path: Path) -> None:
    node, _ = plate(nuke, tmp_path)
    with double.timed("render"):
        render(nuke, node, tmp_path, 1001)
    block = double.longest_block()
    assert block.own_seconds < block.seconds
