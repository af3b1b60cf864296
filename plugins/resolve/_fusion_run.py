"""A run on a tool of a composition: hand it over, create the job, show the result as a macro."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

from overscan_host import (
    Ask,
    BridgeError,
    Place,
    Problem,
    Steps,
    Work,
    at_version,
    build_job,
    give_back_version,
    refuse,
    reserve_version,
)
from overscan_resolve._asking import ask
from overscan_resolve._fusion_flow import Files, files_behind, range_of, tool_named
from overscan_resolve._fusion_result import Shown, show
from overscan_resolve._fusion_saver import FIRST_NUMBER, Saved, save_mask_steps, save_steps
from overscan_resolve._run import PLAN_SECONDS, Planned
from overscan_resolve._words import duration, problem_words

NAME = "overscan_fusion.json"
_SCHEMA = 1
_QUICK_SECONDS = 60.0


@dataclass(frozen=True)
class FlowWish:
    """What is asked for."""

    task: str
    """``inpaint``, ``extend`` or ``fill``."""
    tool: str
    """Name of the tool whose picture is the plate."""
    matte: str = ""
    """Name of a mask; empty for the alpha of the plate. For ``inpaint`` and ``fill``."""
    whole: bool = False
    """The global range, not the render range."""
    size: str = ""
    """For ``extend``."""
    color_space: str = ""
    engine: str = ""
    prompt: str = ""
    output: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job_task(self) -> str:
        """The service's name of the task."""
        return "inpaint" if self.task == "fill" else self.task

    def check(self) -> None:
        """Raises `RefusalError` for what is not whole."""
        if self.task == "extend" and not re.fullmatch(r"\d+x\d+", self.size):
            raise refuse("USAGE", "The new format is missing.", "Write it like 2880x1080.", field="size")
        if self.task == "fill" and not self.prompt:
            raise refuse("USAGE", "To fill by words, words are needed.", "Describe what is to be seen there.")


@dataclass(frozen=True)
class FlowRecord:
    """What is known of a run, beside its frames."""

    job_id: str
    version: str
    path: str
    shot: str
    """Name of the tool."""
    comp: str
    frames: str
    number_at_zero: int
    """Number of the file for time 0 of the composition."""
    task: str
    state: str = "queued"
    placed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The version's own."""
        return Path(self.path).parent


@dataclass(frozen=True)
class _Ready:
    pattern: str
    first: int
    last: int
    matte: dict[str, Any] | None
    number_at_zero: int


def plan_flow_steps(comp: Any, wish: FlowWish) -> Steps:
    """Say what a run would do; returns a `Planned`. Changes nothing. Raises `BridgeError`."""
    wish.check()
    first, last = range_of(comp, whole=wish.whole)
    tool = tool_named(comp, wish.tool)
    files, why = files_behind(tool, first, last)
    count = last - first + 1
    reasons = [] if files is not None else [f"{count} frames of {wish.tool}, because {why}"]
    if wish.job_task == "inpaint" and wish.matte:
        tool_named(comp, wish.matte)
        reasons.append(f"{count} frames of the mask {wish.matte}")
    if reasons or files is None:
        yield
        return Planned(f"{wish.tool}: first Fusion renders {'; '.join(reasons)}.", None)
    ready = _Ready(files.pattern, first + files.number_at_zero, last + files.number_at_zero, None, files.number_at_zero)
    if wish.job_task == "inpaint":
        ready = replace(ready, matte=_own_alpha(ready.pattern, ready.first, ready.last))
    job = _job(wish, ready, output=at_version(_template(comp, wish), "v999"), comp_name=_comp_name(comp))
    plan = yield Ask("job.plan", {"job": job}, PLAN_SECONDS)
    problems = tuple(Problem.from_plain(problem) for problem in plan.get("problems", []))
    if not plan.get("feasible"):
        return Planned(f"{wish.tool}: this cannot run yet.\n{problem_words(problems)}", False, problems)
    seconds = float(plan.get("estimate", {}).get("seconds", 0.0))
    window = plan.get("display_window", {})
    words = "{}: {} makes frames {} at {}x{}, in about {}. The plate is used as it is on disk.".format(
        wish.tool, plan.get("engine", "the engine"), plan.get("frames", "?"), window.get("width", "?"),
        window.get("height", "?"), duration(seconds),
    )  # fmt: skip
    warnings = [str(notice.get("message", "")) for notice in plan.get("warnings", [])]
    return Planned("\n".join([words, *warnings]), True, problems)


def generate_flow_steps(comp: Any, wish: FlowWish) -> Steps:
    """Render what is needed, create the job; returns its `FlowRecord`. Raises `BridgeError`; nothing is left then."""
    wish.check()
    first, last = range_of(comp, whole=wish.whole)
    tool = tool_named(comp, wish.tool)
    mask = tool_named(comp, wish.matte) if wish.job_task == "inpaint" and wish.matte else None
    files, _ = files_behind(tool, first, last)
    template = _template(comp, wish)
    place: Place
    place = yield Work(lambda: reserve_version(template))
    created = ""
    try:
        ready: _Ready
        ready = yield from _handed_over(comp, tool, mask, files, wish, first, last, Path(place.folder))
        job = _job(wish, ready, output=place.path, comp_name=_comp_name(comp))
        answer = yield Ask("job.create", {"job": job, "request_id": str(uuid.uuid4())}, PLAN_SECONDS)
        created = str(answer["id"])
        yield  # pressed while the answer was on its way, Cancel counts here
        frames = str(answer.get("plan", {}).get("frames", "")) or f"{ready.first}-{ready.last}"
        record = FlowRecord(
            job_id=created, version=place.name, path=place.path, shot=wish.tool, comp=_comp_name(comp), frames=frames,
            number_at_zero=ready.number_at_zero, task=wish.task, state=str(answer.get("state", "queued")),
        )  # fmt: skip
        yield Work(lambda: save_flow(record))
        return record
    except BaseException:
        if created:
            with contextlib.suppress(BridgeError):
                yield Ask("job.cancel", {"job_id": created}, _QUICK_SECONDS)
        else:
            for folder in ("plate", "matte"):
                shutil.rmtree(str(Path(place.folder) / folder), ignore_errors=True)
            give_back_version(place)
        raise


