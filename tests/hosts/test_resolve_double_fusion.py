"""Compositions: tools and connections, Loaders' spans, what Lock does, tables of tools, and Savers that write files."""

from __future__ import annotations

import unittest
from collections import OrderedDict
from typing import Any

from tests.hosts.resolve_double import _comp_model, _comp_render, _lua_tables, double, user
from tests.hosts.resolve_double_case import DoubleCase

MACRO = """{
	Tools = ordered() {
		Keep = MacroOperator {
			CustomData = { Version = "v003", },
			Inputs = ordered() {
				Clip = InstanceInput { SourceOp = "Result", Source = "Clip", Name = "Result", },
				MainInput1 = InstanceInput { SourceOp = "Mix", Source = "Background", },
				Mode = Input { Value = 2, },
			},
			Outputs = { MainOutput1 = InstanceOutput { SourceOp = "Mix", Source = "Output", }, },
			UserControls = ordered() { Mode = { LINKID_DataType = "Number", INP_Default = 1, }, },
			ViewInfo = GroupInfo { Pos = { 55, -16.5 } },
			Tools = ordered() {
				Result = Loader { Inputs = { Clip = Input { Value = "", }, }, },
				Mix = Merge {
					Inputs = {
						Foreground = Input { SourceOp = "Result", Source = "Output", },
						Operator = Input { Value = FuID { "Over" }, }, -- as the others
					},
				},
			},
		},
	},
	ActiveTool = "Keep",
}"""


