"""The windows of the scripts, with a real bridge and a real service: a user clicks, and a take is there."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Resolve, double, same_outside, user

from overscan_resolve import launch, load
from overscan_resolve._queue_window import WINDOW as QUEUE
from overscan_resolve._task_window import WINDOW as TASK

WAIT = 40.0


def opened(resolve: Resolve, name: str) -> int:
    """Run a script as Resolve's menu does; it returns when its window was closed."""
    found = {"resolve": resolve.resolve, "fusion": resolve.resolve.Fusion(), "bmd": double.bmd()}
    return launch.run(name, found)


class Person:
    """Does one thing after another, each as soon as the window says something."""

    def __init__(self, window: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.window = window
        self.seen: list[str] = []
        self._steps: list[tuple[Any, Any]] = []
        monkeypatch.setattr("tests.hosts.resolve_double._ui.LOOP_SECONDS", WAIT)

    def says(self) -> str:
        words = user.says(self.window, "words")
        if not self.seen or self.seen[-1] != words:
            self.seen.append(words)
        return words

    def once(self, words: str, *actions: Any) -> Person:
        """Once the window says `words`, do these things."""
        self._steps.append((lambda: words in self.says(), actions))
        return self

    def when(self, condition: Any, *actions: Any) -> Person:
        self._steps.append((condition, actions))
        return self

    def go(self) -> None:
        if self._steps:
            condition, actions = self._steps.pop(0)

            def act() -> None:
                for action in actions:
                    action()
                self.go()

            user.when(condition, act)

    def click(self, name: str) -> Any:
        return lambda: user.click(self.window, name)

    def choose(self, name: str, entry: str) -> Any:
        return lambda: user.choose(self.window, name, entry)

    def type(self, name: str, words: str) -> Any:
        return lambda: user.type_text(self.window, name, words)

    def close(self) -> Any:
        return lambda: user.close_window(self.window)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(TASK, monkeypatch)


def has_grey() -> bool:
    return "grey" in user.element(TASK, "engine")._items


def test_a_clean_up_in_the_window(resolve: Resolve, person: Person) -> None:
    item = user.place(resolve.sequence(), source=(4, 8))
    matte = resolve.matte()
    resolve.resolve.OpenPage("edit")
    before = double.snapshot()
    person.when(
        has_grey, person.choose("engine", "grey"), person.choose("matte", "A file"), person.type("path", matte),
        person.choose("handles", "1"), person.click("plan"),
    )  # fmt: skip
    person.once("grey makes frames 1004-1009", person.click("generate"))
    person.once("in the timeline as take", person.close()).go()
    assert opened(resolve, "inpaint") == 0
    assert (item.GetTakesCount(), item.GetSelectedTakeIndex()) == (2, 2)
    assert any("running" in words for words in person.seen), person.seen
    for number in range(1004, 1010):
        plate = resolve.folder / "plates/plate" / f"plate.{number}.exr"
        assert same_outside(plate, resolve.folder / f"results/plate/v001/plate_v001.{number}.exr", matte % number)
    changed = double.difference(before, double.snapshot())
    assert [line for line in changed if "/Overscan" not in line and "items[0]/" not in line] == []


def test_the_window_describes_the_clip_and_takes_another(resolve: Resolve, person: Person) -> None:
    media = resolve.sequence()
    user.place(media, source=(4, 8), name="first")
    user.place(media, source=(0, 8), speed=200, name="second")
    described: list[str] = []

    def note() -> None:
        described.append(f"{user.says(TASK, 'clip')}: {person.says()}")

    person.once("frames 4 to 7", note, lambda: user.move_playhead(5), person.click("choose"))
    person.once("at 200 %", note, person.close()).go()
    assert opened(resolve, "continue") == 0
    assert described[0].startswith("first, on V1 of Edit: 4 frames, frames 4 to 7 of its media (40x30")
    assert described[1].startswith("second, on V1 of Edit: 4 frames at 200 %, frames 0 to 7")


def test_what_is_missing_is_said_in_the_window(resolve: Resolve, person: Person) -> None:
    before = double.snapshot()
    person.once("no clip under the playhead", person.click("generate"))
    person.when(lambda: len(person.seen) >= 1, person.close()).go()
    assert opened(resolve, "extend") == 0
    assert double.difference(before, double.snapshot()) == []


def test_generate_refuses_in_words_and_can_be_corrected(resolve: Resolve, person: Person) -> None:
    user.place(resolve.sequence(), source=(4, 8))
    before = double.snapshot()
    person.when(
        has_grey, person.choose("engine", "grey"), person.choose("matte", "Clip matte"), person.click("generate")
    )
    person.once("Not started", person.close()).go()
    assert opened(resolve, "inpaint") == 0
    assert "has no clip matte" in person.seen[-1]
    assert double.difference(before, double.snapshot()) == []
    assert not list((resolve.folder / "results").glob("*/*"))


def test_cancel_while_resolve_renders_and_while_the_job_runs(resolve: Resolve, person: Person) -> None:
    item = user.place(resolve.sequence(), source=(4, 8))
    user.grade(item, window=(0.25, 0.25, 0.75, 0.75))
    double.session().faults.render = "hang"
    before = double.snapshot()
    project = resolve.resolve.GetProjectManager().GetCurrentProject()
    person.when(has_grey, person.choose("engine", "grey"), person.click("generate"))
    person.when(lambda: project.IsRenderingInProgress(), person.click("cancel"))
    person.once("Stopped before anything was sent", person.close()).go()
    assert opened(resolve, "inpaint") == 0
    assert double.difference(before, double.snapshot()) == []
    assert not list((resolve.folder / "results").glob("*/*"))


def test_closing_while_a_job_runs_leaves_it_to_the_queue(
    resolve: Resolve, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = user.place(resolve.sequence(), source=(4, 6))
    monkeypatch.setattr("overscan_resolve._task_window.TaskWindow.wish", _slowly(resolve))
    person.when(has_grey, person.click("generate"))
    person.once("running", person.close()).go()
    assert opened(resolve, "inpaint") == 0
    assert item.GetTakesCount() == 0
    queue = Person(QUEUE, monkeypatch)
    queue.when(lambda: item.GetTakesCount() == 2, queue.close()).go()
    assert opened(resolve, "queue") == 0
    assert item.GetTakesCount() == 2
    assert load(resolve.folder / "results/plate/v001").state == "placed"


def _slowly(resolve: Resolve) -> Any:
    from overscan_resolve import Wish

    wish = Wish("inpaint", matte=resolve.matte(), engine="grey", handles=0, parameters={"pause": 1.5})
    return lambda _: wish


def test_the_queue_cancels_retries_and_explains(
    resolve: Resolve, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overscan_resolve import Wish

    item = user.place(resolve.sequence(), source=(4, 6))
    wish = Wish("inpaint", matte=resolve.matte(), engine="grey", handles=0, parameters={"fail_at": 1005})
    monkeypatch.setattr("overscan_resolve._task_window.TaskWindow.wish", lambda _: wish)
    person.when(has_grey, person.click("generate"))
    person.once("failed", person.close()).go()
    assert opened(resolve, "inpaint") == 0
    queue = Person(QUEUE, monkeypatch)
    before = double.snapshot()

    def choose_first() -> None:
        tree = user.element(QUEUE, "jobs")
        mine = load(resolve.folder / "results/plate/v001").job_id
        tree.SetCurrentItem(next(row for row in tree._items if row.Text[5] == mine))

    queue.when(lambda: "failed" in user.says(QUEUE, "jobs"), choose_first)
    queue.once("made to fail", queue.click("retry"))
    queue.when(lambda: any(word in queue.says() for word in ("waiting", "running")))
    queue.once("made to fail", queue.close()).go()
    assert opened(resolve, "queue") == 0
    assert item.GetTakesCount() == 0
    assert double.difference(before, double.snapshot()) == []


@pytest.mark.parametrize("edition", ["free", "hidden"])
def test_without_windows_it_is_said_what_to_do(edition: str, capsys: pytest.CaptureFixture[str]) -> None:
    host = double.start(edition="free" if edition == "free" else "studio", gui=edition != "hidden")
    assert launch.run("inpaint", {"resolve": host, "fusion": host.Fusion(), "bmd": double.bmd()}) == 1
    said = capsys.readouterr().out
    assert said.startswith("[overscan] DaVinci Resolve") and "overscan watch-folder" in said
    assert launch.run("inpaint", {"bmd": None}) == 1
    assert launch.run("nothing", {}) == 1
    assert "no script 'nothing'" in capsys.readouterr().out
    double.stop()