def _handed_over(
    comp: Any, tool: Any, mask: Any, files: Files | None, wish: FlowWish, first: int, last: int, folder: Path
) -> Steps:
    name = _safe(wish.tool)
    count = last - first + 1
    if files is not None:
        pattern, at_zero = files.pattern, files.number_at_zero
        begins = first + at_zero
    else:
        saved: Saved
        saved = yield from save_steps(comp, tool, first=first, last=last, folder=folder / "plate", name=name)
        pattern, at_zero, begins = saved.pattern, FIRST_NUMBER - first, FIRST_NUMBER
    ready = _Ready(pattern, begins, begins + count - 1, None, at_zero)
    if wish.job_task != "inpaint":
        return ready
    if mask is None:
        return replace(ready, matte=_own_alpha(pattern, ready.first, ready.last))
    width, height = (saved.width, saved.height) if files is None else _size_of(pattern % begins)
    matte: Saved
    matte = yield from save_mask_steps(
        comp, mask, first=first, last=last, folder=folder / "matte", name=f"{name}_matte", width=width, height=height
    )
    if begins != FIRST_NUMBER:  # a matte has the plate's numbers
        matte = replace(matte, pattern=_renumbered(matte.pattern, count, begins))
    frames = f"{begins}-{begins + count - 1}"
    return replace(ready, matte={"sequence": {"path": matte.pattern, "frames": frames}, "channel": "A"})


def _own_alpha(pattern: str, first: int, last: int) -> dict[str, Any]:
    return {"sequence": {"path": pattern, "frames": f"{first}-{last}"}, "channel": "A"}


def _renumbered(pattern: str, count: int, begins: int) -> str:
    order = range(count) if begins < FIRST_NUMBER else range(count - 1, -1, -1)
    for index in order:
        os.replace(pattern % (FIRST_NUMBER + index), pattern % (begins + index))  # noqa: PTH105
    return pattern


def _size_of(path: str) -> tuple[int, int]:
    from overscan_resolve._exr_header import read_header

    try:
        header = read_header(Path(path))
    except (OSError, ValueError) as problem:
        raise refuse(
            "MISSING_FRAMES",
            f"{path} cannot be read: {problem}.",
            "Check the Loader; of other formats than EXR the tool behind it can be used.",
            path=path,
        ) from problem
    return header.width, header.height


def _job(wish: FlowWish, ready: _Ready, *, output: str, comp_name: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"matte": ready.matte}
    if wish.task == "extend":
        settings = {"format": {"size": wish.size}}
    frames = str(ready.first) if ready.first == ready.last else f"{ready.first}-{ready.last}"
    return build_job(
        task=wish.job_task,
        settings=settings,
        output={"path": output, "extras": "sidecar"},
        plate={"path": ready.pattern, "frames": frames, "color_space": wish.color_space},
        controls={"prompt": wish.prompt, "parameters": dict(wish.parameters)},
        engine=wish.engine,
        labels={"show": comp_name, "shot": wish.tool},
    )


def _template(comp: Any, wish: FlowWish) -> str:
    root = wish.output or os.environ.get("OVERSCAN_RESOLVE_OUTPUT", "")
    if not root:
        saved = str((comp.GetAttrs() or {}).get("COMPS_FileName") or "")
        root = os.path.join(os.path.dirname(saved), "overscan") if saved else str(Path.home() / "Overscan" / "Fusion")  # noqa: PTH118, PTH120
    root = os.path.abspath(os.path.expanduser(root)).replace("\\", "/").rstrip("/")  # noqa: PTH100, PTH111
    name = _safe(wish.tool)
    return f"{root}/{name}/{{version}}/{name}_{{version}}.%04d.exr"


def _comp_name(comp: Any) -> str:
    found = ask(comp, "GetAttrs")
    return str(found.get("COMPS_Name") or "") if isinstance(found, dict) else ""


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "tool"


def save_flow(record: FlowRecord) -> None:
    """Write the record beside the frames, whole or not at all. Raises OSError."""
    path = record.folder / NAME
    beside = path.with_name(f".{NAME}.{os.getpid()}")
    beside.write_text(
        json.dumps({"schema": _SCHEMA, **asdict(record)}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    os.replace(str(beside), str(path))  # noqa: PTH105


def show_result(comp: Any, record: FlowRecord) -> FlowRecord:
    """Put the result into the composition; returns the record with what came of it. Raises `BridgeError`."""
    shown = Shown(record.path, record.frames, record.number_at_zero)
    missing = [number for number in shown.numbers if not Path(record.path % number).is_file()]
    if missing:
        raise refuse("MISSING_FRAMES", f"{len(missing)} frames of the result are not in {record.folder}.",
                     "Run `overscan jobs retry` on its job, or generate it again.", path=record.path)  # fmt: skip
    name = f"Overscan_{_safe(record.shot)}_{record.version}".replace("-", "_").replace(".", "_")
    notes = show(comp, name, shown, version=record.version, beside=comp.FindTool(record.shot))
    placed = replace(record, state="placed", placed={"as": f"the tool {name}", "notes": notes})
    with contextlib.suppress(OSError):
        save_flow(placed)
    return placed
