"""Who is next: the order of jobs, artists' shares and limits, without a service."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest

from overscan.service.scheduling.queue import PATIENCE_SECONDS, TURN_SECONDS, Entry, Limits, Queue
from overscan.service.scheduling.ranks import Place, ranks_for

GIB = 1 << 30


@dataclass
class Shop:
    """Workers, a clock and jobs of so many steps, in front of a queue."""

    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    now: float = 1000.0
    steps: dict[str, int] = field(default_factory=dict)
    queue: Queue = field(init=False)
    busy: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(limits=self.limits, half_life_seconds=3600.0)

    def add(
        self, name: str, *, artist: str = "", steps: int = 1, priority: int = 0, rank: float = 0.0, gib: int = 0
    ) -> None:
        self.steps[name] = steps
        self.queue.add(
            Entry(id=name, artist=artist, priority=priority, rank=rank, ordinal=len(self.steps), memory_bytes=gib * GIB)
        )

    def ready(self, name: str) -> bool:
        return self.steps[name] > 0

    def fill(self, seconds: float) -> None:
        """Give every free worker a step of `seconds`."""
        for number in range(self.workers):
            slot = f"slot-{number}"
            if slot in self.busy:
                continue
            entry = self.queue.next(slot=slot, now=self.now, ready=self.ready)
            if entry is None:
                continue
            self.queue.begin(entry.id, slot=slot, now=self.now)
            self.steps[entry.id] -= 1
            self.busy[slot] = (entry.id, self.now, self.now + seconds)

    def end_first(self) -> str:
        """Let the step that ends first end."""
        slot, (name, since, until) = min(self.busy.items(), key=lambda item: item[1][2])
        del self.busy[slot]
        self.now = until
        self.queue.end(name, since=since, now=self.now)
        self.done.append(name)
        if not self.steps[name] and not any(other[0] == name for other in self.busy.values()):
            self.queue.remove(name)
        return name

    def work(self, *, steps: int, seconds: float = 1.0) -> list[str]:
        """The jobs of the next steps, in the order in which they end."""
        begun = len(self.done)
        while len(self.done) < begun + steps:
            self.fill(seconds)
            if not self.busy:
                break
            self.end_first()
        return self.done[begun:]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([("a", 0, 2.0), ("b", 0, 1.0)], "ba"),
        ([("a", 0, 0.0), ("b", 0, 0.0)], "ab"),
        ([("a", 0, 1.0), ("b", 5, 9.0), ("c", -1, 0.0)], "bac"),
    ],
)
def test_priority_then_rank_then_creation(jobs: list[tuple[str, int, float]], expected: str) -> None:
    shop = Shop()
    for name, priority, rank in jobs:
        shop.add(name, priority=priority, rank=rank, artist="ada")
    assert "".join(shop.work(steps=9)) == expected


def test_a_long_job_does_not_starve_another_artists_preview() -> None:
    shop = Shop()
    shop.add("long", artist="ada", steps=900)
    shop.work(steps=60)
    shop.add("preview", artist="bob", steps=3)
    assert shop.work(steps=4) == ["preview", "preview", "preview", "long"]


def test_artists_have_equal_shares_step_by_step_and_no_worker_idles() -> None:
    shop = Shop(workers=2)
    for artist, seconds in (("ada", 400), ("bob", 400), ("eve", 400)):
        shop.add(artist, artist=artist, steps=seconds)
    begun = shop.now
    counts = Counter(shop.work(steps=300))
    assert shop.now - begun == 150
    assert all(abs(count - 100) <= 2 * TURN_SECONDS for count in counts.values())


def test_workers_that_are_free_together_go_to_several_artists() -> None:
    shop = Shop(workers=3)
    for name, artist in (("a1", "ada"), ("a2", "ada"), ("b1", "bob"), ("e1", "eve")):
        shop.add(name, artist=artist, steps=9)
    shop.fill(1.0)
    assert {name for name, _, _ in shop.busy.values()} == {"a1", "b1", "e1"}


def test_a_worker_stays_with_an_artist_for_a_turn() -> None:
    """Going to and fro at every step would load models again and again."""
    shop = Shop()
    shop.add("a", artist="ada", steps=100)
    shop.add("b", artist="bob", steps=100)
    order = shop.work(steps=60)
    turns = sum(before != after for before, after in itertools.pairwise(order))
    assert 2 <= turns <= 60 / TURN_SECONDS + 1


def test_an_artists_jobs_are_done_one_after_the_other() -> None:
    shop = Shop(workers=2)
    for number in range(4):
        shop.add(f"a{number}", artist="ada", steps=3, rank=number)
    assert shop.work(steps=12) == sorted(shop.done)


def test_what_was_used_is_forgotten() -> None:
    shop = Shop()
    shop.queue.charge("ada", seconds=1000.0, now=shop.now)
    shop.queue.charge("bob", seconds=600.0, now=shop.now + 3600.0)
    shop.now += 3600.0
    shop.add("b", artist="bob")
    shop.add("a", artist="ada")
    assert shop.queue.usage(now=shop.now)["ada"] == pytest.approx(500.0)
    assert shop.work(steps=2) == ["a", "b"]


def test_priority_comes_before_shares() -> None:
    shop = Shop()
    shop.queue.charge("ada", seconds=9999.0, now=shop.now)
    shop.add("low", artist="bob", steps=5)
    shop.add("high", artist="ada", steps=5, priority=1)
    assert shop.work(steps=6) == [*["high"] * 5, "low"]


def test_what_one_job_cannot_use_another_gets() -> None:
    shop = Shop(workers=2)
    shop.add("first", priority=9, steps=1)
    shop.add("second", steps=1)
    shop.fill(5.0)
    assert len(shop.busy) == 2


def test_no_more_jobs_are_begun_than_the_limit_says_and_begun_ones_go_on() -> None:
    shop = Shop(limits=Limits(jobs=2), workers=4)
    for name in "abc":
        shop.add(name, artist=name, steps=2, rank=ord(name))
    shop.fill(1.0)
    assert Counter(name for name, _, _ in shop.busy.values()) == {"a": 2, "b": 2}
    assert "running_jobs_max" in shop.queue.held_by("c", now=shop.now)
    order = shop.work(steps=6)
    assert sorted(order[:4]) == [*"aabb"]
    assert order[4:] == [*"cc"]


def test_no_more_jobs_of_one_artist_are_begun_than_the_limit_says() -> None:
    shop = Shop(limits=Limits(jobs_per_user=1), workers=3)
    shop.add("a1", artist="ada")
    shop.add("a2", artist="ada")
    shop.add("b1", artist="bob")
    shop.fill(1.0)
    assert {name for name, _, _ in shop.busy.values()} == {"a1", "b1"}
    assert shop.queue.held_by("a2", now=shop.now).startswith("1 job of ada is running")
    assert shop.work(steps=3)[-1] == "a2"


def test_what_runs_stays_within_the_memory_and_smaller_work_goes_before() -> None:
    shop = Shop(limits=Limits(memory_bytes=16 * GIB), workers=3)
    shop.add("large", gib=12, rank=1)
    shop.add("larger", gib=13, rank=2)
    shop.add("small", gib=4, rank=3)
    shop.fill(1.0)
    assert {name for name, _, _ in shop.busy.values()} == {"large", "small"}
    assert "13.0 GiB" in shop.queue.held_by("larger", now=shop.now)
    assert "16.0 GiB of 16.0 GiB" in shop.queue.held_by("larger", now=shop.now)
    assert shop.work(steps=3)[-1] == "larger"


def test_room_is_made_for_what_has_waited_for_long() -> None:
    shop = Shop(limits=Limits(memory_bytes=16 * GIB), workers=2)
    shop.add("small", artist="ada", steps=10_000, gib=6)
    shop.fill(1.0)
    shop.end_first()
    shop.add("large", artist="bob", gib=12)
    begun = shop.now
    shop.busy["other"] = ("small", shop.now, shop.now + 0.5)  # the steps never end together by themselves
    shop.queue.begin("small", slot="other", now=shop.now)
    while "large" not in shop.done:
        shop.fill(1.0)
        if "large" not in {name for name, _, _ in shop.busy.values()} and shop.now - begun > PATIENCE_SECONDS:
            assert shop.queue.held_by("small", now=shop.now) == "" or "large" in shop.queue.held_by(
                "small", now=shop.now
            )
        shop.end_first()
        assert shop.now - begun < PATIENCE_SECONDS + 10
    assert shop.now - begun >= PATIENCE_SECONDS


def test_what_is_too_large_for_the_machine_runs_alone() -> None:
    shop = Shop(limits=Limits(memory_bytes=16 * GIB), workers=2)
    shop.add("small", artist="ada", steps=200, gib=1)
    shop.fill(1.0)
    shop.add("huge", artist="bob", gib=64)
    assert shop.queue.too_large("huge") == 16 * GIB
    assert "runs alone" in shop.queue.held_by("huge", now=shop.now)
    while "huge" not in shop.done:
        shop.fill(1.0)
        names = [name for name, _, _ in shop.busy.values()]
        assert "huge" not in names or names == ["huge"]
        shop.end_first()
    assert len(shop.done) < 4 * PATIENCE_SECONDS


def test_what_ran_out_of_memory_has_the_machine_for_itself() -> None:
    shop = Shop(workers=2)
    shop.add("spare", artist="ada", steps=2)
    shop.queue.set_alone("spare", True)
    shop.add("other", artist="bob", steps=2)
    shop.fill(1.0)
    assert [name for name, _, _ in shop.busy.values()] == ["spare"]
    shop.end_first()
    shop.queue.set_alone("spare", False)
    shop.fill(1.0)
    assert len(shop.busy) == 2


def test_a_thousand_jobs_are_sorted_in_a_moment() -> None:
    """By count, not by time: nothing but the first jobs in order is looked at."""
    shop = Shop()
    for number in range(1000):
        shop.add(f"{number:04d}", artist=f"artist {number % 20}", rank=number)
    asked: list[str] = []
    entry = shop.queue.next(slot="slot-0", now=shop.now, ready=lambda name: asked.append(name) or True)
    assert entry is not None
    assert asked == ["0000"]


def test_ranks_put_a_job_anywhere_for_ever() -> None:
    order = [Place(job_id=name, rank=float(number)) for number, name in enumerate("abc")]
    ranks = {place.job_id: place.rank for place in order}
    for turn in range(300):  # always between the first two, where numbers run out
        name = "cb"[turn % 2]
        others = sorted(
            (Place(job_id=key, rank=rank) for key, rank in ranks.items() if key != name), key=lambda p: p.rank
        )
        ranks |= ranks_for(job_id=name, others=others, index=1, now=100.0)
        found = sorted(ranks, key=lambda key: ranks[key])
        assert found.index(name) == 1
        assert len(set(ranks.values())) == 3
    others = [Place(job_id="x", rank=5.0), Place(job_id="y", rank=7.0)]
    assert ranks_for(job_id="z", others=others, index=0, now=100.0)["z"] < 5.0
    assert ranks_for(job_id="z", others=others, index=2, now=100.0)["z"] == 100.0
    assert ranks_for(job_id="z", others=[], index=0, now=100.0) == {"z": 100.0}
