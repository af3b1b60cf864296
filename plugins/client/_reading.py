"""Fills a message of the contract from a tree of names and values, led by the message's own descriptor.

What a job file may write besides protobuf's own JSON form: ``1001-1100x2,1200`` for frames, ``1001.5,1010.25`` for
times, ``2880x1080`` for a size, ``X,Y`` for an offset, one number or ``L,R,T,B`` for margins, a path for a sequence or
matte, short enum words, ``pan 12deg`` for a camera move.
Everything that does not fit is reported, with its line; nothing is dropped, clamped or guessed.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value

from overscan.client._enums import enum_number, enum_words
from overscan.client._errors import make_problem
from overscan.client._frames import frames_from_numbers, frames_from_text
from overscan.client._moves import HOW_TO_WRITE, read_move
from overscan.client._tree import Entries, Items, Scalar, Tree
from overscan.v1.controls_pb2 import CameraMove, MotionTransfer, PoseTransfer
from overscan.v1.frames_pb2 import FrameSet
from overscan.v1.geometry_pb2 import Margins, Offset, Size
from overscan.v1.media_pb2 import ImageRef, MatteRef, SequenceRef
from overscan.v1.plan_pb2 import Problem
from overscan.v1.task_pb2 import Reformat, TimeList

_PATHS = frozenset({"overscan.v1.SequenceRef.path", "overscan.v1.OutputSpec.path"})
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_LARGEST_FLOAT32 = 3.4028235e38
_EXACT_IN_DOUBLE = 2**53


class Reader:
    """Reads trees into messages and collects what does not fit in `problems`."""

    def __init__(self, *, folder: Path, source: str) -> None:
        self.problems: list[Problem] = []
        self._folder = folder
        self._source = source

    def fill(self, message: Message, tree: Tree, *, path: str = "") -> None:
        """Set the fields of `message` from `tree`; `path` is the dotted name of the message in the job."""
        shorthand = _SHORTHANDS.get(message.DESCRIPTOR.full_name)
        if shorthand is not None and not isinstance(tree, Entries):
            shorthand(self, message, tree, path)
        elif isinstance(tree, Entries):
            self._fill_fields(message, tree, path)
        else:
            names = ", ".join(field.name for field in message.DESCRIPTOR.fields)
            self.complain(tree, path, f"names and values are expected here; the names are {names}")

    def complain(self, tree: Tree, path: str, what: str, *, code: str = "INVALID_JOB", next_step: str = "") -> None:
        """Note that what stands at `path` does not fit."""
        self._note(tree.line, path, what, code=code, next_step=next_step, actual=_shown(tree))

    def _note(
        self, line: int, path: str, what: str, *, code: str = "INVALID_JOB", next_step: str = "", actual: str = ""
    ) -> None:
        where = ", ".join(part for part in (f"line {line}" if line and self._source else "", path) if part)
        text = f"{where}: {what}." if where else f"{what[:1].upper()}{what[1:]}."
        self.problems.append(
            make_problem(code, text, next_step=next_step, path=self._source, field=path, actual=actual)
        )

    def _fill_fields(self, message: Message, tree: Entries, path: str) -> None:
        fields = {name: field for field in message.DESCRIPTOR.fields for name in (field.name, field.json_name)}
        seen: dict[str, int] = {}
        for name, value, line in tree.entries:
            field = fields.get(name)
            inner = f"{path}.{field.name if field else name}" if path else (field.name if field else name)
            if field is None:
                self._note(line, inner, f"there is no '{name}' in {_called(message.DESCRIPTOR, path)}", actual=name,
                           next_step=_suggestion(name, message.DESCRIPTOR))  # fmt: skip
            elif field.name in seen:
                self._note(line, inner, f"'{name}' is given twice", next_step="Keep one of the two.")
            else:
                seen[field.name] = line
                self._fill_field(message, field, value, inner)
        for oneof in message.DESCRIPTOR.oneofs:
            given = [field.name for field in oneof.fields if field.name in seen]
            if len(given) > 1:
                self._note(
                    seen[given[1]], path, f"{' and '.join(given)} exclude each other", next_step="Keep one of them."
                )

    def _fill_field(self, message: Message, field: Any, tree: Tree, path: str) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(getattr(message, field.name), tree, path)
        elif field.is_repeated:
            self._fill_list(getattr(message, field.name), field, tree, path)
        elif isinstance(tree, Scalar) and tree.value is None:
            self.complain(tree, path, "there is no value here", next_step="Give one, or remove the line.")
        elif field.message_type is not None:
            child = getattr(message, field.name)
            child.SetInParent()
            self.fill(child, tree, path=path)
        else:
            value = self._plain(field, tree, path)
            if value is not None:
                setattr(message, field.name, value)

    def _fill_list(self, target: Any, field: Any, tree: Tree, path: str) -> None:
        if not isinstance(tree, Items):
            self.complain(tree, path, "a list is expected here")
            return
        for index, item in enumerate(tree.items):
            inner = f"{path}[{index}]"
            if field.message_type is not None:
                self.fill(target.add(), item, path=inner)
            else:
                value = self._plain(field, item, inner)
                if value is not None:
                    target.append(value)

    def _fill_map(self, target: Any, tree: Tree, path: str) -> None:
        if not isinstance(tree, Entries):
            self.complain(tree, path, "names and values are expected here")
            return
        seen: set[str] = set()
        for name, value, line in tree.entries:
            inner = f"{path}.{name}"
            if name in seen:
                self._note(line, inner, f"'{name}' is given twice", next_step="Keep one of the two.")
            seen.add(name)
            self._fill_value(target[name], value, inner)

    def _fill_value(self, target: Value, tree: Tree, path: str) -> None:
        value = tree.value if isinstance(tree, Scalar) else None
        if isinstance(value, bool):
            target.bool_value = value
        elif isinstance(value, int | float):
            if not math.isfinite(value) or (isinstance(value, int) and abs(value) > _EXACT_IN_DOUBLE):
                self.complain(tree, path, f"{value} is beyond what a parameter can hold")
            else:
                target.number_value = value
        elif isinstance(value, str):
            target.string_value = value
        else:
            self.complain(tree, path, "a number, a text, true or false is expected here")

    def _plain(self, field: Any, tree: Tree, path: str) -> Any:
        """The value for a field that is no message, or None after a complaint."""
        if not isinstance(tree, Scalar) or tree.value is None:
            self.complain(tree, path, "a single value is expected here")
            return None
        if field.enum_type is not None:
            return self._enum(field, tree, path)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return self._text(field, tree, path)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if isinstance(tree.value, bool):
                return tree.value
            self.complain(tree, path, f"true or false is expected here, not '{_shown(tree)}'")
            return None
        return self._number(field, tree, path)

    def _text(self, field: Any, tree: Scalar, path: str) -> str | None:
        text = tree.text if tree.text is not None else tree.value
        if not isinstance(text, str):
            self.complain(tree, path, f"a text is expected here, not '{_shown(tree)}'")
            return None
        if field.full_name not in _PATHS or not text:
            return text
        return os.path.abspath(self._folder / os.path.expanduser(text))  # noqa: PTH100, PTH111 (a pattern is no path)

    def _enum(self, field: Any, tree: Scalar, path: str) -> int | None:
        word = tree.text if tree.text is not None else tree.value
        number = enum_number(field.enum_type, word) if isinstance(word, str) else None
        if number is None:
            words = enum_words(field.enum_type)
            near = difflib.get_close_matches(str(word).lower(), words, n=1)
            self.complain(
                tree,
                path,
                f"'{word}' is none of {', '.join(words)}",
                next_step=f"Did you mean {near[0]}?" if near else "",
            )
        return number

    def _number(self, field: Any, tree: Scalar, path: str) -> int | float | None:
        value = tree.value
        if isinstance(value, str):  # YAML 1.1 takes 1e-3 for a text, and command lines have nothing else
            with contextlib.suppress(ValueError):
                value = float(value) if any(sign in value.lower() for sign in ".en") else int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.complain(tree, path, f"a number is expected here, not '{_shown(tree)}'")
            return None
        if field.cpp_type in _FLOATS:
            if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT and abs(value) > _LARGEST_FLOAT32:
                self.complain(tree, path, f"{value} is too large")
                return None
            return float(value)
        smallest, largest = _INTEGERS[field.cpp_type]
        if value != int(value) or not smallest <= value <= largest:
            self.complain(tree, path, f"a whole number from {smallest} to {largest} is expected here, not {value}")
            return None
        return int(value)


def _read_frames(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, FrameSet)
    try:
        if isinstance(tree, Items):
            parts = [_scalar_text(item) for item in tree.items]
            numbers: set[int] = set()
            for part in parts:
                for entry in frames_from_text(part).ranges:
                    numbers.update(range(entry.first, entry.last + 1, entry.step))
            if not numbers:
                raise ValueError("the list of frames names no frame")
            message.CopyFrom(frames_from_numbers(numbers))
        else:
            message.CopyFrom(frames_from_text(_scalar_text(tree)))
    except ValueError as error:
        reader.complain(
            tree, path, str(error), code="FRAME_RANGE", next_step="Write it like 1001-1100, 1001-1100x2,1200 or -5--1."
        )


def _read_size(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, Size)
    match = re.fullmatch(r"\s*(\d{1,9})\s*[xX×]\s*(\d{1,9})\s*", _scalar_text(tree))
    if match is None:
        reader.complain(tree, path, f"'{_shown(tree)}' is not a size", next_step="Write it like 2880x1080.")
    elif min(int(match[1]), int(match[2])) < 1:
        reader.complain(tree, path, f"'{_shown(tree)}' is a size without samples", next_step="Write it like 2880x1080.")
    else:
        message.width, message.height = int(match[1]), int(match[2])


def _read_offset(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, Offset)
    numbers = _whole_numbers(tree)
    if numbers is None or len(numbers) != 2:
        reader.complain(tree, path, f"'{_shown(tree)}' is not an offset", next_step="Write it like 480,0.")
    else:
        message.x, message.y = numbers


def _read_margins(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, Margins)
    numbers = _whole_numbers(tree)
    if numbers is not None and len(numbers) == 1:
        numbers = numbers * 4
    if numbers is None or len(numbers) != 4:
        reader.complain(
            tree, path, f"'{_shown(tree)}' are not margins",
            next_step="Write left,right,top,bottom like 480,480,0,0, or one number for all sides.",
        )  # fmt: skip
    else:
        message.left, message.right, message.top, message.bottom = numbers


def _read_times(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, TimeList)
    parts = [_scalar_text(item) for item in tree.items] if isinstance(tree, Items) else _scalar_text(tree).split(",")
    try:
        times = [float(part) for part in parts]
    except ValueError:
        times = []
    if times and all(map(math.isfinite, times)):
        message.frames.extend(times)
    else:
        reader.complain(
            tree, path, f"'{_shown(tree)}' are not times", next_step="Write frame numbers like 1001.5,1010.25."
        )


def _read_reformat(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    reader.fill(message, Entries(entries=(("size", tree, tree.line),), line=tree.line), path=path)


def _read_sequence(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    reader.fill(message, Entries(entries=(("path", tree, tree.line),), line=tree.line), path=path)


def _read_sequence_inside(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    reader.fill(message, Entries(entries=(("sequence", tree, tree.line),), line=tree.line), path=path)


def _read_source_inside(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    reader.fill(message, Entries(entries=(("source", tree, tree.line),), line=tree.line), path=path)


def _read_move(reader: Reader, message: Message, tree: Tree, path: str) -> None:
    assert isinstance(message, CameraMove)
    try:
        read_move(_scalar_text(tree), message)
    except ValueError as error:
        reader.complain(tree, path, str(error), next_step=HOW_TO_WRITE)


_SHORTHANDS: dict[str, Callable[[Reader, Message, Tree, str], None]] = {
    FrameSet.DESCRIPTOR.full_name: _read_frames,
    Size.DESCRIPTOR.full_name: _read_size,
    Offset.DESCRIPTOR.full_name: _read_offset,
    Margins.DESCRIPTOR.full_name: _read_margins,
    Reformat.DESCRIPTOR.full_name: _read_reformat,
    TimeList.DESCRIPTOR.full_name: _read_times,
    SequenceRef.DESCRIPTOR.full_name: _read_sequence,
    MatteRef.DESCRIPTOR.full_name: _read_sequence_inside,
    ImageRef.DESCRIPTOR.full_name: _read_sequence_inside,
    MotionTransfer.DESCRIPTOR.full_name: _read_source_inside,
    PoseTransfer.DESCRIPTOR.full_name: _read_source_inside,
    CameraMove.DESCRIPTOR.full_name: _read_move,
}


def _scalar_text(tree: Tree) -> str:
    if not isinstance(tree, Scalar) or tree.value is None or isinstance(tree.value, bool):
        return ""
    return tree.text if tree.text is not None else str(tree.value)


def _whole_numbers(tree: Tree) -> list[int] | None:
    parts = [_scalar_text(item) for item in tree.items] if isinstance(tree, Items) else _scalar_text(tree).split(",")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        return None
    return numbers if all(-(2**31) <= number < 2**31 for number in numbers) else None


def _called(descriptor: Any, path: str) -> str:
    return f"'{path}'" if path else {"JobSpec": "a job"}.get(descriptor.name, descriptor.name)


def _suggestion(name: str, descriptor: Any) -> str:
    names = [field.name for field in descriptor.fields]
    near = difflib.get_close_matches(name.lower().replace("colour", "color"), names, n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."


def _shown(tree: Tree) -> str:
    if isinstance(tree, Scalar):
        return tree.text if tree.text is not None else str(tree.value)
    return "a list" if isinstance(tree, Items) else "names and values"
