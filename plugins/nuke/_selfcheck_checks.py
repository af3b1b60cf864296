"""The checks of the self-check, in order. Each says what it found, and raises where that is wrong."""

from __future__ import annotations

import functools
import platform
import sys
import time
import types
from pathlib import Path
from typing import Any, Callable

import nuke
import overscan_nuke
from overscan_host import PROTOCOL, installation
from overscan_nuke import _inside, _knobs, _session
from overscan_nuke._batch import Options, render_node
from overscan_nuke._kinds import KINDS, kind_named
from overscan_nuke._selfcheck_bench import (
    FIRST,
    HEIGHT,
    LAST,
    TALL,
    WIDE,
    WIDTH,
    Bench,
    SkippedError,
    compare_with_plate,
    new_read,
    plain,
    render,
    write_plate,
)
from overscan_nuke._state import shown_version
from overscan_nuke._table import specs_of

_OURS = ("overscan_host", "overscan_nuke")
_FOREIGN = ("grpc", "google", "numpy", "PySide2", "PySide6", "shiboken2", "shiboken6")
_STOCK = (
    "Root", "Input", "Output", "Read", "Write", "Switch", "Transform", "Reformat", "Merge2", "Dot", "StickyNote",
    "Copy", "Remove", "TimeOffset", "Grade", "Tracker4", "Camera2", "Camera3", "Camera4",
)  # fmt: skip
"""Nodes that the plugin makes, or reads from."""
_JOB_SECONDS = 100.0
_LONGEST_VALUE = 200


def versions(bench: Bench) -> str:
    """Which Nuke and which Overscan this is."""
    found = installation()
    facts = {
        "nuke": str(nuke.NUKE_VERSION_STRING), "gui": bool(nuke.GUI), "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}", "overscan": found.version, "protocol": PROTOCOL,
    }  # fmt: skip
    bench.trace("versions", "versions", **facts)
    bench.kept["versions"] = dict(facts, folder=str(found.folder))
    return "Nuke {nuke}, Python {python}, {system}, Overscan {overscan}".format(**facts)


def nothing_foreign(_: Bench) -> str:
    """Whether Overscan, panel aside, uses anything in this process that has crashed hosts before."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] in _OURS}
    held = []
    for name, module in sorted(ours.items()):
        for value in list(vars(module).values()):
            origin = value.__name__ if isinstance(value, types.ModuleType) else str(getattr(value, "__module__", ""))
            if origin.split(".")[0] in _FOREIGN and not name.startswith("overscan_nuke.panel"):
                held.append(f"{name} uses {origin}")
    if held:
        raise AssertionError("; ".join(held))
    return f"{len(ours)} modules, and the standard library alone"


def bridge(bench: Bench) -> str:
    """Whether the bridge starts out of this Nuke, and finds or starts the service."""
    began = time.monotonic()
    status = _session.bridge().request("service.status", timeout_seconds=60.0)
    started = time.monotonic() - began
    service = _session.bridge().request("service.open", timeout_seconds=60.0)
    bench.kept["service"] = service
    whether = "found" if status.get("address") else "started"
    return f"the bridge answered after {started:.1f} s; a service of version {service.get('version')} was {whether}"


def stock_knobs(bench: Bench) -> str:
    """Keeps the knobs of the stock nodes that the plugin uses; their names are held against the double's table."""
    count = 0
    missing = []
    for name in _STOCK:
        try:
            node: Any = nuke.root() if name == "Root" else getattr(nuke.nodes, name)()
        except Exception:  # a class that this version does not have
            missing.append(name)
            continue
        knobs = {}
        for knob_name, knob in sorted(node.knobs().items()):
            value = str(plain(knob.toScript())) if hasattr(knob, "toScript") else ""
            knobs[knob_name] = {"class": knob.Class(), "script": value[:_LONGEST_VALUE]}
            count += 1
        bench.trace("stock_node", name, inputs=[node.minInputs(), node.maxInputs()], knobs=knobs)
        if name != "Root":
            nuke.delete(node)
    without = f"; this Nuke has no {', '.join(missing)}" if missing else ""
    return f"{count} knobs of {len(_STOCK) - len(missing)} nodes{without}"


