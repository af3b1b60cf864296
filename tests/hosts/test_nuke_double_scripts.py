"""Scripts: written as Tcl that Tcl takes, read back equal, and opened without the plugin."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from tests.hosts.nuke_double import _tcl, double
from tests.hosts.nuke_double_case import DoubleCase

# Every node is a command with one word; unknown commands are node classes. Prints each node's words as hexadecimal.
CHECKER = r"""
proc version {args} {}
proc add_layer {args} {}
proc end_group {} { puts "end_group" }
proc stack {n} { return "node$n" }
proc push {n} { puts "push" }
proc hex {text} { binary scan [encoding convertto utf-8 $text] H* out; return $out }
proc unknown {args} {
    if {[llength $args] != 2} { error "a command with [llength $args] words: $args" }
    set body [lindex $args 1]
    if {[llength $body] % 2} { error "a knob without a value in $args" }
    set line [list [lindex $args 0]]
    foreach word $body { lappend line "=[hex $word]" }
    puts $line
}
proc open_script {} {}
source -encoding utf-8 [lindex $argv 0]
"""
AWKWARD = 'brackets [1] {a} "q" \\ $b \n tab\t # ; é 漢 \\n {'


def tcl_words(path: str) -> list[tuple[str, list[str]]]:
    """What tclsh makes of a script: for each node its class and the words of its braces."""
    with tempfile.TemporaryDirectory() as folder:
        checker = Path(folder) / "check.tcl"
        checker.write_text(CHECKER)
        done = subprocess.run(["tclsh", str(checker), path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    found = []
    for line in done.stdout.splitlines():
        parts = line.split()
        if parts[0] not in {"push", "end_group"}:
            found.append((parts[0], [bytes.fromhex(word[1:]).decode() for word in parts[1:]]))
    return found


def our_words(path: str) -> list[tuple[str, list[str]]]:
    """The same, by the double's own reader."""
    text = Path(path).read_text(encoding="utf-8")
    return [
        (words[0].text, [word.text for word in _tcl.words(words[1].text)])
        for words in _tcl.commands(text)
        if words[0].text not in {"version", "push", "set", "end_group", "add_layer"}
    ]


