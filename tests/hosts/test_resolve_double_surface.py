"""The double offers what fusionscript-stubs has: no name more, no argument more, no type else."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.resolve_double import _fusion_names, _surface, double, make_surface, user

STANDARD = {
    "__future__", "ast", "collections", "contextlib", "functools", "itertools", "json", "math", "os", "pathlib", "re",
    "struct", "subprocess", "sys", "sysconfig", "threading", "time", "traceback", "types", "typing", "fractions",
}  # fmt: skip


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """Objects of every class, under the names that the calls below use."""
    resolve = double.start()
    user.new_project("Show")
    project = resolve.GetProjectManager().GetCurrentProject()
    clip = user.import_sequence("/a/b.%04d.exr", 1001, 1100)
    timeline = user.new_timeline()
    item = user.place(clip, source=(10, 58))
    yield {
        "resolve": resolve, "project": project, "pool": project.GetMediaPool(), "clip": clip, "timeline": timeline,
        "item": item, "comp": user.new_comp(), "fusion": resolve.Fusion(), "ui": resolve.Fusion().UIManager,
    }  # fmt: skip
    double.stop(check=False)


@pytest.fixture(scope="module")
def stubs() -> Path:
    folder = make_surface.stubs()
    if not folder.is_dir():
        pytest.skip("needs the package fusionscript-stubs: pip install fusionscript-stubs")
    return folder


def test_the_committed_surface_is_what_the_stubs_say(stubs: Path) -> None:
    assert make_surface.text(stubs) == make_surface.SURFACE.read_text(encoding="utf-8")


def test_the_surface_holds_what_a_plugin_needs() -> None:
    surface = json.loads(make_surface.SURFACE.read_text(encoding="utf-8"))
    take = surface["classes"]["TimelineItem"]["methods"]["AddTake"][0]
    assert take["parameters"][0] == ["mediaPoolItem", "MediaPoolItem", False]
    assert len(surface["classes"]["Project"]["methods"]["StartRendering"]) == 5
    assert surface["dictionaries"]["RenderSettings"]["MarkIn"] == "int"
    assert surface["classes"]["Resolve"]["constants"]["KEYFRAME_MODE_SIZING"] == 2


def test_public_methods_of_the_doubles_classes_are_the_stubs(names: dict[str, Any]) -> None:
    surface = json.loads(make_surface.SURFACE.read_text(encoding="utf-8"))["classes"]
    for thing in ("resolve", "project", "pool", "clip", "timeline", "item"):
        cls = type(names[thing])
        public = {name for name in vars(cls) if not name.startswith("_")}
        later = set(_surface.LATER.get(cls.__name__, {}))
        assert set(surface[cls.__name__]["methods"]) | later == public | later, thing
        offered = {name for name in dir(names[thing]) if not name.isupper()}
        assert "GetSpeed" not in offered
        assert offered <= set(surface[cls.__name__]["methods"]) | set(surface[cls.__name__]["constants"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("timeline.GetTrackcount('video')", "no 'GetTrackcount'"),
        ("hasattr(timeline, 'Razor')", "hasattr with True"),
        ("getattr(item, 'GetSpeed2', None)", "no 'GetSpeed2'"),
        ("timeline.GetTrackCount()", "0 arguments"),
        ("timeline.GetTrackCount('Video')", "no TrackType"),
        ("timeline.GetTrackCount(trackType='video')", "no keyword arguments"),
        ("timeline.AddMarker(10, 'Orange', 'a', 'b', 1)", "no MarkerColor"),
        ("item.SetClipColor('Cyan')", "no ClipColor"),
        ("item.AddTake(item)", "no MediaPoolItem"),
        ("item.AddTake(clip, '0', 10)", "no Optional[int]"),
        ("item == item", "use GetUniqueId()"),
        ("item in timeline.GetItemListInTrack('video', 1)", "use GetUniqueId()"),
        ("setattr(item, 'Name', 'x')", "cannot be set"),
        ("item.GetSpeed()", "not in Resolve (21, 0, 0)"),
        ("project.SetRenderSettings({'MarkIN': 1})", "no key 'MarkIN'"),
        ("project.SetRenderSettings({'MarkIn': 1.5})", "MarkIn of RenderSettings is int"),
        ("project.SetRenderSettings({'AlphaMode': 2})", "AlphaMode"),
        ("project.StartRendering(['a'], True, 1)", "3 arguments"),
        ("pool.ImportMedia('/a/b.exr')", "no List[str]"),
        ("pool.ImportMedia([{'FilePath': 'a', 'StartFrame': 1}])", "no key 'StartFrame'"),
        ("pool.AppendToTimeline([{'startFrame': 1}])", "needs mediaPoolItem"),
        ("pool.AppendToTimeline([{'mediaPoolItem': clip, 'track': 1}])", "no key 'track'"),
        ("resolve.OpenPage('Edit')", "no PageName"),
        ("resolve.MARKER_BLUE", "no 'MARKER_BLUE'"),
        ("resolve.EXPORT_FCPXML_1_3", "no 'EXPORT_FCPXML_1_3'"),
        ("timeline.Export('/tmp/a', 'otio', resolve.EXPORT_NONE)", "no TimelineExportType"),
        ("comp.AddTools('Merge')", "no 'AddTools'"),
        ("comp.AddTool('Saver')", "opens a file dialog"),
        ("comp.AddTool(id='Merge')", "no keyword arguments"),
        ("comp.AddTool('Merge').Backgroundd", "no input or output 'Backgroundd'"),
        ("comp.AddTool('Merge').SetInput('Bland', 1)", "no input 'Bland'"),
        ("comp.AddTool('Merge').SetInput('Blend', 'a')", "takes a Number"),
        ("comp.Render({'StartFrame': 1})", "knows no ['StartFrame']"),
        ("comp == comp", "compare names"),
        ("ui.ProgressBar({'ID': 'p'})", "no element 'ProgressBar'"),
        ("ui.Label({'Txt': 'p'})", "no attribute 'Txt'"),
        ("ui.Label([ui.Label()])", "holds no children"),
    ],
)
def test_what_resolve_has_not_is_an_error_and_is_noted(names: dict[str, Any], call: str, words: str) -> None:
    with pytest.raises(double.Forbidden) as caught:
        eval(call, names)
    assert words in str(caught.value)
    with pytest.raises(AssertionError, match="rules of Resolve's were broken"):
        double.stop()


@pytest.mark.parametrize(
    "call",
    [
        "item.GetDuration()", "item.GetDuration(True)", "timeline.AddTrack('video')", "clip.GetClipProperty()",
        "timeline.AddTrack('audio', {'audiotype': 'stereo', 'index': 1})", "timeline.GetSetting()",
        "timeline.DeleteClips([])", "pool.AppendToTimeline(clip)", "pool.AppendToTimeline([clip])",
        "pool.AppendToTimeline([{'mediaPoolItem': clip, 'startFrame': 0.0, 'endFrame': 5}])",
        "project.StartRendering('x')", "project.StartRendering(['x'], False)", "project.StartRendering()",
        "item.SetProperty({'Pan': 1.0})", "item.SetProperty('Pan', 1)", "item.AddTake(clip)", "item is not None",
        "timeline.AddMarker(1, 'Blue', 'a', 'b', 1)", "timeline.AddMarker(2, 'Blue', 'a', 'b', 1, 'c')",
    ],
)  # fmt: skip
def test_calls_that_the_readme_shows_pass(names: dict[str, Any], call: str) -> None:
    eval(call, names)
    double.session().check()


def test_what_exists_and_is_not_modelled_says_so(names: dict[str, Any]) -> None:
    with pytest.raises(double.NotModelled, match=r"Timeline\.DetectSceneCuts"):
        names["timeline"].DetectSceneCuts()
    with pytest.raises(double.NotModelled, match=r"Fusion\.ShowAbout"):
        names["fusion"].ShowAbout()


def test_only_dir_tells_what_is_there() -> None:
    old = double.start(version=(19, 1, 3))
    user.new_project()
    item = user.place(user.import_sequence("/a/b.%04d.exr", 1, 10), timeline=user.new_timeline())
    assert "SetName" not in dir(item)
    assert "GetName" in dir(item)
    with pytest.raises(double.Forbidden, match="not in Resolve"):
        item.SetName("x")
    assert old.GetVersion()[:3] == [19, 1, 3]
    double.stop(check=False)
    double.start(version=(21, 1, 0))
    user.new_project()
    item = user.place(user.import_sequence("/a/b.%04d.exr", 1, 10), timeline=user.new_timeline(), speed=50)
    assert item.GetSpeed()["Percentage"] == 50
    double.stop()


def test_dir_of_a_tool_hides_what_works(names: dict[str, Any]) -> None:
    tool = names["comp"].AddTool("Merge")
    assert "GetAttrs" not in dir(tool)
    assert tool.GetAttrs("TOOLS_RegID") == "Merge"


def test_every_tool_can_be_made() -> None:
    double.start(gui=False)
    comp = user.new_comp()
    for kind in _fusion_names.TOOLS:
        assert kind == comp.AddTool(kind).ID
    assert comp.AddTool("NoSuchTool") is None
    double.stop()


def test_editions() -> None:
    assert double.start(edition="free", version=(21, 1, 0)) is None
    assert sys.modules["DaVinciResolveScript"].scriptapp("Resolve") is None
    older = double.start(edition="free", version=(21, 0, 0))
    assert older.GetProductName() == "DaVinci Resolve"
    assert older.Fusion().UIManager is None
    hidden = double.start(gui=False)
    assert hidden.GetProductName() == "DaVinci Resolve Studio"
    assert hidden.GetCurrentPage() == "edit"
    assert hidden.Fusion().UIManager is None
    double.stop()
    assert "DaVinciResolveScript" not in sys.modules


def test_the_stdlib_half_imports_nothing_else() -> None:
    for path in Path(double.__file__).parent.glob("*.py"):
        for line in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(line, ast.Import):
                assert {name.name.split(".")[0] for name in line.names} <= STANDARD, path.name
            elif isinstance(line, ast.ImportFrom) and line.level == 0:
                assert str(line.module).split(".")[0] in STANDARD, path.name
