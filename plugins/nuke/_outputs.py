"""Where results go: the path that the node or the preferences give, filled in but for the version."""

from __future__ import annotations

import os
import re
from typing import Any

import nuke
from overscan_host import version_number
from overscan_nuke import _knobs
from overscan_nuke._preferences import Preferences, template_problem, user_name
from overscan_nuke._refusals import refuse

_FRAME = re.compile(r"[._]?(%0?\d*d|#+)")


def output_template(node: Any, preferences: Preferences, *, views: int) -> str:
    """The path with nothing but ``{version}`` left to fill in. Raises `RefusalError` where it cannot be made."""
    template = _knobs.text(node, "output") or preferences.output_template
    problem = template_problem(template)
    if problem:
        raise refuse("INVALID_JOB", f"The output '{template}' cannot be used. {problem}",
                     "Correct it, or clear it to use the preferences' own.", field="output")  # fmt: skip
    script = script_path()
    if not script and ("{script_folder}" in template or "{script}" in template):
        raise refuse(
            "INVALID_JOB",
            "The script was never saved, so there is no folder beside it for the results.",
            "Save the script, or write a path into 'output'.",
            field="output",
        )
    path = template.format(
        script_folder=os.path.dirname(script),  # noqa: PTH120
        script=os.path.splitext(os.path.basename(script))[0],  # noqa: PTH119, PTH122
        node=re.sub(r"[^\w.-]", "_", node.fullName()).replace(".", "_"),
        version="{version}",
        user=user_name(),
    ).replace("\\", "/")
    if views > 1 and "%V" not in path and "%v" not in path:
        head, name = os.path.split(path)
        match = _FRAME.search(name)
        at = match.start() if match else len(name)
        path = f"{head}/{name[:at]}.%V{name[at:]}"
    return path


def script_path() -> str:
    """Where the script is saved; empty where it never was."""
    name = str(nuke.root().name())
    return name if name not in ("", "Root") else ""


def taken_numbers(names: list[str]) -> tuple[int, ...]:
    """Numbers of the versions with these names."""
    return tuple(number for number in (version_number(name) for name in names) if number is not None)
