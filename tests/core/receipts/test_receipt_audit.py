"""One flipped bit anywhere is found and named, and a frame that was only written again is told from a changed one."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from delivering import FRAMES, Delivered

from overscan.core.orders import KeySource
from overscan.core.plates import read_frame, sha256_of, write_frame
from overscan.core.receipts import State, Subject, header_receipts, signature_path, write_receipt_file
from overscan.core.receipts._document import content_digest, receipt_bytes
from overscan.core.results import verify_result


def resave(path: Path, *, edit=None, parts: int = 2, dtype: str = "", compression: str = "piz", crop=None) -> None:
    """Write a frame again as another tool would: other compression, order and attributes."""
    source = oiio.ImageInput.open(str(path))
    found = []
    for index in range(parts):
        source.seek_subimage(index, 0)
        old = source.spec()
        pixels = source.read_image(index, 0, 0, old.nchannels, dtype or old.format)
        spec = oiio.ImageSpec(old.width, old.height, old.nchannels, dtype or old.format)
        spec.channelnames = old.channelnames
        for name in ("x", "y", "full_x", "full_y", "full_width", "full_height"):
            setattr(spec, name, getattr(old, name))
        spec.attribute("compression", compression)
        spec.attribute("Software", "another tool")
        spec.attribute("oiio:subimagename", str(old.getattribute("oiio:subimagename")))
        if index == 0 and edit is not None:
            edit(pixels)
        if index == 0 and crop:
            spec.width -= crop
            pixels = np.ascontiguousarray(pixels[:, : spec.width])
        found.append((spec, pixels))
    source.close()
    output = oiio.ImageOutput.create(str(path))
    specs = tuple(spec for spec, _ in found)
    assert output.open(str(path), specs) if parts > 1 else output.open(str(path), specs[0])
    for index, (spec, pixels) in enumerate(found):
        assert not index or output.open(str(path), spec, "AppendSubimage")
        assert output.write_image(pixels)
    assert output.close()


def test_all_is_well(done: Delivered) -> None:
    found = done.audit()
    assert done.not_intact() == []
    assert {finding.subject for finding in found} == {
        Subject.RECEIPT, Subject.CARD, Subject.SIGNATURE, Subject.FRAME, Subject.SOURCES, Subject.INPUT, Subject.LOCK
    }  # fmt: skip
    assert sum(finding.subject is Subject.SIGNATURE for finding in found) == len(FRAMES) + 1
    assert any("self-made" in finding.detail for finding in found)


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_in_a_frame(done: Delivered, flip, seed: int) -> None:
    draw = random.Random(seed)
    frame = draw.choice(FRAMES)
    path = done.frame(frame)
    flip(path, draw.randrange(path.stat().st_size * 8))
    found = done.not_intact()
    assert ("frame", "changed", frame) in found
    assert {number for subject, state, number in found if state == "changed"} == {frame}
    (detail,) = [item.detail for item in done.audit() if item.subject is Subject.FRAME and item.state is State.CHANGED]
    assert str(frame) in detail


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_in_a_receipt(done: Delivered, flip, seed: int) -> None:
    draw = random.Random(seed)
    flip(done.receipt_path, draw.randrange(done.receipt_path.stat().st_size * 8))
    found = done.audit()
    wrong = [item for item in found if item.subject is Subject.RECEIPT]
    assert [item.state for item in wrong][:1] == [State.CHANGED]
    assert all(item.path == str(done.receipt_path) for item in wrong)


def test_the_field_that_was_edited_is_named_by_the_homes_copy(done: Delivered) -> None:
    text = done.receipt_path.read_text()
    done.receipt_path.write_text(text.replace('"seed": 0', '"seed": 7'))
    details = [item.detail for item in done.audit() if item.state is State.CHANGED]
    assert any("seed" in detail for detail in details)
    shutil.rmtree(done.root / "home/receipts")
    signature_path(done.receipt_path).unlink()
    assert [finding for finding in done.not_intact() if finding[1] == "changed"] == [], "nothing is left to tell"


def test_a_card_that_says_something_else_is_named(done: Delivered) -> None:
    plain = json.loads(done.receipt_path.read_text())
    plain["engine"]["card"]["training_data"] = "undisclosed"
    done.receipt_path.write_text(json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    cards = [item for item in done.audit() if item.subject is Subject.CARD]
    assert [item.state for item in cards] == [State.CHANGED]
    assert "engine 'plate'" in cards[0].detail
    # Somebody who mends the digest too still breaks the signature.
    plain["engine"]["card_sha256"] = content_digest(plain["engine"]["card"])
    done.receipt_path.write_text(json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    assert ("receipt", "changed", None) in done.not_intact()


def test_a_flipped_bit_in_a_lock_is_named(done: Delivered, flip) -> None:
    flip(done.root / "policies/lock.toml", 80)
    (lock,) = [item for item in done.audit() if item.subject is Subject.LOCK]
    assert lock.state is State.CHANGED
    assert lock.path.endswith("lock.toml")


def test_a_flipped_bit_in_the_plate_is_named(done: Delivered, flip) -> None:
    flip(done.root / "p/plate.1003.exr", 4000)
    assert ("input", "changed", 1003) in done.not_intact()
    (done.root / "p/plate.1003.exr").unlink()
    assert ("input", "unknown", 1003) in done.not_intact()


@pytest.mark.parametrize(("dtype", "compression"), [("", "piz"), ("float", "zip"), ("", "none")])
def test_written_again_with_the_same_samples(done: Delivered, dtype: str, compression: str) -> None:
    resave(done.frame(1002), dtype=dtype, compression=compression)
    assert done.not_intact() == [("frame", "re-saved", 1002), ("signature", "unknown", 1002)]
    details = [item.detail for item in done.audit() if item.state is State.RESAVED]
    assert details == ["frame 1002 was written again by another tool: all samples are the same."]


def test_written_again_without_its_layers(done: Delivered) -> None:
    resave(done.frame(1002), parts=1)
    found = done.not_intact()
    assert ("frame", "re-saved", 1002) in found
    assert ("sources", "unknown", None) in found
    known = header_receipts(done.pattern)
    checks = list(verify_result(result=done.pattern, known=known))
    assert [(check.frame, check.differing) for check in checks] == [(frame, 0) for frame in FRAMES]


def test_written_again_with_other_samples(done: Delivered) -> None:
    def brighter(pixels: np.ndarray) -> None:
        pixels[3, 4, 1] *= 2

    resave(done.frame(1002), edit=brighter)
    (finding,) = [item for item in done.audit() if item.subject is Subject.FRAME and item.state is State.CHANGED]
    assert "written again" in finding.detail
    assert "channel G" in finding.detail
    assert "channel R" not in finding.detail


def test_written_again_and_cropped(done: Delivered) -> None:
    resave(done.frame(1002), crop=5, parts=1)
    (finding,) = [item for item in done.audit() if item.subject is Subject.FRAME and item.state is State.CHANGED]
    assert "115x64" in finding.detail


def test_a_frame_that_is_gone_and_one_that_is_cut_off(done: Delivered) -> None:
    done.frame(1001).unlink()
    path = done.frame(1004)
    path.write_bytes(path.read_bytes()[:2000])
    found = done.not_intact()
    assert ("frame", "missing", 1001) in found
    assert ("frame", "changed", 1004) in found


def test_renamed_frames_are_known_by_their_bytes(done: Delivered) -> None:
    for frame in FRAMES:
        done.frame(frame).rename(done.folder / f"delivery_{frame + 100}.exr")
        signature_path(done.frame(frame)).rename(done.folder / f"delivery_{frame + 100}.exr.c2pa")
    assert done.not_intact(result=str(done.folder / "delivery_%d.exr")) == []


def test_a_plate_that_has_moved(done: Delivered) -> None:
    (done.root / "p").rename(done.root / "elsewhere")
    try:
        found = done.not_intact()
        assert ("input", "unknown", 1001) in found
        assert all(state == "unknown" for _, state, _ in found)
        assert done.not_intact(plate=str(done.root / "elsewhere/plate.%04d.exr")) == []
    finally:
        (done.root / "elsewhere").rename(done.root / "p")


def test_without_a_receipt_the_headers_tell(done: Delivered) -> None:
    done.receipt_path.unlink()
    found = done.not_intact()
    assert ("receipt", "unknown", None) in found
    assert not any(state in ("changed", "missing") for _, state, _ in found)
    path = done.frame(1003)
    frame = read_frame(path, number=1003)
    planes = dict(frame.parts[0].planes)
    planes["R"] = planes["R"].copy()
    planes["R"][30, 30] += 1
    parts = (replace(frame.parts[0], planes=planes), *frame.parts[1:])
    write_frame(replace(frame, parts=parts), path=path, overwrite=True, owner="test")
    assert ("frame", "changed", 1003) in done.not_intact()


def test_a_key_that_is_not_known_here(done: Delivered, tmp_path: Path) -> None:
    found = done.not_intact(keys=KeySource(folder=tmp_path), archive=None)
    assert [finding for finding in found if finding[0] == "signature"] == [("signature", "unknown", None)] + [
        ("signature", "unknown", frame) for frame in FRAMES
    ]


def test_forged_source_layers(done: Delivered) -> None:
    """A frame whose layers point elsewhere, with a receipt that fits it: only the plate can tell."""
    path = done.frame(1002)
    frame = read_frame(path, number=1002)
    layers = next(part for part in frame.parts if part.header.name == "overscan")
    moved = {name: plane + 9 if name == "source.X" else plane for name, plane in layers.planes.items()}
    forged = tuple(replace(part, planes=moved) if part is layers else part for part in frame.parts)
    write_frame(replace(frame, parts=forged), path=path, overwrite=True, owner="test")
    receipt = done.receipt
    facts = tuple(
        replace(one, sha256=sha256_of(path), bytes=path.stat().st_size) if one.frame == 1002 else one
        for one in receipt.frames
    )
    write_receipt_file(replace(receipt, frames=facts), done.receipt_path)
    signature_path(done.receipt_path).unlink()
    found = done.not_intact(archive=None)
    assert ("sources", "changed", 1002) in found
    assert receipt_bytes(done.receipt) == done.receipt_path.read_bytes()
