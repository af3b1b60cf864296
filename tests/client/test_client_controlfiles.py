"""Cameras and tracks out of files that hosts write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overscan.client import JobFileError, load_camera, load_tracks
from overscan.v1.controls_pb2 import PointTrajectory

LEVEL = [1, 0, 0, 0, 0, 1, 0, 1.7, 0, 0, 1, 0, 0, 0, 0, 1]


def _file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _places(track: PointTrajectory) -> list[tuple[int, float, float]]:
    return [(point.frame, point.position.x, point.position.y) for point in track.points]


def test_a_camera(tmp_path: Path) -> None:
    sample = {"frame": 1001, "matrix": LEVEL, "focalLengthMm": 35, "horizontal_aperture_mm": 24.89}
    camera = load_camera(_file(tmp_path / "camera.json", json.dumps({"samples": [sample]})))
    assert list(camera.samples[0].matrix) == LEVEL
    assert (camera.samples[0].frame, camera.samples[0].focal_length_mm) == (1001, 35)


def test_a_wrong_camera_is_told_by_line_and_field(tmp_path: Path) -> None:
    path = _file(tmp_path / "camera.json", '{"samples": [\n {"frame": 1.5},\n {"lens": 35}]}')
    with pytest.raises(JobFileError) as caught:
        load_camera(path)
    frame, lens = caught.value.problems
    assert (frame.field, lens.field) == ("controls.camera.samples[0].frame", "controls.camera.samples[1].lens")
    assert "line 2" in frame.message
    assert "focal_length_mm" in lens.next_step or "There are" in lens.next_step
    assert frame.path == str(path)


def test_a_table_counts_down_or_up(tmp_path: Path) -> None:
    path = _file(tmp_path / "tracks.txt", "# exported\ntrack 1  1001\t0.5, 1079.5\n\ntrack 1 1002 10 540\nb,-5,0,0\n")
    first, second = load_tracks(path)
    assert (first.name, second.name) == ("track 1", "b")
    assert _places(first) == [(1001, 0.5, 1079.5), (1002, 10, 540)]
    assert _places(second) == [(-5, 0, 0)]
    # Nuke's 0.5, 1079.5 is the centre of the upper left sample of 1080 rows: EXR's 0, 0.
    first, second = load_tracks(path, upward_from=1080)
    assert _places(first) == [(1001, 0, 0), (1002, 9.5, 539.5)]
    assert _places(second) == [(-5, -0.5, 1079.5)]


@pytest.mark.parametrize("wrapped", [False, True])
def test_tracks_in_json(tmp_path: Path, wrapped: bool) -> None:
    tracks = [{"name": "corner", "points": [{"frame": 1001, "position": {"x": 812.5, "y": 440.25}, "occluded": True}]}]
    path = _file(tmp_path / "tracks.json", json.dumps({"trajectories": tracks} if wrapped else tracks))
    (track,) = load_tracks(path)
    assert _places(track) == [(1001, 812.5, 440.25)]
    assert track.points[0].occluded


@pytest.mark.parametrize(
    ("name", "text", "upward_from", "words"),
    [
        ("t.txt", "a 1001 5 5\n1002 5 5\nb 1.5 5 5\nc 1 x y\n", None, ("line 2", "line 3", "line 4")),
        ("t.txt", "# nothing\n", None, ("no tracks",)),
        ("t.json", "[]", 1080, ("pixel space",)),
        ("t.json", "{", None, ("JSON",)),
        ("t.json", '{"prompt": "a wall"}', None, ("trajectories, and nothing else",)),
        ("t.json", '[{"nom": "a"}]', None, ("no 'nom'",)),
    ],
)
def test_wrong_tracks(tmp_path: Path, name: str, text: str, upward_from: int | None, words: tuple[str, ...]) -> None:
    path = _file(tmp_path / name, text)
    with pytest.raises(JobFileError) as caught:
        load_tracks(path, upward_from=upward_from)
    assert len(caught.value.problems) == len(words)
    for problem, word in zip(caught.value.problems, words, strict=True):
        assert word in problem.message
        assert problem.path == str(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for load, name in ((load_camera, "gone.json"), (load_tracks, "gone.txt"), (load_tracks, "binary.txt")):
        with pytest.raises(JobFileError) as caught:
            load(tmp_path / name)
        assert caught.value.problems[0].code == "JOB_FILE"
        assert name in caught.value.problems[0].path


def test_a_file_of_another_kind_does_not_fill_the_screen(tmp_path: Path) -> None:
    with pytest.raises(JobFileError) as caught:
        load_tracks(_file(tmp_path / "t.txt", "no track\n" * 1000))
    assert len(caught.value.problems) == 20