def behaviours(bench: Bench) -> str:
    """Small things that the double must do as Nuke does them."""
    made: list[Any] = []

    def make(cls: str, **knobs: Any) -> Any:
        node: Any = getattr(nuke.nodes, cls)()
        made.append(node)
        for name, value in knobs.items():
            node[name].setValue(value)
        return node

    one, other = make("NoOp"), make("NoOp")
    one.setName("Same")
    acts: dict[str, Callable[[], Any]] = {
        "a name that is taken, made free": lambda: (other.setName("Same", uncollide=True), other.name())[1],
        "a node that is not there": lambda: nuke.toNode("NoSuchNode"),
        "a knob that is not there": lambda: one["no_such_knob"],
        "a knob that is not there, asked for softly": lambda: one.knob("no_such_knob"),
    }
    texts = {"braces": '{a} [b] $c "d" \\e', "lines": "one\ntwo", "accents": "é ü 漢"}

    def labelled_with(text: str) -> str:
        one["label"].setValue(text)
        return str(one["label"].toScript())

    for what, text in texts.items():
        acts[f"text in a script: {what}"] = functools.partial(labelled_with, text)
    grade = make("Grade")

    def animated() -> Any:
        grade["white"].setAnimated()
        grade["white"].setValueAt(1.0, 1001)
        grade["white"].setValueAt(3.0, 1003)
        return [grade["white"].getValueAt(1002), grade["white"].toScript()]

    acts["a knob with keys at 1001 and 1003"] = animated
    read = new_read("/nowhere/plate.%04d.exr")
    made.append(read)
    shifted = make("TimeOffset", time_offset=10)
    shifted.setInput(0, read)
    acts["range of a Read of 1001-1004"] = lambda: [read.frameRange().first(), read.frameRange().last()]
    acts["range after a TimeOffset of 10"] = lambda: [shifted.frameRange().first(), shifted.frameRange().last()]
    acts["file of a Read as it is"] = lambda: read["file"].value()

    def hashes() -> Any:
        before = list(read.opHashes())
        read["label"].setValue("a label")
        labelled = list(read.opHashes())
        read["file"].setValue("/nowhere/other.%04d.exr")
        return [before == labelled, before == list(read.opHashes())]

    acts["hash: the same with another label, the same with other files"] = hashes
    group: Any = make("Group")
    with group:
        inner: Any = nuke.nodes.NoOp(name="Inner")
    acts["full name of a node in a group"] = lambda: inner.fullName().split(".")[-1]
    group.addKnob(nuke.Int_Knob("amount", "amount"))
    group["amount"].setValue(3)
    with group:
        grade_inside: Any = nuke.nodes.Grade()
    grade_inside["multiply"].setExpression("parent.amount")
    acts["an expression on a knob of the group"] = lambda: grade_inside["multiply"].value()
    choice = nuke.Enumeration_Knob("choice", "choice", ["first", "second"])
    acts["a choice before anything is chosen"] = lambda: choice.value()
    acts["a choice by name"] = lambda: (choice.setValue("second"), choice.value())[1]
    gone: Any = nuke.nodes.NoOp()
    nuke.delete(gone)
    acts["the name of a node that was deleted"] = lambda: gone.name()
    for name, act in acts.items():
        bench.behaviour(name, act)
    for node in made:
        nuke.delete(node)
    return f"{len(acts)} kept for comparison"


