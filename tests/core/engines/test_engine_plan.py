"""Plans: a sound graph of steps, weights, estimates and what will come out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from filming import Recorder, ellipse, inpaint, make_job, pan, write

from overscan.core.engines import Context, Engine, InstalledEngine, _registry, installed_engines, load_engine
from overscan.core.errors import CancelledError, UnknownEngineError
from overscan.core.jobs import Extend, ExtrasMode, Job, Margins, Task


def _plan(job: Job):
    plan = load_engine("plate").plan(job)
    assert plan.feasible, plan.problems
    return plan


@pytest.mark.parametrize("count", [1, 2, 3, 17, 130])
@pytest.mark.parametrize("chosen", ["all", "one", "ends"])
@pytest.mark.parametrize("parameters", [{}, {"search_range": 1}, {"copy": "never"}])
def test_steps(tmp_path, count, chosen, parameters):
    frames = tuple(range(1001, 1001 + count))
    plate = pan(tmp_path / "p", size=(24, 16), frames=frames)
    wanted = {"all": None, "one": frames[:1], "ends": tuple({frames[0]: 0, frames[-1]: 0})}[chosen]
    task = Extend(margins=Margins(left=4))
    plan = _plan(make_job(task, plate, str(tmp_path / "o.%d.exr"), frames=wanted, parameters=parameters))
    steps = plan.steps
    assert sum(step.weight for step in steps) == pytest.approx(1)
    assert all(step.weight > 0 for step in steps)
    ids = [step.id for step in steps]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in ids)
    known: set[str] = set()
    for step in steps:
        assert set(step.needs) <= known, "in an order that can be run"
        known.add(step.id)
        assert step.title
        assert set(step.frames) <= set(frames)
    rendered = [frame for step in steps if step.kind == "render" for frame in step.frames]
    assert sorted(rendered) == sorted(plan.frames) == list(wanted or frames)
    assert len(set(rendered)) == len(rendered)


def test_windows_encoding_and_share(tmp_path):
    plate = pan(tmp_path / "p", size=(120, 80), frames=(1, 2, 3), attributes={"compression": "piz"})
    plan = _plan(make_job(Extend(size=(160, 90)), plate, str(tmp_path / "o.%d.exr")))
    assert (str(plan.display_window), str(plan.data_window)) == ("160x90+0+0", "160x90+0+0")
    assert plan.plate_offset == (20, 5)
    assert plan.generated_fraction == pytest.approx(1 - 120 * 80 / (160 * 90))
    assert plan.encoding == "half, piz"


def test_estimates_grow_with_the_work(tmp_path):
    small = pan(tmp_path / "s", size=(60, 40), frames=range(1, 5))
    large = pan(tmp_path / "l", size=(240, 160), frames=range(1, 5))
    long = pan(tmp_path / "n", size=(60, 40), frames=range(1, 41))
    out = str(tmp_path / "o.%d.exr")
    one, wide, many = (
        _plan(make_job(Extend(size=size), plate, out)).estimate
        for plate, size in ((small, (90, 40)), (large, (360, 160)), (long, (90, 40)))
    )
    for estimate in (one, wide, many):
        assert min(estimate.memory_bytes, estimate.seconds, estimate.output_bytes, estimate.work_bytes) > 0
    assert wide.output_bytes == 16 * one.output_bytes
    assert many.output_bytes == 10 * one.output_bytes
    assert wide.seconds > one.seconds
    assert many.seconds > 2 * one.seconds
    assert wide.memory_bytes > one.memory_bytes
    # Memory must not grow with the length of the shot.
    assert many.memory_bytes < 1.1 * one.memory_bytes
    bare = _plan(make_job(Extend(size=(90, 40)), small, out, output={"extras": ExtrasMode.NONE})).estimate
    assert bare.output_bytes < one.output_bytes


def test_planning_writes_nothing(tmp_path):
    plate = pan(tmp_path / "p", size=(60, 40), frames=range(1, 5))
    before = sorted(tmp_path.rglob("*"))
    _plan(make_job(Extend(size=(90, 40)), plate, str(tmp_path / "o/o.%d.exr")))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_card():
    engine = load_engine("plate")
    assert isinstance(engine, Engine)
    assert set(engine.card.tasks) == {Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE}
    assert engine.card.rights.training_data.value == "none"
    for parameter in engine.card.parameters:
        assert parameter.description
        assert not parameter.choices or parameter.default in parameter.choices
        assert parameter.minimum is None or parameter.minimum <= parameter.default <= parameter.maximum


def test_engines_by_name():
    assert "plate" in [entry.name for entry in installed_engines()]
    with pytest.raises(UnknownEngineError) as raised:
        load_engine("fog")
    assert "plate" in raised.value.record.next_step
    assert raised.value.record.actual == "fog"


def test_an_engine_that_does_not_load_hides_no_other(monkeypatch):
    class Entry:
        def __init__(self, name, load):
            self.name, self.load = name, load

    def broken():
        raise ImportError("no module named 'torch'")

    sound = load_engine("plate")
    entries = [Entry("zebra", lambda: lambda: sound), Entry("bad", broken), Entry("odd", lambda: object)]
    monkeypatch.setattr(
        _registry, "entry_points", lambda group: [entry for entry in entries if group == "overscan.engines"]
    )
    installed_engines.cache_clear()
    try:
        assert installed_engines() == (
            InstalledEngine(name="bad", engine=None, reason="ImportError: no module named 'torch'"),
            InstalledEngine(name="odd", engine=None, reason="it has no card, plan and run"),
            InstalledEngine(name="zebra", engine=sound),
        )
        assert load_engine("zebra") is sound
        with pytest.raises(UnknownEngineError, match="torch"):
            load_engine("bad")
    finally:
        monkeypatch.undo()
        installed_engines.cache_clear()


class _Stopping:
    """A reporter that says stop after a number of questions."""

    def __init__(self, after: int) -> None:
        self.left = after

    def progress(self, *, fraction: float, message: str) -> None:
        assert 0 <= fraction <= 1
        assert message

    def frame_finished(self, **_: object) -> None:
        """Not counted."""

    def warn(self, **_: object) -> None:
        """Not counted."""

    def check_cancelled(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise CancelledError("stopped by the test")


@pytest.mark.parametrize("after", [0, 3, 12])
def test_a_stopped_job_leaves_no_half_file_and_goes_on_later(tmp_path, after):
    plate = pan(tmp_path / "p", frames=range(1, 7), size=(64, 48))
    for number in range(1, 7):
        write(tmp_path / f"m/m.{number}.exr", {"A": ellipse((64, 48), centre=(30, 24), radii=(10, 8))})
    job = make_job(inpaint(str(tmp_path / "m/m.%d.exr")), plate, str(tmp_path / "o/o.%d.exr"))
    engine, plan = load_engine("plate"), _plan(job)
    for folder in ("work", "cache"):
        (tmp_path / folder).mkdir()
    context = Context(
        job=job,
        plan=plan,
        work_folder=tmp_path / "work",
        cache_folder=tmp_path / "cache",
        reporter=_Stopping(after),
    )
    with pytest.raises(CancelledError):
        for step in plan.steps:
            engine.run(step, context)
    left = [path.name for path in (tmp_path / "o").iterdir()] if (tmp_path / "o").exists() else []
    assert not [name for name in left if name.startswith(".")]
    # Another worker takes up the same plan and work folder.
    recorder, other = Recorder(), type(engine)()
    for step in plan.steps:
        other.run(step, replace(context, reporter=recorder))
    assert sorted(recorder.finished) == list(range(1, 7))
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [f"o.{number}.exr" for number in range(1, 7)]
