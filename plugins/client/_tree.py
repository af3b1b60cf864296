"""The text of a job file as a tree that remembers lines and what was typed, letter by letter.

YAML decides the type of a plain scalar by itself (``shot: 010`` is the number 8, ``show: no`` is false). Here the
scalar keeps its text, and the field it is for decides.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value."""

    value: object
    """As YAML or JSON understand it: str, int, float, bool or None; or whatever a mapping held."""
    text: str | None
    """As it was typed; None where it never was text."""
    line: int = 0
    """Line in the file, from 1; 0 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Names and what they hold."""

    entries: tuple[tuple[str, Tree, int], ...]
    """Name, value, line of the name."""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    items: tuple[Tree, ...]
    line: int = 0


Tree = Scalar | Entries | Items


class TreeError(Exception):
    """The text is not YAML, or YAML of a kind that no job file needs."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def tree_of_yaml(text: str) -> Tree:
    """The tree of a YAML text; JSON is YAML too. Raises `TreeError`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise TreeError(f"this is not YAML: {what}", line=mark.line + 1 if mark else 0) from error
    except yaml.YAMLError as error:
        raise TreeError(f"this is not YAML: {error}") from error
    if node is None:
        raise TreeError("the file is empty")
    return _of_node(node, within=(), known={})


def tree_of_json(text: str) -> Tree:
    """The tree of a JSON text. Raises `TreeError`."""
    try:
        value = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise TreeError(f"this is not JSON: {error.msg}", line=error.lineno) from error
    try:
        return tree_of_yaml(text)  # for the line numbers
    except TreeError:
        return tree_of_value(value)


def tree_of_value(value: object) -> Tree:
    """The tree of plain Python data."""
    if isinstance(value, _Pairs):
        return Entries(entries=tuple((name, tree_of_value(item), 0) for name, item in value))
    if isinstance(value, Mapping):
        return Entries(entries=tuple((str(name), tree_of_value(item), 0) for name, item in value.items()))
    if isinstance(value, os.PathLike):
        return Scalar(value=os.fspath(value), text=None)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Items(items=tuple(tree_of_value(item) for item in value))
    return Scalar(value=value, text=None)


class _Pairs(list[tuple[str, object]]):
    """A JSON object before anyone dropped its repeated names."""


def _of_node(node: yaml.Node, *, within: tuple[yaml.Node, ...], known: dict[int, Tree]) -> Tree:
    # An alias repeats the node it stands for: `known` keeps nested aliases from growing without bound.
    if id(node) not in known:
        if node in within:
            raise TreeError("this list or mapping contains itself", line=node.start_mark.line + 1)
        known[id(node)] = _of_new_node(node, within=(*within, node), known=known)
    return known[id(node)]


def _of_new_node(node: yaml.Node, *, within: tuple[yaml.Node, ...], known: dict[int, Tree]) -> Tree:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        entries = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise TreeError("a name is expected here", line=key.start_mark.line + 1)
            entries.append((key.value, _of_node(value, within=within, known=known), key.start_mark.line + 1))
        return Entries(entries=tuple(entries), line=line)
    if isinstance(node, yaml.SequenceNode):
        return Items(items=tuple(_of_node(item, within=within, known=known) for item in node.value), line=line)
    value = node.value
    if node.tag in _PLAIN_TAGS:
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            raise TreeError(f"'{node.value}' cannot be read: {error}", line=line) from error
    return Scalar(value=value, text=node.value, line=line)


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null"))