def nodes(bench: Bench) -> str:
    """Whether every kind of node can be made, with all its knobs, out of stock nodes alone."""
    counts = []
    for kind in KINDS:
        node = overscan_nuke.create(kind)
        specs = specs_of(kind)
        missing = [spec.name for spec in specs if _knobs.PREFIX + spec.name not in node.knobs()]
        if missing:
            raise AssertionError(f"{kind} lacks the knobs {', '.join(missing)}")
        if node.maxInputs() != len(kind_named(kind).inputs):
            raise AssertionError(f"{kind} has {node.maxInputs()} inputs")
        inside = sorted({inner.Class() for inner in nuke.allNodes(group=node)})
        knobs = {
            name: {"class": knob.Class(), "value": plain(knob.value())}
            for name, knob in sorted(node.knobs().items())
            if name.startswith(_knobs.PREFIX) and hasattr(knob, "value")
        }
        bench.trace("overscan_node", kind, inside=inside, knobs=knobs)
        counts.append(f"{kind}: {len(specs)} knobs")
        nuke.delete(node)
    return ", ".join(counts)


def passthrough(bench: Bench) -> str:
    """Whether a node without a result gives its plate, bit for bit."""
    pattern = write_plate(bench.folder / "plate")
    bench.kept["plate"] = pattern
    read = new_read(pattern)
    read.selectOnly()
    node = overscan_nuke.create("extend")
    if node.input(0) is None:
        node.setInput(0, read)
    picture = render(node, bench.folder / "passthrough", frame=FIRST + 1)
    compared = compare_with_plate(picture, frame=FIRST + 1, at=(0, 0))
    bench.kept["node"] = node
    return f"{compared:,} samples are the plate's"


def generates(bench: Bench) -> str:
    """Whether a node makes frames, and gives them with the plate in them, bit for bit."""
    node = bench.need("node")
    bench.need("service")
    nuke.addFormat(f"{WIDE} {TALL} overscan_selfcheck")
    for name, value in (
        ("target", "format"), ("format", "overscan_selfcheck"), ("quality", "preview"), ("fill", "smooth"),
        ("output", (bench.folder / "result" / "{node}" / "{version}" / "{node}.%04d.exr").as_posix()),
    ):  # fmt: skip
        _knobs.put(node, name, value)
    options = Options(script="", node=node.name(), frames=f"{FIRST}-{LAST}", timeout_seconds=_JOB_SECONDS)
    code = render_node(node, options)
    if code != 0:
        raise AssertionError(f"the run ended with {code}: {_knobs.get(node, 'progress')}")
    version = shown_version(node)
    if version is None or version.state != "succeeded":
        raise AssertionError("the node does not show the version that was made")
    bench.kept["version"] = version.name
    return _whole_result(node, bench.folder / "rendered")


