"""What a report says, by receipts, their signatures, and the ledger."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
import records

from overscan.core.ledger import (
    Answer,
    Asset,
    AssetFile,
    AssetKind,
    Consent,
    Ledger,
    Question,
    Revocation,
    Statement,
)
from overscan.core.orders import KeySource
from overscan.core.receipts import ModelFacts
from overscan.core.report import Answered, Known, Report, ReportError, build, csv_text, to_plain

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MODEL = ModelFacts(
    name="some-model",
    version="2",
    weights={"model.safetensors": "b" * 64},
    card={"maker": "Somebody", "licence": "Apache-2.0", "training_data": "undisclosed", "commercial_use": True},
    card_sha256="c" * 64,
)
MADE_BY_MODEL = replace(records.COPIED, copied=0.0, synthesised=0.0, model=0.25)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def outputs(tmp_path: Path, name: str) -> dict[int, Path]:
    made = records.files(tmp_path / name, [f"out.{number:04d}.exr" for number in (1, 2)])
    return dict(zip((1, 2), made, strict=True))


def report_on(home: Path, name: str) -> Report:
    return build(name=name, home=home, keys=KeySource(folder=home / "keys"), now=NOW, version="1")


def answered(report: Report, question: Question) -> Answered:
    return next(item for item in report.answers if item.question is question)


def stated(question: Question, answer: Answer, *, show: str = "alpha", shot: str = "") -> Statement:
    return Statement(
        question=question, answer=answer, by="Kim", on="2026-11-20", evidence="file 7", show=show, shot=shot
    )


def asset(path: Path, **changes: object) -> Asset:
    plain = Asset(
        id="wall",
        kind=AssetKind.CLEAN_PLATE,
        author="Jane Roe",
        licence="CC0-1.0",
        entered_by="Kim",
        files=(AssetFile(path=str(path), bytes=path.stat().st_size, sha256=records.digest(path)),),
    )
    return replace(plain, **changes)


def test_names_mean_shows_shots_and_jobs(home: Path, tmp_path: Path) -> None:
    for job, show, shot in (("aaaa1", "alpha", "010"), ("aaaa2", "ALPHA", "020"), ("bbbb1", "beta", "010")):
        name = job.ljust(32, "0")
        records.archive(home, records.receipt(name, outputs(tmp_path, job), show=show, shot=shot))
    found = {name: report_on(home, name) for name in ("alpha", "Alpha/010", "020", "bbbb", "aaaa1".ljust(32, "0"))}
    assert [(report.kind, len(report.jobs)) for report in found.values()] == [
        ("show", 2),
        ("shot", 1),
        ("shot", 1),
        ("job", 1),
        ("job", 1),
    ]
    assert [shot.name for shot in found["alpha"].shots] == ["alpha 010", "ALPHA 020"]
    for name, says in (
        ("010", "several: shot alpha/010, shot beta/010"),
        ("aaaa", "several: job"),
        ("gamma", "no show"),
    ):
        with pytest.raises(ReportError, match=says):
            report_on(home, name)
    with pytest.raises(ReportError, match="no receipts yet"):
        report_on(home / "empty", "alpha")


def test_pixels_of_the_plate_alone_are_said_to_be_that(home: Path, tmp_path: Path) -> None:
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a")), signed=True)
    report = report_on(home, "alpha")
    assert [(item.question, item.known) for item in report.answers] == [
        (Question.REPLICATES, Known.NO),
        (Question.STORED, Known.PARTLY),
        (Question.SECURED, Known.UNKNOWN),
        (Question.TEMPORARY, Known.YES),
        (Question.PERFORMER, Known.UNKNOWN),
    ]
    (job,) = report.jobs
    assert job.shares == records.COPIED
    assert job.seal.sound
    assert "self-made" in job.seal.words
    assert not report.warnings


@pytest.mark.parametrize(
    ("changes", "known", "says"),
    [
        ({"model": MODEL, "shares": MADE_BY_MODEL}, Known.UNKNOWN, "model some-model 2 (training data: undisclosed"),
        ({"card": {"maker": "X"}}, Known.UNKNOWN, "engine plate 1 (training data: undisclosed"),
        ({"shares": None}, Known.UNKNOWN, "2 frames do not say"),
        ({"shares": {1: records.COPIED, 2: None}}, Known.UNKNOWN, "1 frames do not say"),
    ],
)
def test_what_may_resemble_other_work_is_unknown(
    changes: dict[str, object], known: Known, says: str, home: Path, tmp_path: Path
) -> None:
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a"), **changes))
    found = answered(report_on(home, "alpha"), Question.REPLICATES)
    assert found.known is known
    assert says in found.why
    stored = answered(report_on(home, "alpha"), Question.STORED)
    assert ("unknown" in stored.short) == ("training data" in says)


def test_pictures_in_no_ledger_make_it_unknown_until_they_are_entered(home: Path, tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    given = [records.source("clean_plate", {None: wall})]
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a"), inputs=given), signed=True)
    before = answered(report_on(home, "alpha"), Question.REPLICATES)
    assert (before.known, str(wall) in before.why) == (Known.UNKNOWN, True)
    Ledger(home=home).enter(asset(wall, people=("A. Person",), consent=Consent.GIVEN, consent_evidence="release 7"))
    report = report_on(home, "alpha")
    assert answered(report, Question.REPLICATES).known is Known.NO
    assert "shows A. Person; consent: given (release 7)" in answered(report, Question.PERFORMER).why
    assert [(item.asset.id, item.objection) for item in report.assets] == [("wall", "")]
    Ledger(home=home).revoke("wall", revocation=Revocation(by="Kim", on="2026-11-20", reason="withdrawn"))
    (warning,) = report_on(home, "alpha").warnings
    assert "revoked on 2026-11-20" in warning
    assert "alpha 010" in warning


@pytest.mark.parametrize(
    ("question", "statements", "known"),
    [
        (Question.SECURED, [stated(Question.SECURED, Answer.YES)], Known.YES),
        (Question.SECURED, [stated(Question.SECURED, Answer.YES, show="beta")], Known.UNKNOWN),
        (Question.SECURED, [stated(Question.SECURED, Answer.YES), stated(Question.SECURED, Answer.NO)], Known.NO),
        (
            Question.PERFORMER,
            [stated(Question.PERFORMER, Answer.YES, shot="010"), stated(Question.PERFORMER, Answer.NO)],
            Known.YES,
        ),
        (Question.PERFORMER, [stated(Question.PERFORMER, Answer.NO, show="")], Known.NO),
        (Question.REPLICATES, [stated(Question.REPLICATES, Answer.YES)], Known.YES),
        (Question.REPLICATES, [stated(Question.REPLICATES, Answer.UNKNOWN)], Known.NO),
        (Question.STORED, [stated(Question.STORED, Answer.NO)], Known.PARTLY),
    ],
)
def test_statements_fill_in_and_a_graver_one_counts(
    question: Question, statements: list[Statement], known: Known, home: Path, tmp_path: Path
) -> None:
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a")))
    for statement in statements:
        Ledger(home=home).state(statement)
    assert answered(report_on(home, "alpha"), question).known is known


def test_shots_that_differ_are_told_apart(home: Path, tmp_path: Path) -> None:
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a"), use="final"))
    records.archive(home, records.receipt("b" * 32, outputs(tmp_path, "b"), shot="020", shares=None))
    report = report_on(home, "alpha")
    temporary, replicates = answered(report, Question.TEMPORARY), answered(report, Question.REPLICATES)
    assert temporary.known is Known.PARTLY
    assert "010: no, may be final; 020: yes, temp" in temporary.why
    assert replicates.known is Known.UNKNOWN
    assert "020: unknown" in replicates.why


def test_a_job_whose_frames_were_made_again_counts_no_more(home: Path, tmp_path: Path) -> None:
    out = outputs(tmp_path, "a")
    first = records.receipt("a" * 32, out, use="final", model=MODEL)
    records.archive(home, first, signed=True)
    again = records.receipt("b" * 32, out, ended="2026-11-21T10:00:00.000+00:00")
    records.archive(home, again, signed=True)
    report = report_on(home, "alpha")
    assert [(job.receipt.run.job_id[0], job.counts) for job in report.jobs] == [("b", True), ("a", False)]
    assert answered(report, Question.TEMPORARY).known is Known.YES
    assert answered(report, Question.REPLICATES).known is Known.NO
    assert {item.name for item in report.materials} == {"plate", "some-model"}, "it is still listed"
    records.archive(
        home, records.later(replace(first, frames=first.frames[:1]), job="c" * 32, ended="2026-11-22"), signed=True
    )
    newest, middle, _ = report_on(home, "alpha").jobs
    assert (newest.replaced, middle.replaced, middle.counts) == (0, 1, True)


def test_one_flipped_bit_in_a_receipt_is_said_first(home: Path, tmp_path: Path) -> None:
    path = records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a")), signed=True)
    sound = path.read_bytes()
    at = sound.index(b'"temp"') + 1
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
    report = report_on(home, "alpha")
    assert not report.jobs[0].seal.sound
    assert "not what was signed" in report.warnings[0]
    for question in (Question.REPLICATES, Question.STORED, Question.TEMPORARY):
        assert answered(report, question).known is Known.UNKNOWN, "a forged record answers nothing"
    path.write_bytes(sound[:-30])
    records.archive(home, records.receipt("b" * 32, outputs(tmp_path, "b")), signed=True)
    assert report_on(home, "alpha").warnings == (
        "1 receipts of this home folder cannot be read; jobs may be missing here.",
    )


def test_a_receipt_that_somebody_unknown_has_signed_is_warned_of(home: Path, tmp_path: Path) -> None:
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "a")), signed=True)
    (home / "keys").rename(tmp_path / "other")
    report = report_on(home, "alpha")
    assert not report.jobs[0].seal.sound
    assert "whom nothing here vouches for" in report.warnings[0]


def test_unsigned_receipts_and_lost_frames_are_warned_of(home: Path, tmp_path: Path) -> None:
    out = outputs(tmp_path, "a")
    records.archive(home, replace(records.receipt("a" * 32, out), policy=None))
    out[2].unlink()
    unsigned, lost, undecided = report_on(home, "alpha").warnings
    assert "not signed" in unsigned
    assert "1 of its 2 frames are gone" in lost
    assert "no policy decided" in undecided


def test_tables_hold_the_same_and_no_formulas(home: Path, tmp_path: Path) -> None:
    made = records.receipt(
        "a" * 32, outputs(tmp_path, "a"), show='=HYPERLINK("x")', shot="0,1\n0", model=MODEL, approvals=("Jo, legal",)
    )
    records.archive(home, made, signed=True)
    records.archive(home, records.receipt("b" * 32, outputs(tmp_path, "b"), show='=HYPERLINK("x")', shares=None))
    report = report_on(home, '=HYPERLINK("x")')
    rows = {row["job"][0]: row for row in csv.DictReader(io.StringIO(csv_text(report)))}
    row = rows["a"]
    assert row["show"] == '\'=HYPERLINK("x")'
    assert row["shot"] == "0,1\n0"
    assert (row["model"], row["model_licence"], row["training_data"]) == ("some-model", "Apache-2.0", "undisclosed")
    assert (row["plate"], row["copied"], row["approvals"]) == ("0.75", "0.2", "Jo, legal")
    assert rows["b"]["plate"] == "unknown"
    plain = to_plain(report)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["approvals"] == ["Jo, legal"]
    assert [job["show"] for shot in plain["shots"] for job in shot["jobs"]] == ['=HYPERLINK("x")'] * 2
