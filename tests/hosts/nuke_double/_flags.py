"""Numbers and switches of the module `nuke`."""

from __future__ import annotations

from typing import Any

# Values as in the header DDImage/Knob.h where it is public, else bits of our own: scripts never write the numbers.
KNOB_FLAGS: dict[str, int] = {
    "DISABLED": 0x80,
    "NO_ANIMATION": 0x100,
    "DO_NOT_WRITE": 0x200,
    "INVISIBLE": 0x400,
    "STARTLINE": 0x1000,
    "ENDLINE": 0x2000,
    "NO_UNDO": 0x80000,
    "ALWAYS_SAVE": 0x100000,
    "HIDDEN_INPUTS": 0x200000,
    "NO_MULTIVIEW": 0x400000,
    "READ_ONLY": 0x10000000,
    "KNOB_CHANGED_RECURSIVE": 0x800000,
    "NO_CHECKMARKS": 0x1000000,
    "LINKINPUTS": 0x2000000,
    "EXPAND_TO_WIDTH": 0x4000000,
    "DONT_SAVE_TO_NODEPRESET": 0x8000000,
    "SAVE_MENU": 0x20000000,
}
# The flags that a script keeps, and how.
WRITTEN_FLAGS = ("DISABLED", "NO_ANIMATION", "INVISIBLE", "STARTLINE", "ENDLINE", "DO_NOT_WRITE", "NO_MULTIVIEW")
DEPENDENCIES: dict[str, int] = {"EXPRESSIONS": 1, "INPUTS": 2, "LINKINPUTS": 0x2000000, "HIDDEN_INPUTS": 0x200000}
WRITING: dict[str, int] = {"TO_SCRIPT": 1, "TO_VALUE": 2, "WRITE_ALL": 8, "WRITE_USER_KNOB_DEFS": 16}
OTHERS: dict[str, int] = {
    "TABKNOB": 0,
    "TABBEGINGROUP": 1,
    "TABBEGINCLOSEDGROUP": 2,
    "TABENDGROUP": -1,
    "PYTHON": 0,
    "REPLACE": 1,
    "PREPEND": 8,
    "ALL": 1,
    "PLUGIN_EXT": 0,
    "NODIR": 2,
    "REPLACE_VIEWS": 0,
    "ADD_VIEWS": 1,
    "DONT_CREATE_VIEWS": 2,
    "MATCH_CLASS": 0,
    "MATCH_LABEL": 1,
    "MATCH_COLOR": 2,
    "WRITE_NON_DEFAULT_ONLY": 0,
    "VIEWER": 0,
    "IMAGE": 1,
    "GEO": 2,
    "FONT": 4,
    "SCRIPT": 2,
    "CONSTANT": 1,
    "LINEAR": 2,
    "SMOOTH": 3,
    "CATMULL_ROM": 4,
    "CUBIC": 5,
    "USER_SET_SLOPE": 8,
    "INT8": 1,
    "INT16": 2,
    "FLOAT": 5,
    "LOG": 3,
    "NUM_INTERPOLATIONS": 6,
}


def constants(*, version: str, gui: bool) -> dict[str, Any]:
    """What the module has as plain values, for a version such as "15.1v3"."""
    major, rest = version.split(".", 1)
    minor, release = rest.split("v", 1)
    return {
        **OTHERS,
        **WRITING,
        **DEPENDENCIES,
        **KNOB_FLAGS,
        "GUI": gui,
        "INTERACTIVE": gui,
        "NUKE_VERSION_MAJOR": int(major),
        "NUKE_VERSION_MINOR": int(minor),
        "NUKE_VERSION_RELEASE": int(release),
        "NUKE_VERSION_STRING": version,
        "NUKE_VERSION_PHASE": "",
        "NUKE_VERSION_PHASENUMBER": 0,
        "NUKE_VERSION_DATE": "Jan  1 2024",
        "EXE_PATH": f"/usr/local/Nuke{version}/Nuke{major}.{minor}",
        "NUM_CPUS": 2,
        "THREADS": 2,
        "rawArgs": [],
        "untitled": "Untitled",
    }
