"""All knob classes by name and by their number in addUserKnob."""

from __future__ import annotations

from typing import Any

from . import _array_knobs, _choice_knobs, _table_knobs, _tcl, _text_knobs, _vector_knobs
from ._knob import Knob
from ._session import current
from ._surface import NotModelled, offered


@offered
class PythonKnob(_text_knobs.String_Knob):
    """Python text that Nuke runs at some event."""


CLASSES: dict[str, Any] = {
    name: cls
    for module in (_array_knobs, _vector_knobs, _choice_knobs, _text_knobs)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and issubclass(cls, Knob) and not name.startswith("_")
}
CLASSES["PythonKnob"] = PythonKnob
# The NDK's list of knob types; 10, 11, 16 and 40 are from memory of it, the others stand in public scripts.
BY_NUMBER: dict[int, Any] = {
    1: _text_knobs.EvalString_Knob,
    2: _text_knobs.File_Knob,
    3: _array_knobs.Int_Knob,
    4: _choice_knobs.Enumeration_Knob,
    5: _choice_knobs.Bitmask_Knob,
    6: _array_knobs.Boolean_Knob,
    7: _array_knobs.Double_Knob,
    10: _choice_knobs.ChannelMask_Knob,
    11: _choice_knobs.Channel_Knob,
    12: _vector_knobs.XY_Knob,
    13: _vector_knobs.XYZ_Knob,
    14: _vector_knobs.WH_Knob,
    15: _vector_knobs.BBox_Knob,
    16: _array_knobs.Array_Knob,
    17: _choice_knobs.Format_Knob,
    18: _vector_knobs.Color_Knob,
    19: _vector_knobs.AColor_Knob,
    20: _text_knobs.Tab_Knob,
    22: _text_knobs.PyScript_Knob,
    26: _text_knobs.Text_Knob,
    30: _vector_knobs.UV_Knob,
    32: _text_knobs.Script_Knob,
    35: _choice_knobs.Pulldown_Knob,
    40: _array_knobs.ColorChip_Knob,
    41: _choice_knobs.Link_Knob,
    43: _text_knobs.Multiline_Eval_String_Knob,
    52: _text_knobs.PyCustom_Knob,
    68: _choice_knobs.CascadingEnumeration_Knob,
}


def build(class_name: str, name: str, choices: list[str]) -> Any:
    """A knob of a class in the table of stock nodes."""
    cls = CLASSES.get(class_name) or _table_knobs.TABLE_CLASSES.get(class_name)
    if cls is None:
        raise NotModelled(f"knobs of the class {class_name}")
    made = cls(name)
    if choices:
        made._values = list(choices)
    return made


def script_of(value: str | None, knob: Knob) -> str:
    """What `_script` gives for a value of the table: the stock value that scripts do not repeat."""
    if value is None:
        twin = build(type(knob).__name__, knob._name, getattr(knob, "_values", []))
        return str(twin._script())
    twin = build(type(knob).__name__, knob._name, getattr(knob, "_values", []))
    twin._node = None
    twin._from_word(_tcl.words(value)[0])
    return str(twin._script())


def from_definition(text: str) -> Knob:
    """The knob that the braces of an addUserKnob define. ValueError where they are wrong."""
    words = _tcl.words(text)
    number = int(words[0].text)
    if number not in BY_NUMBER:
        raise NotModelled(f"addUserKnob with the number {number}")
    name = words[1].text if len(words) > 1 else ""
    options: dict[str, _tcl.Word] = {}
    flags: list[str] = []
    ranges: list[float] = []
    rest = words[2:]
    while rest:
        word = rest.pop(0)
        if word.text[:1] in {"+", "-"} and word.text[1:].isupper():
            flags.append(word.text)
        elif word.text == "R" and len(rest) >= 2:
            ranges = [float(rest.pop(0).text), float(rest.pop(0).text)]
        elif word.text in {"l", "t", "T", "M", "n"} and rest:
            options[word.text] = rest.pop(0)
        else:
            raise ValueError(f"addUserKnob {{{text}}}: no meaning for {word.text!r}")
    knob = _make(number, name, options)
    if "t" in options:
        knob._tooltip = options["t"].text
    if ranges and hasattr(knob, "_range"):
        knob._range = (ranges[0], ranges[1])
    _flag(knob, flags)
    return knob


def _make(number: int, name: str, options: dict[str, _tcl.Word]) -> Any:
    label = options["l"].text if "l" in options else None
    cls = BY_NUMBER[number]
    if number == 20:
        mode = int(options["n"].text) if "n" in options else 0
        if mode == -2:
            return _text_knobs.BeginTabGroup_Knob(name, label)
        if mode == -3:
            return _text_knobs.EndTabGroup_Knob(name, label)
        return _text_knobs.Tab_Knob(name, label, mode)
    if "M" in options:
        return cls(name, label, [word.text for word in _tcl.words(options["M"].text)])
    made = cls(name, label)
    if "T" in options:
        made._text = options["T"].text
    return made


def _flag(knob: Knob, flags: list[str]) -> None:
    from ._flags import KNOB_FLAGS

    for flag in flags:
        if flag[1:] not in KNOB_FLAGS:
            current().errors.append(f"unknown flag {flag} on the knob {knob._name}")
        elif flag[0] == "+":
            knob._flags |= KNOB_FLAGS[flag[1:]]
        else:
            knob._flags &= ~KNOB_FLAGS[flag[1:]]
