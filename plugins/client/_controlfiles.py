"""Cameras and tracked points that a host has written to a file of their own."""

from __future__ import annotations

import os
from pathlib import Path

from overscan.client._errors import JobFileError, make_problem
from overscan.client._reading import Reader
from overscan.client._tree import Entries, Items, Tree, TreeError, tree_of_json
from overscan.v1.controls_pb2 import Camera, Controls, PointTrajectory
from overscan.v1.plan_pb2 import Problem

_WORDS_AFTER_NAME = 3
"""Frame, x and y; what stands before them is the name, which may have spaces in it."""

_MOST_PROBLEMS = 20
"""Lines told of; a file of another kind would fill the screen."""


def load_camera(path: str | os.PathLike[str]) -> Camera:
    """The camera in a JSON file that holds a `Camera` of the contract.

    Raises `JobFileError` with everything that is wrong in it, by line and field.
    """
    camera = Camera()
    file = Path(path)
    tree = _json(file, _text(file))
    reader = Reader(folder=file.parent, source=str(path))
    reader.fill(camera, tree, path="controls.camera")
    if reader.problems:
        raise JobFileError(reader.problems)
    return camera


def load_tracks(path: str | os.PathLike[str], *, upward_from: int | None = None) -> list[PointTrajectory]:
    """The tracked points in a file, in EXR pixel space: y down, whole numbers on sample centres.

    A ``.json`` file holds a list of the contract's `PointTrajectory`, or an object with this list as `trajectories`,
    in EXR pixel space. Any other is a table with a line for each point and frame, ``name frame x y``, between spaces,
    tabs or commas; lines that begin with # are skipped. With `upward_from`, the number of rows of the format, the
    table counts as Nuke does: y up from the format's lower edge, sample centres at halves. Raises `JobFileError` with
    everything that is wrong in it.
    """
    file = Path(path)
    text = _text(file)
    if file.suffix.lower() != ".json":
        return _table(text, file, upward_from=upward_from)
    if upward_from is not None:
        raise JobFileError(
            [
                make_problem(
                    "INVALID_JOB",
                    "Tracks in JSON are in EXR pixel space, and need no word on where y counts from.",
                    next_step="Leave that out, or give a table of name, frame, x and y.",
                    path=str(path),
                    field="controls.trajectories",
                )
            ]
        )
    tree = _json(file, text)
    if isinstance(tree, Items):
        tree = Entries(entries=(("trajectories", tree, tree.line),), line=tree.line)
    controls = Controls()
    reader = Reader(folder=file.parent, source=str(path))
    reader.fill(controls, tree, path="controls")
    if not reader.problems and [field.name for field, _ in controls.ListFields()] != ["trajectories"]:
        reader.complain(tree, "controls.trajectories", "the file must hold trajectories, and nothing else")
    if reader.problems:
        raise JobFileError(reader.problems)
    return list(controls.trajectories)


def _table(text: str, file: Path, *, upward_from: int | None) -> list[PointTrajectory]:
    tracks: dict[str, PointTrajectory] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.replace(",", " ").rsplit(None, _WORDS_AFTER_NAME)
        values = _numbers(words[1:]) if len(words) == _WORDS_AFTER_NAME + 1 else None
        if values is None:
            problems.append(
                make_problem(
                    "INVALID_JOB",
                    f"line {number}: '{line.strip()}' is not a name, a frame number, x and y.",
                    next_step="Write a line for each point and frame, like: corner 1001 812.5 440.25",
                    path=str(file),
                    field="controls.trajectories",
                    actual=line.strip(),
                )
            )
            if len(problems) == _MOST_PROBLEMS:
                break
            continue
        name, (frame, x, y) = " ".join(words[0].split()), values
        point = tracks.setdefault(name, PointTrajectory(name=name)).points.add(frame=int(frame))
        point.position.x = x if upward_from is None else x - 0.5
        point.position.y = y if upward_from is None else upward_from - 0.5 - y
    if not tracks and not problems:
        problems.append(
            make_problem(
                "INVALID_JOB",
                "The file has no tracks.",
                next_step="Write a line for each point and frame, like: corner 1001 812.5 440.25",
                path=str(file),
                field="controls.trajectories",
            )
        )
    if problems:
        raise JobFileError(problems)
    return list(tracks.values())


def _numbers(words: list[str]) -> tuple[float, float, float] | None:
    """Frame, x and y; None where they are no numbers, or the frame is no whole one."""
    try:
        frame, x, y = map(float, words)
    except ValueError:
        return None
    return (frame, x, y) if frame.is_integer() and abs(frame) < 2**31 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _unreadable(file, f"The file cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise _unreadable(file, "The file is not UTF-8 text.") from error


def _json(file: Path, text: str) -> Tree:
    try:
        return tree_of_json(text)
    except TreeError as error:
        where = f"line {error.line}: " if error.line else ""
        raise _unreadable(file, f"{where}{error}.") from error


def _unreadable(file: Path, message: str) -> JobFileError:
    return JobFileError([make_problem("JOB_FILE", message, path=str(file))])
