"""Requests and image files that nobody would send: the service lives on, answers in time, and in our words.

The suite itself is `benchmarks/fuzz.py`; here it makes a few hundred of each with fixed seeds.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from google.protobuf.message_factory import GetMessageClass

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

import fuzz
import fuzz_images
from fuzz_files import Corpus
from fuzz_requests import METHODS, Maker, World
from fuzz_watch import Canary, Tally, check_trace, text_is_ours

from overscan.core.errors import OverscanError
from overscan.core.plates import read_frame, read_header

BUSY = 20.0
"""Seconds that a call may take where other tests run at the same time; 5 where none do (`benchmarks/fuzz.py`)."""


def kernels() -> Path:
    """What other tests have compiled."""
    return Path(os.environ["NUMBA_CACHE_DIR"]).resolve()


def world() -> World:
    spec = fuzz.base_spec(Path("/in"), Path("/out"))
    return World(
        inside=("/in/a.exr",), outside=("/x",), outputs=("/out/o.%04d.exr",), jobs=("j",), uploads=(), spec=spec
    )


def test_a_seed_and_a_number_always_give_the_same_request() -> None:
    first, again, other = (Maker(seed=seed, world=world()) for seed in (5, 5, 6))
    made = [first.make(number) for number in range(300)]
    assert [again.make(number) for number in reversed(range(300))] == made[::-1]
    assert [other.make(number) for number in range(300)] != made
    assert {one.method.name for one in made} == {method.name for method in METHODS}
    assert {one.kind for one in made} == {"random", "mutated", "bytes", "raw"}


def test_no_request_closes_the_service_or_removes_anything() -> None:
    maker = Maker(seed=1, world=world())
    for one in map(maker.make, range(3000)):
        if one.method.name in ("Drain", "Purge"):
            field = "undo" if one.method.name == "Drain" else "dry_run"
            message = GetMessageClass(one.method.input_type).FromString(one.requests[0])
            assert getattr(message, field)


def test_a_seed_always_gives_the_same_files_and_they_lead_further_than_sound_ones() -> None:
    corpus, again = Corpus(), Corpus()
    sound = corpus.steps
    files = corpus.make(seed=3, count=150)
    assert files == again.make(seed=3, count=150)
    assert corpus.steps > sound + 20


def test_what_is_touched_outside_is_noticed(tmp_path: Path) -> None:
    tally = Tally()
    canary = Canary(tmp_path / "canary", picture=b"x")
    canary.check(tally)
    assert not tally.wrong
    (canary.folder / "new").touch()
    canary.check(tally)
    assert len(tally.wrong) == 1
    log = tmp_path / "trace"
    log.write_text(
        f'12 openat(AT_FDCWD, "{canary.folder}/secret.txt", O_RDONLY) = 3\n'
        f'13 openat(AT_FDCWD, "{canary.folder}/secret.txt", O_RDONLY) = -1 EACCES (Permission denied)\n'
        f'14 openat(AT_FDCWD, "{canary.folder}/secret.txt", O_RDONLY <unfinished ...>\n'
        "14 <... openat resumed>) = 4\n"
        '15 openat(AT_FDCWD, "/etc/new", O_WRONLY|O_CREAT, 0666) = 5\n'
        f'16 openat(AT_FDCWD, "{tmp_path}/out/a", O_WRONLY|O_CREAT, 0666) = 5\n'
    )
    tally = Tally()
    assert check_trace(log, canary=canary.folder, writable=(tmp_path / "out",), tally=tally) == 5
    assert len(tally.wrong) == 3


@pytest.mark.parametrize(
    "text", ["Traceback (most recent call last):", 'File "/a/b.py", line 3', "<Job object at 0x7f>"]
)
def test_code_in_messages_is_noticed(text: str) -> None:
    assert text_is_ours(text)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("the service failed: 'overscan.service.calls.rpc' has no attribute 'x'", True),
        ("/opt/overscan/core/plates/_exr.py is at fault", True),
        ('File "x.py", line 3', True),
        ("the colour space 'x' is unknown. `python -m overscan.core.colour` lists them", False),
        ("/mnt/shows/overscan/plate.1001.exr is not there", False),
    ],
)
def test_knows_our_code_from_our_words(text: str, ours: bool) -> None:
    assert text_is_ours(text) is ours


def test_a_few_hundred_requests() -> None:
    tally = fuzz.fuzz_requests(count=400, seed=11, kernels=kernels(), limit=BUSY)
    assert tally.calls == 400
    assert not tally.wrong + tally.slow, "\n".join(tally.lines())
    assert tally.outcomes["OUTSIDE_ROOTS"] > 5
    assert tally.outcomes["OK"] > 20


def test_a_few_image_files_through_the_service() -> None:
    with fuzz.field(kernels=kernels(), limit=BUSY) as (ground, tally):
        fuzz_images.fuzz(ground, tally, count=60, seed=11)
    assert not tally.wrong + tally.slow, "\n".join(tally.lines())
    assert tally.outcomes["UNREADABLE_IMAGE"] > 10
    assert tally.outcomes["job done"] > 0


def test_hundreds_of_image_files_through_the_reader(tmp_path: Path) -> None:
    """In this process: whatever a file says, reading ends with a frame or in our words."""
    outcomes: dict[str, int] = {}
    for number, (extension, data) in enumerate(Corpus().make(seed=12, count=300)):
        path = tmp_path / f"f{number}.{extension}"
        path.write_bytes(data)
        try:
            read_header(path)
            read_frame(path, number=1)
            outcome = "read"
        except OverscanError as error:
            assert not text_is_ours(str(error))
            outcome = error.record.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["UNREADABLE_IMAGE"] > 100
    assert outcomes["read"] > 10
    assert outcomes.keys() <= {"read", "UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE"}


@pytest.mark.slow
def test_thousands_of_requests() -> None:
    tally = fuzz.fuzz_requests(count=5000, seed=21, kernels=kernels(), limit=BUSY)
    assert not tally.wrong + tally.slow, "\n".join(tally.lines())


@pytest.mark.slow
def test_a_thousand_image_files() -> None:
    with fuzz.field(kernels=kernels(), limit=BUSY) as (ground, tally):
        fuzz_images.fuzz(ground, tally, count=1000, seed=21)
    assert not tally.wrong + tally.slow, "\n".join(tally.lines())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def test_no_file_outside_the_roots_is_opened(tmp_path: Path) -> None:
    tally = fuzz.fuzz_requests(count=600, seed=31, kernels=kernels(), traced=tmp_path / "trace", limit=60.0)
    assert not tally.wrong + tally.slow, "\n".join(tally.lines())