class Scripts(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = str(Path(self.folder) / "shot v1.nk")

    def build(self) -> None:
        """A script with everything in it that is hard to write."""
        nuke = self.nuke
        plate = nuke.nodes.Read(file="/shots/[value root.name]/p.%04d.exr", first=1001, last=1010, label="[value file]")
        group = nuke.createNode("Group")
        group.setInput(0, None)
        tab = nuke.Tab_Knob("overscan", "Overscan")
        for knob in (
            tab, nuke.Int_Knob("overscan_schema"), nuke.String_Knob("prompt", "the prompt"), nuke.Double_Knob("margin"),
            nuke.Boolean_Knob("on"), nuke.Enumeration_Knob("pick", "pick", ["a", "b c", "d[e"]), nuke.XY_Knob("place"),
            nuke.Text_Knob("", ""), nuke.Text_Knob("note", "", AWKWARD),
            nuke.PyScript_Knob("go", "Go", "print('{[$\\n')"),
            nuke.Tab_Knob("more", "More", nuke.TABBEGINGROUP), nuke.BBox_Knob("box"), nuke.File_Knob("out"),
            nuke.Multiline_Eval_String_Knob("text"), nuke.Format_Knob("format_of"), nuke.Channel_Knob("channel"),
            nuke.Tab_Knob("end", "", nuke.TABENDGROUP), nuke.Link_Knob("which", "version"),
        ):  # fmt: skip
            group.addKnob(knob)
        group["overscan_schema"].setFlag(nuke.INVISIBLE)
        group["prompt"].setValue(AWKWARD)
        group["text"].setValue(AWKWARD)
        group["prompt"].setTooltip("say {what} [you] want")
        group["margin"].setAnimated()
        group["margin"].setValueAt(10.25, 1001)
        group["margin"].setValueAt(-3, 1010)
        group["margin"].setRange(0, 50)
        group["on"].setValue(True)
        group["pick"].setValue("d[e")
        group["place"].setExpression("width/2 + sin(frame)", 0)
        group["box"].setValue([1, 2, 3.5, 4])
        group["format_of"].setValue(nuke.addFormat("2880 2160 2 anamorphic plate"))
        group["channel"].setValue("matte.alpha")
        with group:
            first = nuke.nodes.Input(name="plate")
            second = nuke.nodes.Input(name="matte")
            switch = nuke.nodes.Switch(inputs=[first, second])
            switch["which"].setExpression("parent.overscan_schema")
            nuke.nodes.Output(inputs=[switch])
        group["which"].makeLink("Switch1", "which")
        merge = nuke.nodes.Merge2(inputs=[plate, group, plate], operation="copy")
        nuke.nodes.Grade(inputs=[merge], add="0.1 0.2 0.3 0")
        nuke.nodes.Keymix(inputs=[plate, merge])
        nuke.nodes.Write(file=str(Path(self.folder) / "o.%04d.exr"), inputs=[merge], metadata="all metadata")

    def state(self) -> dict[str, Any]:
        """Everything of a script that must come back."""
        return {
            node.fullName(): (
                node.Class(),
                [source.fullName() if source else None for source in node._inputs],
                # Text knobs of number 1 come back as EvalString_Knob, which they are to a script.
                [
                    (
                        name,
                        knob.Class().replace("EvalString", "String"),
                        knob._flags,
                        knob.label(),
                        knob.tooltip(),
                        knob._script(),
                    )
                    for name, knob in node._knobs.items()
                ],
            )
            for node in self.nuke.allNodes(recurseGroups=True)
        }

    def test_a_script_comes_back_as_it_was_saved(self) -> None:
        self.build()
        before = self.state()
        self.nuke.scriptSave(self.path)
        self.nuke.scriptOpen(self.path)
        self.assertEqual(double.session().errors, [])
        self.assertEqual(self.state(), before)
        self.assertFalse(self.nuke.modified())
        self.assertEqual(self.nuke.scriptName(), self.path)

    @unittest.skipUnless(shutil.which("tclsh"), "needs tclsh (on Debian: apt-get install tcl)")
    def test_tcl_takes_the_script_and_sees_the_same_words(self) -> None:
        self.build()
        self.nuke.scriptSave(self.path)
        seen = tcl_words(self.path)
        self.assertEqual(seen, our_words(self.path))
        self.assertEqual(sum(name != "Root" for name, _ in seen), len(self.nuke.allNodes(recurseGroups=True)))
        group = next(words for name, words in seen if name == "Group")
        self.assertEqual(group[group.index("prompt") + 1], AWKWARD)

    def test_copy_and_paste_into_another_script(self) -> None:
        self.build()
        group = self.nuke.toNode("Group1")
        prompt = group["prompt"].value()
        group.selectOnly()
        self.nuke.nodeCopy("%clipboard%")
        self.nuke.scriptClear()
        pasted = self.nuke.nodePaste("%clipboard%")
        self.assertEqual((pasted.Class(), pasted["prompt"].value(), pasted.numNodes()), ("Group", prompt, 4))
        self.nuke.selectAll()
        twin = self.nuke.nodePaste("%clipboard%")
        self.assertEqual(twin.name(), "Group2")

    def test_a_script_that_nuke_wrote(self) -> None:
        self.nuke.scriptReadText(NUKES_OWN)
        self.assertEqual(double.session().errors, [])
        grade, merge = self.nuke.toNode("Grade1"), self.nuke.toNode("Merge1")
        self.assertEqual([source.name() for source in merge._inputs], ["Read1", "Grade1", "Group1"])
        self.assertEqual(grade["white"].getValueAt(1), [1.0, 1.0, 1.0, 1.0])
        self.assertEqual(grade["multiply"].getValueAt(1010), [2.0, 3.0, 4.0, 1.0])
        self.assertEqual(grade["mix"].getValueAt(1), 0.5)
        self.assertEqual(self.nuke.toNode("Group1.Blur1")["size"].value(), [12.0, 12.0])
        self.assertEqual(self.nuke.root()["last_frame"].value(), 1010)
        self.assertEqual(self.nuke.toNode("Read1")["format"].value().name(), "HD_1080")
        self.assertEqual(self.nuke.toNode("Group1")["knobChanged"].value(), "n = nuke.thisNode()\nprint(n)")

    def test_unknown_classes_load_and_are_saved_again(self) -> None:
        text = "set cut_paste_input [stack 0]\nConstant {\n inputs 0\n name C\n}\n"
        text += 'FancyGizmo {\n size {{curve x1 2}}\n mode "a b"\n name Fancy\n}\n'
        self.nuke.scriptReadText(text)
        fancy = self.nuke.toNode("Fancy")
        self.assertEqual((fancy.Class(), fancy.hasError(), fancy.input(0).name()), ("FancyGizmo", True, "C"))
        self.assertEqual(double.session().errors, ["FancyGizmo: Unknown command"])
        self.nuke.scriptSave(self.path)
        self.nuke.scriptOpen(self.path)
        self.assertIn("size {{curve x1 2}}", self.nuke.toNode("Fancy")._unknown_lines)

    def test_a_wrong_knob_is_an_error_in_the_console_and_the_rest_loads(self) -> None:
        self.nuke.scriptReadText("Read {\n inputs 0\n nonsense 3\n name R\n}\nDot {\n name D\n}\n")
        self.assertEqual(double.session().errors, ["Read1: no such knob 'nonsense'"])
        self.assertIsNotNone(self.nuke.toNode("D"))

    def test_knob_text(self) -> None:
        node = self.nuke.nodes.Read(file="/a b/c.exr", first=3)
        self.assertEqual(node["file"].toScript(), '"/a b/c.exr"')
        self.assertIn("first 3", node.writeKnobs(self.nuke.TO_SCRIPT))
        node.readKnobs('first 9 addUserKnob {1 extra l "more of it"} extra yes')
        self.assertEqual(
            (node["first"].value(), node["extra"].value(), node["extra"].label()), (9, "yes", "more of it")
        )
        node["first"].fromScript("{{frame+1}}")
        self.assertEqual((node["first"].value(), node["first"].toScript()), (2, "{{frame+1}}"))

    def test_callbacks_around_files(self) -> None:
        seen: list[str] = []
        self.nuke.addOnScriptSave(lambda: seen.append("save"))
        self.nuke.addOnScriptLoad(lambda: seen.append("load"))
        self.nuke.addOnScriptClose(lambda: seen.append("close"))
        with self.assertRaises(RuntimeError):
            self.nuke.scriptName()
        self.nuke.scriptSaveAs(self.path)
        with self.assertRaises(RuntimeError):
            self.nuke.scriptSaveAs(self.path)
        old = self.nuke.nodes.Read()
        self.nuke.scriptOpen(self.path)
        self.assertEqual(seen, ["save", "close", "load"])
        with self.assertRaises(ValueError):
            old.name()


NUKES_OWN = r"""#! /usr/local/Nuke13.2v8/Nuke13.2 -nx
version 13.2 v8
define_window_layout_xml {<?xml version="1.0" encoding="UTF-8"?>
<layout version="1.0"><window x="0" y="27"/></layout>
}
Root {
 inputs 0
 name /shots/a.nk
 frame 1005
 first_frame 1001
 last_frame 1010
 format "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)"
 proxy_type scale
 colorManagement Nuke
}
Read {
 inputs 0
 file_type exr
 file /shots/plate.%04d.exr
 format "1920 1080 0 0 1920 1080 1 HD_1080"
 first 1001
 last 1010
 origfirst 1001
 origlast 1010
 origset true
 name Read1
 xpos -100
 ypos -50
}
set N6820b400 [stack 0]
push $N6820b400
Group {
 name Group1
 knobChanged "n = nuke.thisNode()\nprint(n)"
 tile_color 0xff7f00ff
 addUserKnob {20 User l "my \[tab]"}
 addUserKnob {41 size l "blur size" T Blur1.size}
 addUserKnob {26 ""}
 addUserKnob {22 run l Run -STARTLINE T "print \"\{ok\}\""}
}
 Input {
  inputs 0
  name Input1
 }
 Blur {
  size 12
  name Blur1
 }
 Output {
  name Output1
 }
end_group
push $N6820b400
Grade {
 white {{curve x1 1 x10 1}}
 multiply {{curve x1010 2} 3 {"frame - 1006"} 1}
 mix {{"frame > 0 ? 0.5 : 0" x1 0}}
 name Grade1
}
push $N6820b400
Merge2 {
 inputs 2+1
 name Merge1
 selected true
}
"""


if __name__ == "__main__":
    unittest.main()