class Tools(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.comp = user.new_comp(span=(0, 99), render=(10, 20))

    def test_names_are_free_and_lists_count_from_one(self) -> None:
        first, second = self.comp.AddTool("Merge", 1, 2), self.comp.AddTool("Merge")
        self.assertEqual((first.Name, second.Name), ("Merge1", "Merge2"))
        self.assertEqual([tool.Name for tool in self.comp.GetToolList(False).values()], ["Merge1", "Merge2"])
        self.assertEqual(self.comp.GetToolList()[1].Name, "Merge1")
        self.assertEqual(self.comp.CurrentFrame.FlowView.GetPosTable(first), {1.0: 1.0, 2.0: 2.0})
        self.assertIsNone(self.comp.FindTool("Merge3"))
        second.Delete()
        self.assertIsNone(second.GetAttrs())

    def test_connections(self) -> None:
        background, merge = self.comp.AddTool("Background"), self.comp.AddTool("Merge")
        mask = self.comp.AddTool("PolygonMask")
        self.assertTrue(merge.ConnectInput("Background", background))
        merge.Foreground = background.Output
        self.assertEqual(merge.Background.GetConnectedOutput().GetTool().Name, "Background1")
        self.assertEqual(len(background.Output.GetConnectedInputs()), 2)
        self.assertFalse(merge.ConnectInput("Background", mask))  # a mask is no picture
        self.assertTrue(merge.ConnectInput("EffectMask", mask))
        self.assertFalse(background.ConnectInput("EffectMask", merge))
        self.assertEqual(merge.FindMainInput(2).ID, "Foreground")
        self.assertTrue(merge.ConnectInput("Background", None))
        self.assertIsNone(merge.Background.GetConnectedOutput())

    def test_no_circles(self) -> None:
        one, other = self.comp.AddTool("Blur"), self.comp.AddTool("Blur")
        self.assertTrue(one.ConnectInput("Input", other))
        self.assertFalse(other.ConnectInput("Input", one))

    def test_as_if_clicked_it_connects_to_the_active_tool(self) -> None:
        self.comp.AddTool("Background")
        blur = self.comp.AddTool("Blur", -32768, -32768)
        self.assertEqual(blur.Input.GetConnectedOutput().GetTool().Name, "Background1")

    def test_values_by_every_way_of_writing(self) -> None:
        tool = self.comp.AddTool("Merge")
        tool.Blend = 0.25
        self.assertEqual(tool.GetInput("Blend"), 0.25)
        tool["Blend"] = 0.5
        tool.SetInput("Center", [0.25, 0.75])
        self.assertEqual((tool.Blend[0], tool.GetInput("Center")), (0.5, {1.0: 0.25, 2.0: 0.75}))
        tool.SetAttrs({"TOOLS_Name": "Ours", "TOOLB_PassThrough": True})
        self.assertEqual(self.comp.FindTool("Ours").GetAttrs("TOOLB_PassThrough"), True)
        tool.SetData("Overscan", {"version": 1})
        self.assertEqual(tool.GetData("Overscan"), {"version": 1})

    def test_ranges(self) -> None:
        found = self.comp.GetAttrs()
        names = ("COMPN_GlobalStart", "COMPN_GlobalEnd", "COMPN_RenderStart", "COMPN_RenderEnd")
        self.assertEqual([found[name] for name in names], [0, 99, 10, 20])
        self.comp.SetAttrs({"COMPN_RenderStart": 12})
        self.assertEqual(self.comp.GetAttrs("COMPN_RenderStart"), 12)
        self.comp.CurrentTime = 15
        self.assertEqual(self.comp.CurrentTime, 15)

    def test_numbers_under_lock_are_stored_and_not_rendered(self) -> None:
        tool = self.comp.AddTool("Blur")
        control = tool._thing.inputs["XBlurSize"]
        self.comp.Lock()
        tool.XBlurSize = 20
        self.comp.Unlock()
        self.assertEqual((tool.GetInput("XBlurSize"), control.rendered), (20, 1))
        tool.YBlurSize = 1
        self.assertEqual(control.rendered, 20)
        self.comp.StartUndo("ours")
        self.comp.Lock()
        tool.XBlurSize = 5
        self.comp.Unlock()
        self.comp.EndUndo(True)
        self.assertEqual(control.rendered, 5)


class Loaders(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.comp = user.new_comp(span=(0, 99))
        self.path = self.plate(range(1001, 1011)) % 1001
        self.comp.Lock()
        self.loader = self.comp.AddTool("Loader")
        self.comp.Unlock()
        self.loader.Clip = self.path

    def frames(self, *times: int) -> list[str | None]:
        found = [_comp_model.loader_file(self.loader._thing, time) for time in times]
        return [path[-8:-4] if path else None for path in found]

    def test_a_clip_is_found_from_one_file(self) -> None:
        found = self.loader.GetAttrs()
        self.assertEqual(found["TOOLST_Clip_Name"][1], self.path)
        self.assertEqual((found["TOOLIT_Clip_Length"][1], found["TOOLIT_Clip_StartFrame"][1]), (10, 1001))
        self.assertEqual((found["TOOLNT_Clip_Start"][1], found["TOOLNT_Clip_End"][1]), (0, 9))
        self.assertEqual(self.frames(-1, 0, 9, 10), [None, "1001", "1010", None])

    def test_moving_the_start_trims(self) -> None:
        self.loader.GlobalIn = 4
        self.assertEqual(self.loader.GetInput("ClipTimeStart"), 4)
        self.assertEqual(self.frames(3, 4, 9), [None, "1005", "1010"])
        self.loader.GlobalOut = 6
        self.assertEqual(self.frames(6, 7), ["1007", None])

    def test_moving_the_clip_needs_everything_set(self) -> None:
        for name, value in (
            ("GlobalOut", 29),
            ("GlobalIn", 20),
            ("ClipTimeStart", 0),
            ("ClipTimeEnd", 9),
            ("HoldFirstFrame", 0),
            ("HoldLastFrame", 0),
        ):
            self.loader.SetInput(name, value)
        self.assertEqual(self.frames(19, 20, 29, 30), [None, "1001", "1010", None])

    def test_a_sequence_ends_at_a_gap(self) -> None:
        self.plate([1020])
        self.loader.Clip = self.path
        self.assertEqual(self.loader.GetAttrs("TOOLIT_Clip_Length")[1], 10)


class Tables(DoubleCase):
    def test_lua_there_and_back(self) -> None:
        table = _lua_tables.parse(MACRO)
        keep = table["Tools"]["Keep"]
        self.assertIsInstance(table["Tools"], OrderedDict)
        self.assertEqual((keep["__ctor"], keep["ViewInfo"]["Pos"]), ("MacroOperator", {1.0: 55, 2.0: -16.5}))
        self.assertEqual(_lua_tables.parse(_lua_tables.write(table)), table)
        for wrong in ("{ a = }", "{ 1, 2", "Loader", "{} {}", "{ a = @ }"):
            with self.assertRaises(ValueError):
                _lua_tables.parse(wrong)

    def test_a_macro_shows_what_is_inside(self) -> None:
        comp = user.new_comp()
        bmd = double.bmd()
        self.assertFalse(comp.Paste(bmd.readstring(MACRO)))  # an OrderedDict does not get across
        self.assertEqual(comp.GetToolList(), {})
        plain = _plain(bmd.readstring(MACRO))
        self.assertTrue(comp.Paste(plain))
        macro = comp.FindTool("Keep")
        self.assertEqual([tool.Name for tool in macro.GetChildrenList().values()], ["Result", "Mix"])
        macro.Clip = "/a/b.1001.exr"
        self.assertEqual(comp.FindTool("Result").GetInput("Clip"), "/a/b.1001.exr")
        self.assertEqual((macro.GetInput("Mode"), macro.GetData("Version")), (2, "v003"))
        background = comp.AddTool("Background")
        macro.MainInput1 = background
        self.assertEqual(comp.FindTool("Mix").Background.GetConnectedOutput().GetTool().Name, "Background1")
        self.assertTrue(comp.AddTool("Blur").ConnectInput("Input", macro))
        self.assertTrue(comp.Paste(plain))
        self.assertEqual(comp.FindTool("Keep1").Name, "Keep1")

    def test_settings_go_through_a_file(self) -> None:
        comp = user.new_comp()
        comp.Paste(_plain(double.bmd().readstring(MACRO)))
        path = str(self.folder / "keep.setting")
        self.assertTrue(comp.FindTool("Keep").SaveSettings(path))
        table = double.bmd().readfile(path)
        self.assertEqual(list(table["Tools"]["Keep"]["Tools"]), ["Result", "Mix"])
        self.assertEqual(table["Tools"]["Keep"]["Outputs"]["MainOutput1"]["SourceOp"], "Mix")

    def test_a_table_with_what_fusion_has_not_is_an_error(self) -> None:
        comp = user.new_comp()
        self.broken(lambda: comp.Paste({"Tools": {"A": {"__ctor": "Lodaer"}}}), "no tool 'Lodaer'")
        table = {"Tools": {"A": {"__ctor": "Loader", "Inputs": {"Clipp": {"__ctor": "Input", "Value": "x"}}}}}
        self.broken(lambda: comp.Paste(table), "no input 'Clipp'")


class Clips(DoubleCase):
    def test_a_clips_composition_has_its_range(self) -> None:
        self.project()
        user.new_timeline()
        item = user.place(self.clip(100), source=(20, 44))
        fusion = self.resolve.Fusion()
        self.assertIsNone(fusion.GetCurrentComp())
        self.resolve.OpenPage("fusion")
        comp = fusion.GetCurrentComp()
        found = comp.GetAttrs()
        names = ("COMPN_GlobalStart", "COMPN_GlobalEnd", "COMPN_RenderStart", "COMPN_RenderEnd")
        self.assertEqual([found[name] for name in names], [0, 99, 20, 43])
        self.assertEqual(sorted(tool.ID for tool in comp.GetToolList().values()), ["MediaIn", "MediaOut"])
        self.assertEqual(item.GetFusionCompCount(), 1)
        self.assertEqual(item.GetFusionCompByIndex(1).FindTool("MediaIn1").ID, "MediaIn")
        item.AddFusionComp()
        self.assertEqual(item.GetFusionCompNameList(), ["Composition 1", "Composition 2"])

    def test_a_saver_numbers_its_files(self) -> None:
        comp = user.new_comp(span=(0, 99), render=(10, 12))
        saver = user.add_tool(comp, "Saver", Clip="/out/a.exr")
        for clip, start, expected in (
            ("/out/a.exr", None, "/out/a0010.exr"),
            ("/out/a.0000.exr", None, "/out/a.0010.exr"),
            ("/out/a_00001.exr", 1001, "/out/a_01011.exr"),
        ):
            saver.Clip = clip
            saver.SetSequenceStart = 0 if start is None else 1
            saver.SequenceStartFrame = start or 0
            self.assertEqual(_comp_render.saver_file(saver._thing, 10), expected)

    def test_renders_that_cannot_be(self) -> None:
        comp = user.new_comp(span=(0, 99))
        self.assertFalse(comp.Render({"Start": 0, "End": 1, "Wait": True}))
        saver = user.add_tool(comp, "Saver", Clip=str(self.folder / "a.exr"))
        self.assertFalse(comp.Render({"Tool": saver, "Start": 0, "End": 1}))
        saver.Input = user.add_tool(comp, "Merge")
        self.assertFalse(comp.Render({"Tool": saver, "Start": 0, "End": 1}))
        self.assertIn("Merge1 has no Background", double.session().messages[-1])
        saver.Input = user.add_tool(comp, "Background")
        self.assertFalse(comp.Render({"Tool": saver, "Start": 98, "End": 100}))
        self.assertIn("outside the global range", double.session().messages[-1])
        self.assertEqual(list(self.folder.iterdir()), [])


def _plain(table: Any) -> Any:
    return {key: _plain(value) for key, value in table.items()} if isinstance(table, dict) else table


if __name__ == "__main__":
    unittest.main()
