"""Elements of windows."""

from __future__ import annotations

from typing import Any

from . import _ui_names
from ._session import current


class ItemArray:
    """A property by column: `item.Text[0] = "…"`."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}

    def __getitem__(self, column: int) -> Any:
        return self.values.get(column, "")

    def __setitem__(self, column: int, value: Any) -> None:
        current().enter("TreeItem[]")
        self.values[int(column)] = value


class Element:
    """Any element: its attributes are those of its kind, and no others."""

    _kind = ""

    def __init__(self, kind: str, given: dict[str, Any], children: list[Any]) -> None:
        put = object.__setattr__
        put(self, "_kind", kind)
        put(self, "_values", {})
        put(self, "_children", children)
        put(self, "_parent", None)
        put(self, "_items", [])  # of a ComboBox, a TabBar, a Tree
        put(self, "_headers", [])
        put(self, "_log", [])
        for child in children:
            object.__setattr__(child, "_parent", self)
        if kind == "TreeItem":
            for name in ("Text", "ToolTip", "CheckState", "BackgroundColor", "TextColor", "TextAlignment", "Icon"):
                self._values[name] = ItemArray()
        for name, value in given.items():
            self._check(name)
            self._values[name] = value

    def _known(self) -> set[str]:
        own = _ui_names.ATTRIBUTES[self._kind]
        return own if self._kind in {"TreeItem", "Timer"} else own | _ui_names.COMMON

    def _check(self, name: str) -> None:
        if name not in self._known() | ({"ID"} if self._kind == "Timer" else set()):
            raise current().break_rule(f"ui.{self._kind} has no attribute {name!r}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _ui_names.METHODS.get(self._kind, ()) or name in _ui_names.METHODS["Window"] - {
            "Show",
            "Close",
            "GetItems",
        }:
            return Bound(self, name)
        self._check(name)
        current().enter(f"ui.{self._kind}.{name}")
        return self._read(name)

    def _read(self, name: str) -> Any:
        if name == "CurrentText":
            place = self._values.get("CurrentIndex", -1)
            return self._items[place] if 0 <= place < len(self._items) else self._values.get("CurrentText", "")
        if name == "PlainText" and "PlainText" not in self._values:
            return self._values.get("Text", "")
        if name == "Hidden":
            return not self._values.get("Visible", True) or self._values.get("Hidden", False)
        return self._values.get(name, _ui_names.DEFAULTS.get(name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._check(name)
        current().enter(f"ui.{self._kind}.{name}=", (value,))
        default = _ui_names.DEFAULTS.get(name)
        if isinstance(default, str) and not isinstance(value, str) and self._kind != "TreeItem":
            raise current().break_rule(f"ui.{self._kind}.{name} takes text, not {value!r}")
        if isinstance(default, bool) and not isinstance(value, (bool, int)):
            raise current().break_rule(f"ui.{self._kind}.{name} takes True or False, not {value!r}")
        before = self._read(name)
        if name == "CurrentText" and value in self._items:
            self._values["CurrentIndex"] = self._items.index(value)
        if name == "Hidden":
            self._values["Visible"] = not value
        self._values[name] = value
        changed = {
            "CurrentIndex": "CurrentIndexChanged",
            "Value": "ValueChanged",
            "Text": "TextChanged",
            "Checked": "Toggled",
        }.get(name)
        if changed in _ui_names.EVENTS.get(self._kind, ()) and before != value:
            current().ui.send(self, str(changed))

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def _below(self) -> list[Element]:
        found = [self]
        for child in self._children:
            found += child._below()
        return found


class Bound:
    """A method of an element."""

    def __init__(self, element: Element, name: str) -> None:
        self.element, self.name = element, name

    def __call__(self, *args: Any) -> Any:
        element = self.element
        current().enter(f"ui.{element._kind}.{self.name}", args)
        implementation = _METHODS.get(self.name)
        if implementation is None:
            raise NotImplementedError(f"ui.{element._kind}.{self.name} exists, but the double does not model it")
        return implementation(element, *args)


def window_of(element: Element) -> Element:
    """The window that an element is in."""
    while element._parent is not None:
        element = element._parent
    return element


def _find(element: Element, name: str) -> Any:
    return next((held for held in element._below() if held._values.get("ID") == name), None)


def _add_item(element: Element, text: str) -> None:
    element._items.append(text)
    if element._values.get("CurrentIndex", -1) < 0:
        element._values["CurrentIndex"] = 0


def _clear(element: Element) -> None:
    element._items.clear()
    for name in ("Text", "PlainText", "HTML"):
        if name in element._values:
            element._values[name] = ""
    if element._kind == "ComboBox":
        element._values["CurrentIndex"] = -1


def _show(element: Element) -> None:
    element._values["Visible"] = True


def _hide(element: Element) -> None:
    element._values["Visible"] = False


def _append(element: Element, text: str) -> None:
    before = element._values.get("Text", "")
    element._values["Text"] = f"{before}\n{text}" if before else text
    element._values.pop("PlainText", None)


def _selected(element: Element) -> dict[float, Any]:
    chosen = [item for item in element._items if item._values.get("Selected")]
    return {float(number): item for number, item in enumerate(chosen, 1)}


_METHODS: dict[str, Any] = {
    "Show": _show,
    "Hide": _hide,
    "Raise": lambda element: None,
    "RaiseWindow": lambda element: None,
    "Lower": lambda element: None,
    "ActivateWindow": lambda element: None,
    "Update": lambda element: None,
    "Repaint": lambda element: None,
    "RecalcLayout": lambda element: None,
    "SetFocus": lambda element, *why: None,
    "Close": lambda element: current().ui.send(element, "Close"),
    "Move": lambda element, place: None,
    "Resize": lambda element, size: None,
    "Find": _find,
    "GetItems": lambda element: {held._values["ID"]: held for held in element._below() if held._values.get("ID")},
    "GetChildren": lambda element: {float(number): child for number, child in enumerate(element._children, 1)},
    "Click": lambda element: current().ui.send(element, "Clicked"),
    "AddItem": _add_item,
    "AddItems": lambda element, texts: [_add_item(element, text) for text in texts] and None,
    "InsertItem": lambda element, place, text: element._items.insert(place, text),
    "RemoveItem": lambda element, place: element._items.pop(place) and None,
    "Clear": _clear,
    "Count": lambda element: len(element._items),
    "AddTab": _add_item,
    "Append": _append,
    "InsertPlainText": _append,
    "EnsureCursorVisible": lambda element: None,
    "SelectAll": lambda element: None,
    "MoveCursor": lambda element, *where: None,
    "NewItem": lambda element: Element("TreeItem", {}, []),
    "AddTopLevelItem": lambda element, item: element._items.append(item),
    "AddTopLevelItems": lambda element, items: element._items.extend(items),
    "TopLevelItemCount": lambda element: len(element._items),
    "TopLevelItem": lambda element, place: element._items[place] if 0 <= place < len(element._items) else None,
    "TakeTopLevelItem": lambda element, place: element._items.pop(place),
    "SelectedItems": _selected,
    "CurrentItem": lambda element: next((item for item in element._items if item._values.get("Selected")), None),
    "SetHeaderLabels": lambda element, labels: element._headers.__setitem__(slice(None), list(labels)),
    "SetHeaderLabel": lambda element, label: element._headers.__setitem__(slice(None), [label]),
    "SetCurrentItem": lambda element, item: (
        [held._values.__setitem__("Selected", held is item) for held in element._items] and None
    ),
    "SetHeaderItem": lambda element, item: element._headers.__setitem__(
        slice(None), [item.Text[place] for place in sorted(item.Text.values)]
    ),
    "SortItems": lambda element, column, order: None,
    "ScrollToItem": lambda element, item: None,
    "AddChild": lambda element, item: element._items.append(item),
    "ChildCount": lambda element: len(element._items),
    "Start": lambda element: current().ui.timer(element, True),
    "Stop": lambda element: current().ui.timer(element, False),
    "Size": lambda element: {1.0: 400, 2.0: 300},
    "Pos": lambda element: {1.0: 100, 2.0: 100},
    "HasFocus": lambda element: True,
}
