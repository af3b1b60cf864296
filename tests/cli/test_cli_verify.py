"""`overscan verify` says what is intact, changed or unknown, and its exit code says whether to worry."""

from __future__ import annotations

import json
from pathlib import Path

import OpenImageIO as oiio
import pytest

OUT = "out/o.%04d.exr"


@pytest.fixture
def done(cli, plate: str, tmp_path: Path) -> Path:
    """The folder of a result."""
    result = cli("extend", plate, "-o", OUT, "--format", "48x24", "--engine", "grey")
    assert result.code == 0, result.err
    return tmp_path / "out"


def states(cli, *arguments: str) -> tuple[int, dict[str, int], set[tuple[str, str, int | None]]]:
    """Exit code, counts, and what is not intact."""
    result = cli("verify", OUT, "--json", *arguments)
    findings = [line for line in result.lines if line["type"] == "finding"]
    bad = {(line["subject"], line["state"], line["frame"]) for line in findings if line["state"] != "intact"}
    return result.code, result.summary.get("findings", {}), bad


def test_a_sound_result(cli, done: Path) -> None:
    shown = cli("verify", OUT)
    assert shown.code == 0, shown.err
    assert "intact: the receipt is whole." in shown.out
    assert "intact: 4 frames, 5 signatures." in shown.out
    assert "0 of " in shown.out
    code, counts, bad = states(cli)
    assert (code, bad) == (0, set())
    assert counts["changed"] == counts["missing"] == counts["re-saved"] == 0


def test_a_flipped_bit_is_named_and_the_other_frames_are_still_checked(cli, done: Path) -> None:
    path = done / "o.1002.exr"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code, _, bad = states(cli)
    assert code == 7
    assert ("frame", "changed", 1002) in bad
    assert {frame for _, state, frame in bad if state == "changed"} == {1002}
    shown = cli("verify", OUT)
    assert "RESULT_CHANGED" in shown.err
    assert "frame 1002" in shown.err


def test_a_frame_written_again_is_no_failure(cli, done: Path) -> None:
    path = str(done / "o.1003.exr")
    picture = oiio.ImageBuf(path)
    picture.specmod().attribute("compression", "piz")
    assert picture.write(path)
    code, counts, bad = states(cli)
    assert code == 0
    assert counts["re-saved"] == 1
    assert ("frame", "re-saved", 1003) in bad
    assert "re-saved: frame 1003" in cli("verify", OUT).out


def test_an_edited_receipt(cli, done: Path) -> None:
    path = done / "o.receipt.json"
    plain = json.loads(path.read_text())
    plain["job"]["use"] = "final" if plain["job"]["use"] == "temp" else "temp"
    path.write_text(json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    code, _, bad = states(cli)
    assert code == 7
    assert ("receipt", "changed", None) in bad
    assert "job.use" in cli("verify", OUT).out
    assert not [frame for subject, _, frame in bad if subject == "frame"]


def test_without_a_receipt(cli, done: Path) -> None:
    for path in (*done.glob("*.json"), *done.glob("*.c2pa")):
        path.unlink()
    code, _, bad = states(cli)
    assert code == 0
    assert ("receipt", "unknown", None) in bad
    assert {("frame", "unknown", frame) for frame in range(1001, 1005)} <= bad


def test_frames_that_are_gone(cli, done: Path) -> None:
    (done / "o.1004.exr").unlink()
    code, _, bad = states(cli)
    assert code == 7
    assert ("frame", "missing", 1004) in bad
