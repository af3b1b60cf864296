"""Job files: the wire's `JobSpec` as YAML or JSON, for people to write and programs to keep."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from overscan.client._errors import JobFileError, make_problem
from overscan.client._reading import Reader
from overscan.client._tree import Tree, TreeError, tree_of_json, tree_of_value, tree_of_yaml
from overscan.client._writing import to_plain
from overscan.v1.job_pb2 import JobSpec

_TASKS = ("extend", "inpaint", "continue", "interpolate", "generate")


def load_job_file(path: str | os.PathLike[str]) -> JobSpec:
    """The job in a YAML or JSON file; relative paths in it start from the file's own folder.

    Raises `JobFileError` with everything that is wrong in it, by line and field.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _unreadable(file, f"The job file cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise _unreadable(file, "The job file is not UTF-8 text.") from error
    try:
        tree = tree_of_json(text) if file.suffix.lower() == ".json" else tree_of_yaml(text)
    except TreeError as error:
        where = f"line {error.line}: " if error.line else ""
        raise _unreadable(file, f"{where}{error}.") from error
    return _job_of(tree, folder=Path(os.path.abspath(file)).parent, source=str(path))  # noqa: PTH100


def parse_job(mapping: Mapping[str, object], *, folder: str | os.PathLike[str] | None = None) -> JobSpec:
    """The job that plain data describe, in the same form as a job file.

    Relative paths start from `folder`, or the current folder. Raises `JobFileError` with everything that is wrong.
    """
    return _job_of(tree_of_value(mapping), folder=Path(os.path.abspath(folder or ".")), source="")  # noqa: PTH100


def dump_job(spec: JobSpec) -> str:
    """The job as the text of a YAML job file; `load_job_file` gives the same job back."""
    plain = to_plain(spec)
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False))


def _job_of(tree: Tree, *, folder: Path, source: str) -> JobSpec:
    spec = JobSpec()
    reader = Reader(folder=folder, source=source)
    reader.fill(spec, tree)
    if not reader.problems and spec.WhichOneof("task") is None:
        reader.complain(tree, "", "the job does not say what to do", next_step=f"Give one of {', '.join(_TASKS)}.")
    if reader.problems:
        raise JobFileError(reader.problems)
    return spec


def _unreadable(path: Path, message: str) -> JobFileError:
    return JobFileError([make_problem("JOB_FILE", message, path=str(path))])
