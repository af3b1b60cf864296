"""Tables: what becomes of work after a failure, and when a worker is taken for frozen or stuck."""

from __future__ import annotations

import pytest

from overscan.core.errors import ErrorRecord
from overscan.service.scheduling.faults import (
    DEATHS_MAX,
    KILLS_MAX,
    Limits,
    Tried,
    Trouble,
    Verdict,
    decide,
    trouble_of,
)
from overscan.service.workers.watchdog import Pulse

LIMITS = Limits(retries_max=8, retry_seconds=120.0)


def all_of(
    *troubles: Trouble, limits: Limits = LIMITS, advanced: frozenset[int] = frozenset()
) -> list[tuple[bool, float, int]]:
    """What is decided after each of several failures in a row: again, pause, frugal. `advanced` are indices."""
    tried, found = Tried(), []
    for index, trouble in enumerate(troubles):
        verdict = decide(trouble, tried=tried, advanced=index in advanced, limits=limits)
        tried = verdict.tried
        found.append((verdict.again, verdict.pause_seconds, tried.frugal))
        if not verdict.again:
            break
    return found


@pytest.mark.parametrize("trouble", [Trouble.STORAGE, Trouble.START])
def test_what_may_pass_is_waited_for_longer_each_time_and_not_for_ever(trouble: Trouble) -> None:
    decided = all_of(*[trouble] * 20)
    assert [pause for _, pause, _ in decided] == [1, 2, 4, 8, 16, 30, 30, 0]
    assert [again for again, _, _ in decided] == [True] * 7 + [False]
    assert sum(pause for _, pause, _ in decided) <= LIMITS.retry_seconds


@pytest.mark.parametrize(
    ("limits", "tries"),
    [
        (Limits(retries_max=0, retry_seconds=100.0), 0),
        (Limits(retries_max=2, retry_seconds=100.0), 2),
        (Limits(retries_max=100, retry_seconds=0.0), 0),
        (Limits(retries_max=100, retry_seconds=3.0), 2),
        (Limits(retries_max=100, retry_seconds=1000.0), 37),
    ],
)
def test_what_ends_first_ends_it(limits: Limits, tries: int) -> None:
    assert [again for again, _, _ in all_of(*[Trouble.STORAGE] * 200, limits=limits)] == [True] * tries + [False]


def test_memory_is_spared_more_each_time() -> None:
    assert all_of(*[Trouble.MEMORY] * 9) == [(True, 0, 1), (True, 0, 2), (False, 0, 2)]


@pytest.mark.parametrize("trouble", [Trouble.CRASH, Trouble.HUNG])
def test_crashes_and_hangs_are_few(trouble: Trouble) -> None:
    decided = all_of(*[trouble] * 9)
    assert [again for again, _, _ in decided] == [True] * (DEATHS_MAX - 1) + [False]


def test_kills_from_outside_are_more_and_save_memory_in_case() -> None:
    decided = all_of(*[Trouble.KILLED] * 30)
    assert [again for again, _, _ in decided] == [True] * (KILLS_MAX - 1) + [False]
    assert [frugal for _, _, frugal in decided[:4]] == [0, 0, 1, 1]


def test_what_would_fail_again_is_not_tried_again() -> None:
    assert all_of(Trouble.FINAL) == [(False, 0, 0)]


def test_a_finished_frame_begins_the_counts_anew_but_not_the_sparing() -> None:
    mixed = [Trouble.CRASH, Trouble.CRASH] * 20
    assert all(again for again, _, _ in all_of(*mixed, advanced=frozenset(range(0, 40, 2))))
    assert decide(
        Trouble.CRASH, tried=Tried(deaths=2, kills=3, failures=4, frugal=1), advanced=True, limits=LIMITS
    ) == Verdict(again=True, tried=Tried(deaths=1, frugal=1))


def test_every_mix_of_failures_comes_to_an_end() -> None:
    mixed = [Trouble.STORAGE, Trouble.KILLED, Trouble.MEMORY, Trouble.CRASH, Trouble.HUNG] * 100
    assert len(all_of(*mixed)) < 20


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("DISK_FULL", Trouble.STORAGE),
        ("SHARE_LOST", Trouble.STORAGE),
        ("OUT_OF_MEMORY", Trouble.MEMORY),
        ("OUTPUT_NOT_WRITABLE", Trouble.FINAL),
        ("INPUT_CHANGED", Trouble.FINAL),
        ("STEP_FAILED", Trouble.FINAL),
    ],
)
def test_kinds_of_failures(code: str, trouble: Trouble) -> None:
    assert trouble_of(ErrorRecord(code=code, message="")) is trouble


def verdicts(pulse: Pulse, times: range, *, cpu: float | None, per_second: float = 0.0) -> dict[int, str]:
    """What is said of a worker at each of the `times`, and nothing where it is left alone."""
    found = {}
    for now in times:
        seconds = None if cpu is None else cpu + per_second * now
        verdict = pulse.verdict(now=float(now), cpu_seconds=seconds, silent_max=10.0, stuck_max=40.0)
        if verdict:
            found[now] = verdict
    return found


def spoken() -> Pulse:
    pulse = Pulse(heard_at=0.0)
    pulse.begin(now=0.0)
    pulse.beat(now=0.0, cpu_seconds=0.0)
    return pulse


def test_silence_is_frozen() -> None:
    found = verdicts(spoken(), range(60), cpu=5.0)
    assert min(found) == 11
    assert "not answered for 11 s" in found[11]


def test_silence_of_one_that_computes_is_waited_for_longer() -> None:
    assert min(verdicts(spoken(), range(60), cpu=5.0, per_second=0.9)) == 41


def test_what_it_computed_before_it_froze_does_not_count_for_long() -> None:
    """As where a slow machine is still starting it when the look begins."""
    pulse = Pulse(heard_at=0.0)
    pulse.begin(now=0.0)
    found = [
        now
        for now in range(60)
        if pulse.verdict(now=float(now), cpu_seconds=0.5 * min(now, 20), silent_max=10.0, stuck_max=400.0)
    ]
    assert 31 <= min(found) <= 45


def test_where_nobody_says_what_it_computes_silence_is_frozen() -> None:
    assert min(verdicts(spoken(), range(60), cpu=None)) == 11


def test_a_start_may_take_longer() -> None:
    pulse = Pulse(heard_at=0.0)
    pulse.begin(now=0.0)
    assert min(verdicts(pulse, range(60), cpu=0.0)) == 31


def test_one_that_lives_and_does_nothing_is_stuck() -> None:
    pulse = spoken()
    for now in range(41):
        pulse.beat(now=float(now), cpu_seconds=0.001 * now)
        assert not verdicts(pulse, range(now, now + 1), cpu=0.0)
    pulse.beat(now=41.0, cpu_seconds=0.041)
    assert "neither reported anything nor computed for 41 s" in verdicts(pulse, range(41, 42), cpu=0.0)[41]


@pytest.mark.parametrize("reports", [True, False])
def test_one_that_reports_or_computes_is_left_alone(reports: bool) -> None:
    pulse = spoken()
    for now in range(200):
        pulse.beat(now=float(now), cpu_seconds=0.0 if reports else 0.1 * now)
        if reports and now % 30 == 0:
            pulse.report(now=float(now))
        assert not verdicts(pulse, range(now, now + 1), cpu=0.0)


def test_time_in_which_nobody_listened_does_not_count() -> None:
    pulse = spoken()
    pulse.wait(now=500.0)
    assert not verdicts(pulse, range(500, 506), cpu=0.0)
