"""A job's inputs are judged by their content, wherever they lie."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import records

from overscan.core.controls import (
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    Reference,
    ReferenceKind,
    Transfer,
)
from overscan.core.jobs import Extend, Inpaint, Job, Labels, MatteSource, OutputSpec, SequenceSource, Use
from overscan.core.ledger import (
    Asset,
    AssetFile,
    AssetKind,
    Consent,
    Ledger,
    Revocation,
    objection,
    standings,
)
from overscan.core.media import ImageSource

TODAY = date(2026, 11, 23)
CLEARED = Asset(
    id="wall", kind=AssetKind.CLEAN_PLATE, author="Jane Roe", licence="CC0-1.0", entered_by="Kim", people=()
)


def entered(home: Path, paths: list[Path], asset: Asset = CLEARED) -> Asset:
    files = tuple(
        AssetFile(path=str(path.resolve()), bytes=path.stat().st_size, sha256=records.digest(path)) for path in paths
    )
    return Ledger(home=home).enter(replace(asset, files=files))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "cache").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def plate(tmp_path: Path) -> list[Path]:
    return records.files(tmp_path / "plate", [f"plate.{number}.exr" for number in range(1001, 1005)])


def job(tmp_path: Path, *clean: str, **changes: object) -> Job:
    plain = Job(
        task=Extend(size=(8, 8)),
        output=OutputSpec(path=str(tmp_path / "out.%04d.exr")),
        plate=SequenceSource(path=str(tmp_path / "plate" / "plate.####.exr")),
        controls=Controls(clean_plates=tuple(SequenceSource(path=path) for path in clean)),
        labels=Labels(show="alpha"),
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"revocation": Revocation(by="Kim", on="2026-11-23", reason="withdrawn")}, "revoked on 2026-11-23 by Kim"),
        ({"revocation": Revocation(by="Kim", on="2026-11-24", reason="withdrawn")}, ""),
        ({"expires_on": "2026-11-23"}, "could be used until 2026-11-23"),
        ({"expires_on": "2026-11-24"}, ""),
        ({"valid_from": "2026-11-24"}, "may be used from 2026-11-24"),
        ({"valid_from": "2026-11-23"}, ""),
        ({"shows": ("beta",)}, "cleared for beta, not for alpha"),
        ({"shows": ("beta", "Alpha")}, ""),
        ({"uses": ("temp",)}, "cleared for temp use only"),
        ({"uses": ("final",)}, ""),
        ({"consent": Consent.REFUSED}, "refused their consent"),
        ({"people": ("A. Person",)}, "shows A. Person, and no consent"),
        ({"people": ("A. Person",), "consent": Consent.GIVEN, "consent_evidence": "release 7"}, ""),
    ],
)
def test_why_an_asset_may_not_be_used(change: dict[str, object], says: str) -> None:
    why = objection(replace(CLEARED, **change), show="alpha", use="final", today=TODAY)
    assert bool(why) == bool(says)
    if why:
        assert says in why[0]
        assert why[0].endswith(".")
        assert why[1], "it says what helps"


def test_a_picture_in_no_ledger_is_named_so_that_the_policy_decides(
    home: Path, plate: list[Path], tmp_path: Path
) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    assert [
        (item.asset, item.path, item.cleared)
        for item in standings(job=job(tmp_path, str(wall)), root=home, today=TODAY)
    ] == [("", str(wall), True)]
    assert not standings(job=job(tmp_path), root=home, today=TODAY), "a plate is the show's own"


def test_a_revoked_asset_is_known_under_any_name(home: Path, plate: list[Path], tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    entered(home, [wall])
    copy = tmp_path / "elsewhere.exr"
    shutil.copy(wall, copy)
    (cleared,) = standings(job=job(tmp_path, str(copy)), root=home, today=TODAY)
    assert (cleared.asset, cleared.cleared) == ("wall", True)
    Ledger(home=home).revoke("wall", revocation=Revocation(by="Kim", on="2026-11-20", reason="withdrawn"))
    wall.unlink()
    (refused,) = standings(job=job(tmp_path, str(copy)), root=home, today=TODAY)
    assert (refused.asset, refused.cleared, refused.path) == ("wall", False, str(copy))
    assert "was revoked on 2026-11-20 by Kim: withdrawn." in refused.reason
    link = tmp_path / "link.exr"
    os.link(copy, link)
    assert not standings(job=job(tmp_path, str(link)), root=home, today=TODAY)[0].cleared


def test_one_bad_frame_in_a_sequence_is_enough_and_unknown_ones_are_said(
    home: Path, plate: list[Path], tmp_path: Path
) -> None:
    stock = records.files(tmp_path / "stock", [f"wall.{number}.exr" for number in (1, 2, 3)])
    entered(home, stock[:1])
    entered(home, stock[1:2], replace(CLEARED, id="late", expires_on="2026-01-01"))
    found = standings(job=job(tmp_path, str(tmp_path / "stock" / "wall.#.exr")), root=home, today=TODAY)
    assert [(item.asset, item.cleared) for item in found] == [("wall", True), ("late", False), ("", True)]
    assert found[1].path == str(stock[1])


def test_a_file_that_is_not_what_was_entered_there_is_refused(home: Path, plate: list[Path], tmp_path: Path) -> None:
    (wall,) = records.files(tmp_path / "stock", ["wall.exr"])
    entered(home, [wall])
    wall.write_bytes(b"something else")
    (found,) = standings(job=job(tmp_path, str(wall)), root=home, today=TODAY)
    assert not found.cleared
    assert "its content has changed" in found.reason
    assert "rights add wall --update" in found.remedy


def test_revoked_footage_is_refused_as_plate_and_as_matte_too(home: Path, plate: list[Path], tmp_path: Path) -> None:
    entered(home, plate[2:3])
    assert not standings(job=job(tmp_path), root=home, today=TODAY), "cleared footage needs no mention"
    Ledger(home=home).revoke("wall", revocation=Revocation(by="Kim", on="2026-11-20", reason="withdrawn"))
    (found,) = standings(job=job(tmp_path), root=home, today=TODAY)
    assert (found.asset, found.cleared, found.path) == ("wall", False, str(plate[2]))
    other = records.files(tmp_path / "b", ["plate.1001.exr"])[0]
    as_matte = job(
        tmp_path,
        plate=SequenceSource(path=str(other)),
        task=Inpaint(matte=MatteSource(sequence=SequenceSource(path=str(plate[2])))),
    )
    assert [item.cleared for item in standings(job=as_matte, root=home, today=TODAY)] == [False]
    as_movers = job(
        tmp_path,
        plate=SequenceSource(path=str(other)),
        controls=Controls(movers=MatteSource(sequence=SequenceSource(path=str(plate[2])))),
    )
    assert [item.cleared for item in standings(job=as_movers, root=home, today=TODAY)] == [False]


def test_only_frames_of_the_shot_are_judged(home: Path, plate: list[Path], tmp_path: Path) -> None:
    entered(home, plate[3:], replace(CLEARED, expires_on="2026-01-01"))
    pattern = str(tmp_path / "plate" / "plate.####.exr")
    short = job(tmp_path, plate=SequenceSource(path=pattern, frames=(1001, 1002)))
    assert not standings(job=short, root=home, today=TODAY)
    assert not standings(job=job(tmp_path), root=home, today=TODAY)[0].cleared


def test_what_is_not_there_is_left_to_the_plan(home: Path, plate: list[Path], tmp_path: Path) -> None:
    entered(home, plate[:1])
    missing = str(tmp_path / "nowhere" / "wall.####.exr")
    assert [item.path for item in standings(job=job(tmp_path, missing, use=Use.FINAL), root=home, today=TODAY)] == [
        missing
    ]


def _steered(path: Path, role: str) -> Controls:
    """Controls that name one picture, in the role that receipts call it."""
    source = SequenceSource(path=str(path))
    image = ImageSource(sequence=source)
    made = {
        "keyframe": Controls(keyframes=(Keyframe(frame=1001, image=image),)),
        "reference": Controls(references=(Reference(image=image, kind=ReferenceKind.STYLE),)),
        "depth_pass": Controls(passes=(ControlPass(kind=ControlPassKind.DEPTH, sequence=source),)),
        "motion_source": Controls(motion_transfer=Transfer(source=source)),
        "pose_source": Controls(pose_transfer=Transfer(source=source)),
        "clean_plate": Controls(clean_plates=(source,)),
        "movers": Controls(movers=MatteSource(sequence=source)),
        "never_copy": Controls(never_copy=MatteSource(sequence=source)),
    }
    return made[role]


@pytest.mark.parametrize(
    ("role", "foreign"),
    [
        ("keyframe", True),
        ("reference", True),
        ("motion_source", True),
        ("pose_source", True),
        ("clean_plate", True),
        ("depth_pass", False),
        ("movers", False),
        ("never_copy", False),
    ],
)
def test_what_steers_a_model_is_judged_like_everything_else(
    home: Path, plate: list[Path], tmp_path: Path, role: str, foreign: bool
) -> None:
    (look,) = records.files(tmp_path / "stock", ["look.exr"])
    asked = replace(job(tmp_path), controls=_steered(look, role))
    (picture,) = asked.controls.pictures()
    assert picture.role == role
    unknown = [(item.asset, item.path) for item in standings(job=asked, root=home, today=TODAY)]
    assert unknown == ([("", str(look))] if foreign else []), "a show makes passes and mattes itself"
    entered(home, [look])
    Ledger(home=home).revoke("wall", revocation=Revocation(by="Kim", on="2026-11-20", reason="withdrawn"))
    (refused,) = standings(job=asked, root=home, today=TODAY)
    assert (refused.asset, refused.cleared) == ("wall", False)


def test_only_the_frame_of_a_keyframe_is_judged(home: Path, plate: list[Path], tmp_path: Path) -> None:
    keys = records.files(tmp_path / "stock", [f"key.{number}.exr" for number in (1, 2)])
    entered(home, keys[:1], replace(CLEARED, expires_on="2026-01-01"))
    image = ImageSource(sequence=SequenceSource(path=str(tmp_path / "stock/key.#.exr")), frame=2)
    asked = replace(job(tmp_path), controls=Controls(keyframes=(Keyframe(frame=1001, image=image),)))
    assert [(item.asset, item.cleared) for item in standings(job=asked, root=home, today=TODAY)] == [("", True)]


def test_no_control_that_names_pictures_is_forgotten(tmp_path: Path) -> None:
    """Every sequence that any control can hold is one of `Controls.pictures`."""
    roles = (
        "keyframe",
        "reference",
        "depth_pass",
        "motion_source",
        "pose_source",
        "clean_plate",
        "movers",
        "never_copy",
    )
    reached = {
        name
        for role in roles
        for name, value in vars_of(_steered(tmp_path / "x.exr", role)).items()
        if value != vars_of(Controls())[name]
    }
    holding = {name for name, kind in get_type_hints(Controls).items() if _holds_pictures(kind)}
    assert holding == reached


def vars_of(controls: Controls) -> dict[str, object]:
    return {entry.name: getattr(controls, entry.name) for entry in fields(controls)}


def _holds_pictures(kind: object) -> bool:
    if isinstance(kind, type) and is_dataclass(kind):
        return kind is SequenceSource or any(_holds_pictures(inner) for inner in get_type_hints(kind).values())
    return any(_holds_pictures(inner) for inner in get_args(kind))
