"""Headers that a process remembers, of files that change in every way they can."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from overscan.core.errors import MissingFramesError
from overscan.core.plates import PlateFrame, _known_headers, read_header, remember_headers, write_frame

Rewrite = Callable[..., None]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file's name, in a process that remembers the headers of two files, however new they are."""
    monkeypatch.setattr(_known_headers, "_known", None)
    monkeypatch.setattr(_known_headers, "_SETTLED_SECONDS", -1.0)
    remember_headers(files_max=2)
    return tmp_path / "a.1001.exr"


@pytest.fixture
def rewrite(make_part) -> Rewrite:
    def rewrite(path: Path, *, columns: int = 6) -> None:
        planes = {name: np.zeros((4, columns), np.float16) for name in "RGB"}
        write_frame(
            PlateFrame(path=path, number=1001, format_name="openexr", parts=(make_part(planes),)),
            path=path,
            overwrite=True,
        )

    return rewrite


def test_an_unchanged_file_is_read_once(path: Path, rewrite: Rewrite) -> None:
    rewrite(path)
    assert read_header(path) is read_header(path)


def test_a_file_that_was_replaced_is_read_again(path: Path, rewrite: Rewrite) -> None:
    rewrite(path)
    read_header(path)
    rewrite(path, columns=7)
    assert read_header(path)[0].data_window.width == 7


def test_a_file_that_was_changed_in_place_is_read_again_even_where_size_and_time_are_the_same(
    path: Path, rewrite: Rewrite
) -> None:
    rewrite(path)
    before, first = path.stat(), read_header(path)
    other = path.with_name("b.exr")
    rewrite(other)
    with path.open("rb+") as file:
        file.write(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert read_header(path) is not first


def test_a_file_that_is_gone_is_missing(path: Path, rewrite: Rewrite) -> None:
    rewrite(path)
    read_header(path)
    path.unlink()
    with pytest.raises(MissingFramesError):
        read_header(path)


def test_a_file_that_was_changed_just_now_is_not_remembered(
    path: Path, rewrite: Rewrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_known_headers, "_SETTLED_SECONDS", 60.0)
    rewrite(path)
    assert read_header(path) is not read_header(path)


def test_what_was_not_asked_for_longest_is_forgotten(path: Path, rewrite: Rewrite) -> None:
    paths = [path.with_name(f"a.{number}.exr") for number in (1, 2, 3)]
    for each in paths:
        rewrite(each)
    first, second = read_header(paths[0]), read_header(paths[1])
    assert read_header(paths[0]) is first
    read_header(paths[2])
    assert read_header(paths[0]) is first
    assert read_header(paths[1]) is not second