def _whole_result(node: Any, folder: Path) -> str:
    compared = 0
    for frame in (FIRST, LAST):
        picture = render(node, folder, frame=frame)
        if picture.display_window != (0, 0, WIDE - 1, TALL - 1):
            raise AssertionError(f"the result's format is {picture.display_window}")
        compared += compare_with_plate(picture, frame=frame, at=((WIDE - WIDTH) // 2, (TALL - HEIGHT) // 2))
    return f"{compared:,} samples of the plate are in the result as they were"


def extra_layers(bench: Bench) -> str:
    """Whether Nuke sees what was generated and where it came from."""
    bench.need("version")
    nuke.frame(FIRST)
    found = _inside.extra_layers(bench.need("node"))
    bench.trace("layers", "extra layers", layers=found)
    if "generated" not in found:
        raise AssertionError(f"Nuke shows no layer 'generated', just {sorted(found)}")
    return ", ".join(f"{name} as {layer}" for name, layer in sorted(found.items()))


def hand_over(bench: Bench) -> str:
    """Whether a plate that something changes is rendered to the cache and given back as it was rendered."""
    bench.need("version")
    read: Any = bench.need("node").input(0)
    grade: Any = nuke.nodes.Grade()
    grade.setInput(0, read)
    grade["multiply"].setValue(0.5)
    node: Any = overscan_nuke.create("extend")
    node.setInput(0, grade)
    for name, value in (
        ("target", "format"), ("format", "overscan_selfcheck"), ("quality", "preview"), ("fill", "smooth"),
        ("output", (bench.folder / "graded" / "{node}" / "{version}" / "{node}.%04d.exr").as_posix()),
    ):  # fmt: skip
        _knobs.put(node, name, value)
    options = Options(script="", node=node.name(), frames=f"{FIRST}-{LAST}", timeout_seconds=_JOB_SECONDS)
    if render_node(node, options) != 0:
        raise AssertionError(f"the run failed: {_knobs.get(node, 'progress')}")
    graded = render(grade, bench.folder / "graded_plate", frame=FIRST)
    result = render(node, bench.folder / "graded_result", frame=FIRST)
    across, down = (WIDE - WIDTH) // 2, (TALL - HEIGHT) // 2
    for name in "RGB":
        for y in range(HEIGHT):
            for x in range(WIDTH):
                if graded.float_bits(name, x, y) != result.float_bits(name, x + across, y + down):
                    raise AssertionError(f"{name} at {x},{y} differs from what Nuke renders of the graded plate")
    return f"{3 * WIDTH * HEIGHT:,} samples of the graded plate are in the result as Nuke renders them"


def script(bench: Bench) -> str:
    """Whether a saved script comes back the same; keeps it as the golden script."""
    node = bench.need("node")
    name, version = node.name(), bench.kept.get("version")
    before = _values(node)
    path = bench.folder / "golden.nk"
    nuke.scriptSaveAs(path.as_posix(), overwrite=1)
    nuke.scriptClear()
    nuke.scriptOpen(path.as_posix())
    again: Any = nuke.toNode(name)
    if again is None:
        raise AssertionError(f"the node {name} is gone")
    changed = sorted(knob for knob, value in _values(again).items() if before.get(knob) != value)
    if changed:
        raise AssertionError(f"these knobs came back changed: {', '.join(changed)}")
    bench.kept["node"] = again
    if version is None:
        return f"{len(before)} knobs came back as they were"
    return f"{len(before)} knobs came back as they were; " + _whole_result(again, bench.folder / "reopened")


def _values(node: Any) -> dict[str, str]:
    return {
        name: str(knob.toScript())
        for name, knob in node.knobs().items()
        if name.startswith(_knobs.PREFIX) and hasattr(knob, "toScript")
    }


def without_plugin(bench: Bench) -> str:
    """Whether the golden script would work in a Nuke that has no Overscan: stock nodes, and guarded buttons."""
    text = (bench.folder / "golden.nk").read_text(encoding="utf-8", errors="replace")
    bench.need("node")
    ours = [line for line in text.splitlines() if line.lstrip().startswith("Overscan") and line.rstrip().endswith("{")]
    if ours:
        raise AssertionError(f"the script has nodes that only Overscan has: {ours[0].strip()}")
    if text.count("import overscan_nuke") != text.count("except ImportError"):
        raise AssertionError("a button of the script does not expect Overscan to be missing")
    return "stock nodes only, every button guarded"


def ends_cleanly(_: Bench) -> str:
    """Whether nothing is left running when Overscan lets go."""
    process = _session.bridge().process_id
    if not process:
        raise SkippedError("no bridge was started")
    _session.close()
    return "the bridge ended when it was told to; jobs would go on in the service"


CHECKS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("versions", versions),
    ("nothing foreign in the process", nothing_foreign),
    ("knobs of stock nodes", stock_knobs),
    ("behaviours", behaviours),
    ("nodes and knobs", nodes),
    ("pass-through", passthrough),
    ("bridge and service", bridge),
    ("generate", generates),
    ("extra layers", extra_layers),
    ("hand-over of a graded plate", hand_over),
    ("save and reopen", script),
    ("works without the plugin", without_plugin),
    ("ends cleanly", ends_cleanly),
)
"""All checks, by the names that the report has."""
