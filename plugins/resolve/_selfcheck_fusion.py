"""The self-check's checks of Fusion and of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from overscan_host import run_through
from overscan_host.selfcheck import Bench, SkippedError, plain
from overscan_resolve._asking import ask
from overscan_resolve._fusion_flow import tools_of
from overscan_resolve._fusion_result import Shown, show
from overscan_resolve._fusion_saver import save_steps
from overscan_resolve._selfcheck_scene import FIRST, SHOT, own_item

_TOOLS = ("Loader", "Saver", "Background", "Merge", "EllipseMask")
"""Tools that the plugin makes, or reads from."""
_ELEMENTS = ("Label", "Button", "LineEdit", "ComboBox", "SpinBox", "CheckBox", "TextEdit", "Tree", "Timer")


def fusion_tools(bench: Bench) -> str:
    """Whether a composition takes a result in, and a Saver writes what is asked for; keeps names of inputs."""
    item = own_item(bench)
    comp = ask(item, "AddFusionComp")
    if comp is None:
        raise SkippedError("Resolve makes no composition in a clip")
    count = 0
    for kind in _TOOLS:
        tool = _added(comp, kind)
        if tool is None:
            raise AssertionError(f"Fusion adds no {kind}")
        inputs = {str(one.ID): plain(one.GetAttrs().get("INPS_DataType")) for one in tool.GetInputList().values()}
        bench.trace("tool", kind, inputs=inputs)
        count += len(inputs)
        tool.Delete()
    loader = _added(comp, "Loader")
    plate = Path(bench.need("pattern") % FIRST)
    loader.SetInput("Clip", str(plate))

    def read() -> Any:
        attributes = loader.GetAttrs()
        values = [plain(attributes.get(name)) for name in ("TOOLIT_Clip_StartFrame", "TOOLNT_Clip_Start")]
        return values + [ask(loader, "GetInput", name) for name in ("GlobalIn", "GlobalOut", "ClipTimeStart")]

    bench.behaviour("a Loader of a sequence from 1001 on", read)
    for name, value in (("GlobalOut", 9), ("GlobalIn", 0)):
        loader.SetInput(name, value)
    bench.behaviour("a Loader that was told to begin at 0", read)
    begins = int(ask(loader, "GetInput", "GlobalIn") or 0)
    saved = run_through(
        save_steps(comp, loader, first=begins, last=begins + 1, folder=bench.folder / "saved", name="saved"),
        bridge=bench.need("session").bridge,
    )
    loader.Delete()
    before = len(tools_of(comp))
    shown = Shown(path=bench.need("pattern"), frames=f"{FIRST}-{FIRST + 3}", number_at_zero=FIRST)
    notes = show(comp, f"{SHOT}_result", shown, version="v001", beside=None)
    bench.trace("behaviour", "a result pasted as a macro", gives=[len(notes), len(tools_of(comp)) - before])
    if notes:
        raise AssertionError(" ".join(notes))
    return f"{count} inputs of {len(_TOOLS)} tools; a Saver wrote {saved.width}x{saved.height}; a result is a macro"


def _added(comp: Any, kind: str) -> Any:
    comp.Lock()  # or a file dialog opens
    try:
        return comp.AddTool(kind, 0, 0)
    finally:
        comp.Unlock()


def windows(bench: Bench) -> str:
    """Whether this Resolve has windows for scripts."""
    fusion = ask(bench.need("resolve"), "Fusion")
    ui = fusion.UIManager if fusion is not None else None
    if ui is None:
        raise SkippedError("no windows for scripts: Resolve runs without its own, or is the free edition")
    found = {name: getattr(ui, name, None) is not None for name in _ELEMENTS}
    bench.trace("behaviour", "elements of windows", gives=found)
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise AssertionError(f"UIManager has no {', '.join(missing)}")
    return f"UIManager, with {len(found)} kinds of elements"
