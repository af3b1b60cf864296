"""Tools of a composition, with a real bridge and a real service: handed over, generated, shown as a macro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Resolve, double, read_frame, same_bits, user

from overscan_host import BridgeError, run_through
from overscan_resolve import Session, launch
from overscan_resolve._fusion_flow import files_behind, kept_comp, masks_of, meant, pictures_of, range_of
from overscan_resolve._fusion_result import Shown, extras_path, lua, macro, show
from overscan_resolve._fusion_run import FlowWish, generate_flow_steps, plan_flow_steps, show_result
from overscan_resolve._fusion_window import WINDOW
from overscan_resolve._run import Follower

SPACE = "ACEScg"


@pytest.fixture
def comp(resolve: Resolve) -> Any:
    """A composition of its own, with a Loader of 12 files from time 0 on, and a mask."""
    made = user.new_comp("shot", span=(0, 20), render=(2, 5), size=(40, 30))
    resolve.sequence()
    pattern = resolve.folder / "plates/plate/plate.%04d.exr"
    user.add_tool(made, "Loader", "Plate", Clip=str(pattern) % 1001)
    user.add_tool(made, "EllipseMask", "Round", Width=0.5, Height=0.5)
    return made


def generate(resolve: Resolve, comp: Any, wish: FlowWish) -> Any:
    """A run to its end, and its result in the composition."""
    session = Session(resolve.resolve)
    try:
        record = run_through(generate_flow_steps(comp, wish), bridge=session.bridge)
        follower = Follower(session.bridge, record, changed=lambda _: None)
        double.pump(until=lambda: follower.ended, limit_seconds=60, also=session.queue.drain)
        follower.stop()
        assert follower.record.state == "succeeded", follower.words()
        return show_result(comp, follower.record)
    finally:
        session.close()


def changed(before: dict[str, Any]) -> list[str]:
    """What is different, but for the new tools."""
    return [line for line in double.difference(before, double.snapshot()) if "/tools/Overscan_" not in line]


def test_a_loader_goes_over_by_its_files(resolve: Resolve, comp: Any) -> None:
    before = double.snapshot()
    record = generate(resolve, comp, FlowWish("extend", "Plate", size="56x30", engine="grey", color_space=SPACE))
    assert record.placed["notes"] == []
    assert changed(before) == [], "nothing that was there is changed"
    folder = resolve.folder / "results/Plate/v001"
    numbers = sorted(path.name for path in folder.glob("Plate_v001.????.exr"))
    assert numbers == [f"Plate_v001.{number}.exr" for number in range(1003, 1007)], "times 2 to 5"
    assert not (folder / "plate").exists(), "nothing was rendered"
    loader = comp.FindTool("Overscan_Plate_v001_Result")
    attributes = loader.GetAttrs()
    assert (attributes["TOOLNT_Clip_Start"][1], attributes["TOOLNT_Clip_End"][1]) == (2, 5)
    saver = user.add_tool(
        comp, "Saver", Input=comp.FindTool("Overscan_Plate_v001"), Clip=str(resolve.folder / "look.exr")
    )
    assert comp.Render({"Tool": saver, "Start": 4, "End": 4, "Wait": True}), double.session().messages
    look = read_frame(resolve.folder / "look0004.exr")
    plate = read_frame(resolve.folder / "plates/plate/plate.1005.exr")
    finite = np.isfinite(plate["R"])
    assert np.array_equal(look["R"][:, 8:-8][finite], plate["R"][finite]), (
        "time 4 shows the plate of time 4, in the middle"
    )


def test_what_fusion_computes_is_rendered_with_its_mask(resolve: Resolve, comp: Any) -> None:
    user.add_tool(comp, "BrightnessContrast", "Grade", Input=comp.FindTool("Plate"), Gain=2.0)
    before = double.snapshot()
    record = generate(resolve, comp, FlowWish("inpaint", "Grade", matte="Round", engine="grey", color_space=SPACE))
    assert changed(before) == []
    folder = resolve.folder / "results/Grade/v001"
    for name in ("plate", "matte"):
        assert len(list((folder / name).iterdir())) == 4, "no Saver's own files are left"
    assert record.number_at_zero == 999
    result, plate = (read_frame(folder / name) for name in ("Grade_v001.1001.exr", "plate/Grade.1001.exr"))
    matte = read_frame(folder / "matte/Grade_matte.1001.exr")["A"]
    assert 0.15 < matte.mean() < 0.25
    kept = matte == 0
    assert same_bits(np.ascontiguousarray(result["G"][kept]), np.ascontiguousarray(plate["G"][kept]))
    assert not np.array_equal(result["G"][~kept], plate["G"][~kept])
    source = read_frame(resolve.folder / "plates/plate/plate.1003.exr")["G"] * 2
    assert same_bits(plate["G"], source.astype(np.float32)), "32-bit float: nothing was rounded"
    assert comp.FindTool("Overscan_Grade_v001_Generated").GetInput("Clip1.OpenEXRFormat.AlphaName") == "generated.A"


def test_the_global_range_and_a_second_version(resolve: Resolve, comp: Any) -> None:
    comp.SetAttrs({"COMPN_GlobalEnd": 11})
    wish = FlowWish("extend", "Plate", size="48x30", engine="grey", color_space=SPACE, whole=True)
    assert generate(resolve, comp, wish).frames == "1001-1012"
    assert generate(resolve, comp, wish).version == "v002"
    assert comp.FindTool("Overscan_Plate_v001") is not None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda tool: tool.SetInput("Reverse", 1), "Reverse"),
        (lambda tool: tool.SetInput("GlobalIn", 3), "for the times 3 to 11 only"),
        (lambda tool: tool.SetInput("GlobalOut", 4), "for the times 0 to 4 only"),
        (lambda tool: tool.SetInput("PostMultiplyByAlpha", 1), "PostMultiplyByAlpha"),
    ],
)
def test_a_loader_that_changes_its_files_is_rendered(comp: Any, change: Any, why: str) -> None:
    tool = comp.FindTool("Plate")
    assert files_behind(tool, 2, 5)[0] is not None
    change(tool)
    files, reason = files_behind(tool, 2, 5)
    assert files is None and why in reason


def test_a_moved_loader_keeps_its_numbers(comp: Any) -> None:
    tool = comp.FindTool("Plate")
    tool.SetInput("GlobalIn", 2)  # trims two frames
    files, _ = files_behind(tool, 2, 5)
    assert files is not None and files.number_at_zero == 1001
    for name, value in (
        ("GlobalOut", 15),
        ("GlobalIn", 4),
        ("ClipTimeStart", 0),
        ("ClipTimeEnd", 11),
        ("HoldLastFrame", 0),
    ):
        tool.SetInput(name, value)
    files, _ = files_behind(tool, 4, 15)
    assert files is not None and files.number_at_zero == 997


def test_what_is_in_a_composition(comp: Any) -> None:
    merge = user.add_tool(comp, "Merge", Background=comp.FindTool("Plate"))
    assert (pictures_of(comp), masks_of(comp)) == (["Plate", "Merge1"], ["Round"])
    comp.SetActiveTool(comp.FindTool("Round"))
    assert meant(comp) == "Plate"
    user.add_tool(comp, "MediaOut", Input=merge)
    assert meant(comp) == "Merge1"
    comp.SetActiveTool(comp.FindTool("Plate"))
    assert meant(comp) == "Plate"
    assert (range_of(comp, whole=False), range_of(comp, whole=True)) == ((2, 5), (0, 20))


@pytest.mark.parametrize("fault", ["fail", "short"])
def test_a_render_that_fails_leaves_nothing_behind(resolve: Resolve, comp: Any, fault: str) -> None:
    user.add_tool(comp, "Blur", "Soft", Input=comp.FindTool("Plate"))
    double.session().faults.comp_render = fault
    before = double.snapshot()
    session = Session(resolve.resolve)
    with pytest.raises(BridgeError, match="did not render Soft at time 2"):
        run_through(
            generate_flow_steps(comp, FlowWish("extend", "Soft", size="48x30", engine="grey")), bridge=session.bridge
        )
    session.close()
    assert double.difference(before, double.snapshot()) == []
    assert not list((resolve.folder / "results").glob("*/*"))


def test_the_composition_is_put_back_whatever_happens(comp: Any) -> None:
    comp.SetActiveTool(comp.FindTool("Round"))
    comp.FindTool("Plate")._thing.selected = True
    before = double.snapshot()
    with pytest.raises(RuntimeError), kept_comp(comp) as temporary:
        tool = comp.AddTool("Blur")
        temporary.append(tool.Name)
        comp.CurrentTime = 9
        raise RuntimeError("on the way")
    assert double.difference(before, double.snapshot()) == []


def test_a_macro_opens_without_the_plugin(resolve: Resolve, comp: Any) -> None:
    shown = Shown(str(resolve.folder / "plates/plate/plate.%04d.exr"), "1003-1006", 1001)
    table = macro("Overscan_A", shown, version="v001", extras=True)
    assert double.bmd().readstring(lua(table)) == table
    double.session().faults.refused_pastes = 1
    notes = show(comp, "Overscan_A", shown, version="v001", beside=None)
    setting = resolve.folder / "plates/plate/Overscan_A.setting"
    assert notes == [f"Fusion did not take the result in. Drag {setting} into the composition."]
    assert comp.Paste(double.bmd().readfile(str(setting)))  # what dragging does
    assert comp.FindTool("Overscan_A").GetData("OverscanVersion") == "v001"
    assert comp.FindTool("Overscan_A_Result").GetInput("GlobalIn") == 2
    assert extras_path("/a/b_v001.%04d.exr") == "/a/b_v001.extras.%04d.exr"


def test_a_loader_that_fusion_places_elsewhere_is_corrected(
    resolve: Resolve, comp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.hosts.resolve_double import _settings

    real = _settings._fill_clips

    def moved(tool: Any, clips: dict[Any, Any]) -> None:
        real(tool, {key: {**clip, "GlobalStart": 0, "GlobalEnd": 3} for key, clip in clips.items()})

    monkeypatch.setattr(_settings, "_fill_clips", moved)
    shown = Shown(str(resolve.folder / "plates/plate/plate.%04d.exr"), "1003-1006", 1001)
    assert show(comp, "Overscan_A", shown, version="v001", beside=comp.FindTool("Plate")) == []
    loader = comp.FindTool("Overscan_A_Result")
    assert [loader.GetInput(name) for name in ("GlobalIn", "GlobalOut", "ClipTimeStart", "ClipTimeEnd")] == [2, 5, 0, 3]


def test_in_the_window(resolve: Resolve, comp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.hosts.resolve_double._ui.LOOP_SECONDS", 60)
    comp.SetActiveTool(comp.FindTool("Plate"))

    def start() -> None:
        user.choose(WINDOW, "matte", "Round")
        user.choose(WINDOW, "engine", "grey")
        user.type_text(WINDOW, "space", SPACE)
        user.click(WINDOW, "plan")
        user.when(lambda: "first Fusion renders 4 frames of the mask Round" in user.says(WINDOW, "words"), go)

    def go() -> None:
        user.click(WINDOW, "generate")
        user.when(lambda: "Overscan_Plate_v001" in user.says(WINDOW, "words"), lambda: user.close_window(WINDOW))

    user.when(lambda: "grey" in user.element(WINDOW, "engine")._items, start)
    found = {"resolve": resolve.resolve, "fusion": resolve.resolve.Fusion(), "bmd": double.bmd(), "comp": comp}
    assert launch.run("fusion", found) == 0
    matte = read_frame(resolve.folder / "results/Plate/v001/matte/Plate_matte.1003.exr")["A"]
    assert matte.max() == 1, "the matte has the numbers of the plate's files"
    assert comp.FindTool("Overscan_Plate_v001_Result") is not None


def test_refusals(resolve: Resolve, comp: Any) -> None:
    session = Session(resolve.resolve)
    for wish, words in (
        (FlowWish("extend", "Plate", size="wide"), "The new format is missing"),
        (FlowWish("fill", "Plate"), "words are needed"),
        (FlowWish("extend", "Gone", size="48x30"), "no tool 'Gone'"),
        (FlowWish("inpaint", "Plate", matte="Square"), "no tool 'Square'"),
    ):
        with pytest.raises(BridgeError, match=words):
            run_through(plan_flow_steps(comp, wish), bridge=session.bridge)
    planned = run_through(
        plan_flow_steps(comp, FlowWish("extend", "Plate", size="48x30", engine="grey")), bridge=session.bridge
    )
    session.close()
    assert "grey makes frames 1003-1006 at 48x30" in planned.words
    found = {"resolve": resolve.resolve, "fusion": resolve.resolve.Fusion(), "bmd": double.bmd()}
    double.session().fusion.comp = None
    assert launch.run("fusion", found) == 1


def test_names_of_files(resolve: Resolve) -> None:
    comp = user.new_comp(span=(0, 1), size=(40, 30))
    white = user.add_tool(comp, "Background", "My plate (2)", TopLeftRed=1.0, TopLeftAlpha=1.0)
    record = generate(resolve, comp, FlowWish("extend", white.Name, size="48x30", engine="grey", color_space=SPACE))
    assert Path(record.path).name == "My_plate_2_v001.%04d.exr"
