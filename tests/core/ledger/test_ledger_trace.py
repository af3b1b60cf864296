"""What was made with an asset is found in the receipts, straight and through other jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
import records

from overscan.core.ledger import Asset, AssetFile, AssetKind, read_archive, trace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def asset_of(*paths: Path) -> Asset:
    files = tuple(AssetFile(path=str(path), bytes=1, sha256=records.digest(path)) for path in paths)
    return Asset(id="wall", kind=AssetKind.SOURCE, author="A", licence="CC0-1.0", entered_by="K", files=files)


def outputs(tmp_path: Path, name: str, numbers: range = range(1, 4)) -> dict[int, Path]:
    made = records.files(tmp_path / name, [f"out.{number:04d}.exr" for number in numbers])
    return dict(zip(numbers, made, strict=True))


def test_frames_that_hold_nothing_of_it_are_left_out(home: Path, tmp_path: Path) -> None:
    wall, other = records.files(tmp_path / "stock", ["wall.exr", "other.exr"])
    out = outputs(tmp_path, "out")
    shares = {1: records.UNTOUCHED, 2: records.COPIED, 3: None}
    made = records.receipt("a" * 32, out, inputs=[records.source("clean_plate", {None: wall})], shares=shares)
    records.archive(home, made)
    records.archive(
        home,
        records.receipt("b" * 32, outputs(tmp_path, "b"), inputs=[records.source("clean_plate", {None: other})]),
    )
    (found,) = trace(asset=asset_of(wall), home=home)
    assert found.receipt.run.job_id == "a" * 32
    assert [frame.frame for frame in found.frames] == [2, 3], "nobody knows of 3"
    assert (found.roles, found.through, found.shaped_only) == (("clean_plate",), (), False)


def test_footage_taken_as_a_plate_counts_in_its_own_frames_and_where_it_may_be_copied(
    home: Path, tmp_path: Path
) -> None:
    plates = records.files(tmp_path / "plate", ["p.1.exr", "p.2.exr", "p.3.exr"])
    made = records.receipt(
        "a" * 32,
        outputs(tmp_path, "out"),
        inputs=[records.source("plate", dict(enumerate(plates, start=1)))],
        shares={1: records.UNTOUCHED, 2: records.UNTOUCHED, 3: records.COPIED},
    )
    records.archive(home, made)
    (found,) = trace(asset=asset_of(plates[1]), home=home)
    assert [frame.frame for frame in found.frames] == [2, 3]


def test_results_that_went_into_other_jobs_are_followed(home: Path, tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    first, second, third = (outputs(tmp_path, name) for name in ("1", "2", "3"))
    chain = [
        ("a", first, records.source("clean_plate", {None: wall})),
        ("b", second, records.source("plate", {2: first[2]})),
        ("c", third, records.source("matte", {3: second[3]})),
    ]
    for place, (name, out, given) in enumerate(chain):
        records.archive(
            home,
            records.receipt(name * 32, out, inputs=[given], ended=f"2026-11-2{place}T10:00:00.000+00:00"),
        )
    found = trace(asset=asset_of(wall), home=home)
    assert [(made.receipt.run.job_id[0], [job[0] for job in made.through]) for made in found] == [
        ("a", []),
        ("b", ["a"]),
        ("c", ["b"]),
    ]
    assert found[2].shaped_only


def test_a_damaged_receipt_hides_no_other(home: Path, tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    given = [records.source("clean_plate", {None: wall})]
    records.archive(home, records.receipt("a" * 32, outputs(tmp_path, "1"), inputs=given))
    damaged = records.archive(home, records.receipt("b" * 32, outputs(tmp_path, "2"), inputs=given))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    assert [made.receipt.run.job_id[0] for made in trace(asset=asset_of(wall), home=home)] == ["a"]
    (problem,) = read_archive(home=home).unreadable
    assert (problem.code, problem.path) == ("RECEIPT", str(damaged))


def test_nothing_was_made_where_there_are_no_receipts(home: Path, tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    assert trace(asset=asset_of(wall), home=home) == ()
