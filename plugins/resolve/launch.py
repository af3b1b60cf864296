"""What the scripts in Resolve's menu call: Workspace > Scripts > Overscan.

A script never breaks Resolve, and never ends without a word: what goes wrong is shown in a window where there is one,
and printed in one line that begins with ``[overscan]``, with the traceback where it is our mistake.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, Callable, Mapping

from overscan_host import BridgeError, refuse
from overscan_resolve._asking import text
from overscan_resolve._words import error_words

_STUDIO = (
    "Open Overscan from the shell instead (`overscan resolve --help`), or use the watch folder, which works with every "
    "edition: `overscan watch-folder IN OUT`."
)


def run(name: str, found: Mapping[str, Any]) -> int:
    """Run a script by its name; `found` are the globals that Resolve gave it. Returns 0, or 1 where it could not."""
    scripts = _scripts()
    try:
        if name not in scripts:
            raise refuse("USAGE", f"There is no script '{name}' in this Overscan.",
                         "Run `overscan install resolve` again: the launcher is of another version.")  # fmt: skip
        resolve, fusion, bmd = host_of(found)
        scripts[name](resolve, fusion, bmd, found)
    except BridgeError as error:
        say(error_words(error))
        return 1
    except Exception as error:
        say(error_words(error))
        traceback.print_exc()
        return 1
    return 0


def say(words: str) -> None:
    """To Resolve's console, which shows what a script prints."""
    sys.stdout.write(f"[overscan] {words}\n")
    sys.stdout.flush()


def host_of(found: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """`resolve`, `fusion` and `bmd`, which Resolve puts among a script's globals. Raises `RefusalError`."""
    bmd, fusion, resolve = found.get("bmd"), found.get("fusion") or found.get("fu"), found.get("resolve")
    if resolve is None and fusion is not None:
        resolve = fusion.GetResolve()
    if resolve is None and bmd is not None:
        resolve = bmd.scriptapp("Resolve")
    if resolve is None and fusion is None:
        raise refuse("UNSUPPORTED", "Resolve gives scripts no access to itself. The free edition does not.", _STUDIO)
    if fusion is None and resolve is not None:
        fusion = resolve.Fusion()
    return resolve, fusion, bmd


def windows_of(resolve: Any, fusion: Any, bmd: Any) -> tuple[Any, Any]:
    """UIManager and a dispatcher. Raises `RefusalError` where this Resolve has no windows for scripts."""
    ui = fusion.UIManager
    if ui is None or bmd is None:
        edition = text(resolve, "GetProductName") or "This Resolve"
        raise refuse("UNSUPPORTED", f"{edition} has no windows for scripts here: they need Resolve Studio and its "
                     "own window.", _STUDIO)  # fmt: skip
    return ui, bmd.UIDispatcher(ui)


def _scripts() -> dict[str, Callable[[Any, Any, Any, Mapping[str, Any]], None]]:
    return {
        "inpaint": _task("inpaint"),
        "extend": _task("extend"),
        "continue": _task("continue"),
        "fill": _task("fill"),
        "queue": _queue,
        "fusion": _fusion,
        "selfcheck": _selfcheck,
    }


def _task(task: str) -> Callable[[Any, Any, Any, Mapping[str, Any]], None]:
    def open_window(resolve: Any, fusion: Any, bmd: Any, found: Mapping[str, Any]) -> None:
        del found
        from overscan_resolve._task_window import TaskWindow

        ui, dispatcher = windows_of(resolve, fusion, bmd)
        TaskWindow(resolve, fusion, ui, dispatcher, task=task).run()

    return open_window


def _queue(resolve: Any, fusion: Any, bmd: Any, found: Mapping[str, Any]) -> None:
    del found
    from overscan_resolve._queue_window import QueueWindow

    ui, dispatcher = windows_of(resolve, fusion, bmd)
    QueueWindow(resolve, ui, dispatcher).run()


def _fusion(resolve: Any, fusion: Any, bmd: Any, found: Mapping[str, Any]) -> None:
    from overscan_resolve._fusion_window import FusionWindow

    comp = found.get("comp") or fusion.GetCurrentComp()
    if comp is None:
        raise refuse("INVALID_JOB", "No composition is open.", "Open the clip's composition on the Fusion page.")
    ui, dispatcher = windows_of(resolve, fusion, bmd)
    FusionWindow(resolve, fusion, comp, ui, dispatcher).run()


def _selfcheck(resolve: Any, fusion: Any, bmd: Any, found: Mapping[str, Any]) -> None:
    del fusion, bmd, found
    from overscan_resolve._selfcheck import check_here

    check_here(resolve, say=say)
