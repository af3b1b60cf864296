"""How paths look to a caller: those of its own system, and of what it uploaded its own names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from overscan.core.errors import ErrorRecord, OverscanError
from overscan.service.paths.path_map import PathMap, Platform
from overscan.service.transfers.uploads import Uploads

_PATHS = frozenset({"path", "plate_path"})
_TEXTS = frozenset({"message", "next_step", "expected", "actual", "detail", "first_difference"})
_QUOTED = re.compile(r"'([^']*)'")


class PathView:
    """The paths of one caller."""

    def __init__(self, *, path_map: PathMap, platform: Platform | None, uploads: Uploads, home: Path) -> None:
        self._map = path_map
        self._platform = platform
        self._uploads = uploads
        self._home = f"{home}{os.sep}"
        own = re.escape(self._home)
        separator = re.escape(os.sep)
        self._own = re.compile(
            rf"{own}uploads{separator}([0-9a-f]{{32}}){separator}files{separator}|{own}results{separator}\w+{separator}"
        )

    def inward(self, request: Message) -> None:
        """Put the service's paths in place of the caller's; raises `UnmappedPathError`."""
        if self._platform is not None:
            _rewrite(request, lambda path, field: self._map.inward(path, self._platform, field=field), None)

    def outward(self, response: Message) -> None:
        """Put the caller's paths in place of the service's."""
        _rewrite(response, lambda path, _field: self.path(path), self.text)

    def path(self, path: str) -> str:
        """A path, as the caller knows it."""
        if self._home in path:
            return self._own.sub(self._client_folder, path)
        return self._map.outward(path, self._platform)

    def text(self, text: str) -> str:
        """Words for people, with the paths in them as the caller knows them."""
        if self._home in text:
            text = self._own.sub(self._client_folder, text)
        if self._platform is None or "'" not in text:
            return text
        return _QUOTED.sub(lambda quoted: f"'{self._map.outward(quoted[1], self._platform)}'", text)

    def problem(self, record: ErrorRecord) -> ErrorRecord:
        """A problem, with the paths in it as the caller knows them."""
        path = self.path(record.path)
        message = record.message if not record.path else record.message.replace(record.path, path)
        return replace(
            record,
            path=path,
            message=self.text(message),
            next_step=self.text(record.next_step),
            expected=self.text(record.expected),
            actual=self.text(record.actual),
        )

    def _client_folder(self, found: re.Match[str]) -> str:
        """The folder that the frames of an upload had at the client; no folder for a result that the service keeps."""
        if not found[1]:
            return ""
        try:
            name = self._uploads.find(upload_id=found[1], user=None).name
        except OverscanError:
            return ""
        folder = re.match(r".*[/\\]", name)
        return folder[0] if folder else ""


def _rewrite(
    message: Message, path: Callable[[str, str], str], text: Callable[[str], str] | None, within: str = ""
) -> None:
    for field, is_path in _fields(message.DESCRIPTOR):
        if is_path is None:
            if field.is_repeated:
                for item in getattr(message, field.name):
                    _rewrite(item, path, text, _inside(within, field.name))
            elif message.HasField(field.name):
                _rewrite(getattr(message, field.name), path, text, _inside(within, field.name))
            continue
        value = getattr(message, field.name)
        if not value:
            continue
        found = path(value, _inside(within, field.name)) if is_path else text(value) if text else value
        if found != value:
            setattr(message, field.name, found)


def _inside(within: str, name: str) -> str:
    """The name of a field inside another, as problems have it."""
    return f"{within}.{name}" if within and within != "spec" else name


@cache
def _fields(kind: Descriptor) -> tuple[tuple[FieldDescriptor, bool | None], ...]:
    """The fields of a message that hold paths (True), words (False) or messages that do (None)."""
    found: list[tuple[FieldDescriptor, bool | None]] = []
    for field in kind.fields:
        if field.message_type is not None:
            if _concerned(field.message_type, frozenset()):
                found.append((field, None))
        elif field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated and field.name in _PATHS | _TEXTS:
            found.append((field, field.name in _PATHS))
    return tuple(found)


def _concerned(kind: Descriptor, seen: frozenset[str]) -> bool:
    """Whether a message has paths or words at any depth; none of Google's types and no map has."""
    if kind.full_name in seen or not kind.full_name.startswith("overscan.") or kind.GetOptions().map_entry:
        return False
    return any(
        _concerned(field.message_type, seen | {kind.full_name})
        if field.message_type is not None
        else field.name in _PATHS | _TEXTS
        for field in kind.fields
    )
