"""What may pass between the service and its workers."""

from __future__ import annotations

import io
import os
import pickle
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from overscan.core.engines import Estimate, Notice, Plan, Step
from overscan.core.geometry import Window
from overscan.core.jobs import Task
from overscan.service._errors import EngineFaultError
from overscan.service.scheduling.job_run import check_plan
from overscan.service.wire.frame_sets import read_frames, write_frames
from overscan.service.wire.spec import output_key
from overscan.service.workers import messages
from overscan.v1.frames_pb2 import FrameRange


def sent(message: object) -> io.BytesIO:
    stream = io.BytesIO()
    messages.write(stream, (7, message))
    stream.seek(0)
    return stream


def test_an_engines_numbers_leave_the_worker_as_pythons_own() -> None:
    plan = Plan(
        steps=(
            Step(
                id="a",
                kind="render",
                title="t",
                frames=tuple(np.arange(3)),
                weight=np.float32(0.5),  # type: ignore[arg-type]
            ),
        ),
        frames=np.arange(3).tolist(),  # type: ignore[arg-type]
        display_window=Window(x=np.int64(1), y=0, width=2, height=3),  # type: ignore[arg-type]
        generated_fraction=np.float64(0.25),
        estimate=Estimate(
            memory_bytes=np.uint64(5),  # type: ignore[arg-type]
            seconds=Fraction(1, 2),  # type: ignore[arg-type]
            output_bytes=1,
            work_bytes=1,
        ),
    )
    number, answer = messages.read_report(sent(messages.plain(messages.Finished(value=plan)))) or (0, None)
    assert number == 7
    assert isinstance(answer, messages.Finished)
    assert isinstance(answer.value, Plan)
    assert answer.value.steps[0].frames == (0, 1, 2)
    assert answer.value.frames == (0, 1, 2)
    for value, kind in (
        (answer.value.steps[0].frames[0], int),
        (answer.value.steps[0].weight, float),
        (answer.value.generated_fraction, float),
        (answer.value.estimate.memory_bytes, int),
        (answer.value.estimate.seconds, float),
    ):
        assert type(value) is kind
    assert answer.value.display_window == Window(x=1, y=0, width=2, height=3)


def test_plain_refuses_what_has_no_plain_form() -> None:
    with pytest.raises(TypeError, match="cannot leave a worker"):
        messages.plain(messages.Finished(value=object()))  # type: ignore[arg-type]
    assert messages.plain(np.bool_(True)) is True
    assert messages.plain(Path("/a")) == "/a"
    assert messages.plain(os.fsdecode(b"/a\xff")) == "/a\\udcff"


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("true",))


@pytest.mark.parametrize("message", [np.float64(1), Hostile(), Path("/a"), messages.pickle.dumps])
def test_the_service_builds_nothing_foreign(message: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no business"):
        messages.read_report(sent(message))


def test_a_cut_or_absurd_message_is_not_waited_for() -> None:
    whole = sent(messages.Warned(notice=Notice(code="A", message="b"))).getvalue()
    for length in (0, 3, 8, len(whole) - 1):
        assert messages.read_report(io.BytesIO(whole[:length])) is None
    with pytest.raises(pickle.UnpicklingError, match="bytes"):
        messages.read_report(io.BytesIO(struct.pack(">Q", 1 << 60)))


@pytest.mark.parametrize(
    ("frames", "ranges"),
    [
        ((), []),
        ((5,), [(5, 5, 1)]),
        ((-3, -2, -1, 0), [(-3, 0, 1)]),
        ((1, 3, 5, 7), [(1, 7, 2)]),
        ((1, 2, 3, 10), [(1, 3, 1), (10, 10, 1)]),
        ((1, 5, 6, 7), [(1, 1, 1), (5, 7, 1)]),
        (tuple(range(1001, 1901)), [(1001, 1900, 1)]),
    ],
)
def test_frames_travel_as_ranges(frames: tuple[int, ...], ranges: list[tuple[int, int, int]]) -> None:
    wire = write_frames(frames)
    assert list(wire.ranges) == [FrameRange(first=first, last=last, step=step) for first, last, step in ranges]
    assert (read_frames(wire, field="frames") or ()) == frames


def test_any_set_of_frames_comes_back() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        frames = tuple(sorted({int(number) for number in random.integers(-40, 40, random.integers(1, 30))}))
        assert read_frames(write_frames(frames), field="frames") == frames


def step(name: str, *needs: str, weight: float = 0.5) -> Step:
    return Step(id=name, kind="render", title="t", needs=needs, weight=weight)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((), "no steps"),
        ((step("a"), step("a")), "same id"),
        ((step("a", "b"),), "not there"),
        ((step("a", "b"), step("b", "a")), "circle"),
        ((step("a", "a"),), "circle"),
        ((step("../a"),), "file name"),
        ((step("a", weight=float("nan")),), "weight"),
        ((step("a", weight=-1.0),), "weight"),
        ((step("verify"),), "taken"),
    ],
)
def test_a_plan_that_is_no_graph_is_refused(steps: tuple[Step, ...], words: str) -> None:
    with pytest.raises(EngineFaultError, match=words):
        check_plan(Plan(steps=steps), engine="e")


def test_a_graph_is_accepted() -> None:
    check_plan(Plan(steps=(step("c", "a", "b"), step("a"), step("b", "a", "a"))), engine="e")


def test_spellings_of_one_output_are_one() -> None:
    spellings = ("/s/out.%04d.exr", "/s/out.####.exr", "/s/./out.%d.exr", "/s/x/../out.@@@@.exr")
    assert len({output_key(path) for path in spellings}) == 1
    assert output_key("/s/out.%04d.exr") != output_key("/s/other.%04d.exr")


class _AsOlderPythonPickles:
    """Pickles as Enum members do on Python 3.11.0 to 3.11.3, Debian 12's among them."""

    def __init__(self, kind: object, name: str) -> None:
        self._what = (kind, name)

    def __reduce__(self) -> tuple[object, ...]:
        return (getattr, self._what)


def test_enumerations_of_older_pythons_are_read() -> None:
    stream = sent(messages.Finished(value=_AsOlderPythonPickles(Task, "EXTEND")))
    _, answer = messages.read_report(stream) or (0, None)
    assert isinstance(answer, messages.Finished)
    assert answer.value is Task.EXTEND


@pytest.mark.parametrize("kind", [Notice, Path])
def test_no_other_attribute_is_reached_that_way(kind: type) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no business"):
        messages.read_report(sent(messages.Finished(value=_AsOlderPythonPickles(kind, "__init__"))))
