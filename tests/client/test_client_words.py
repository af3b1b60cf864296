"""Frame sets, enums and plain data: the words between people and the wire."""

from __future__ import annotations

import itertools

import pytest

from overscan.client import (
    count_frames,
    enum_word,
    enum_words,
    frames_from_numbers,
    frames_from_text,
    frames_to_text,
    to_plain,
)
from overscan.v1.engine_pb2 import Engine, Parameter, Task
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.job_pb2 import Job, JobState


@pytest.mark.parametrize(
    ("text", "canonical", "count"),
    [
        ("1001", "1001", 1),
        ("1001-1100", "1001-1100", 100),
        ("1001-1100x2,1200", "1001-1099x2,1200", 51),
        ("-5--1", "-5--1", 5),
        ("-10-10x5", "-10-10x5", 5),
        ("10-1", "1-10", 10),
        ("1,3,2", "1-3", 3),
        ("1-5,4-8", "1-8", 8),
        (" 7 ", "7", 1),
        ("1,9", "1,9", 2),
    ],
)
def test_ranges(text: str, canonical: str, count: int) -> None:
    frames = frames_from_text(text)
    assert frames_to_text(frames) == canonical
    assert count_frames(frames) == count
    assert frames_from_text(canonical) == frames


def test_any_set_of_frames_survives() -> None:
    for size in range(1, 8):
        for numbers in itertools.combinations(range(-3, 5), size):
            frames = frames_from_numbers(numbers)
            back = {n for r in frames.ranges for n in range(r.first, r.last + 1, r.step)}
            assert back == set(numbers)
            assert count_frames(frames) == size
            assert frames_from_text(frames_to_text(frames)) == frames


def test_step_zero_means_one() -> None:
    frames = FrameSet(ranges=[FrameRange(first=1, last=5)])
    assert frames_to_text(frames) == "1-5"
    assert count_frames(frames) == 5


def test_enum_words() -> None:
    assert list(enum_words(Task.DESCRIPTOR)) == ["extend", "inpaint", "continue", "interpolate", "generate"]
    assert enum_word(JobState.DESCRIPTOR, JobState.JOB_STATE_RUNNING) == "running"
    assert enum_word(JobState.DESCRIPTOR, 99) == "99"


def test_plain_data() -> None:
    job = Job(id="a", state=JobState.JOB_STATE_FAILED, progress=0.5)
    job.create_time.FromJsonString("2026-01-02T03:04:05.678Z")
    job.verification.samples = 2**60
    plain = to_plain(job)
    assert plain["state"] == "failed"
    assert plain["create_time"] == "2026-01-02T03:04:05.678Z"
    assert plain["verification"] == {"samples": 2**60}
    assert "steps" not in plain
    assert to_plain(job, defaults=True)["steps"] == []
    parameter = Parameter(name="x", minimum=0.0)
    parameter.default_value.number_value = 2.0
    assert to_plain(Engine(parameters=[parameter]))["parameters"] == [{"name": "x", "default_value": 2, "minimum": 0.0}]
