"""Camera moves and clips, as people write them in job files."""

from __future__ import annotations

import pytest

from overscan.client import JobFileError, dump_job, parse_job, to_plain

BASE = {"plate": "p.%04d.exr", "continue": {"tail": 8}, "output": {"path": "o.%04d.exr"}}


@pytest.mark.parametrize(
    ("text", "kind", "amount", "ease"),
    [
        ("pan 12deg", "pan", 12.0, None),
        ("Tilt -4.5°", "tilt", -4.5, None),
        ("roll 3", "roll", 3.0, None),
        ("dolly 30%", "dolly", 0.3, None),
        ("truck -0.25 linear", "truck", -0.25, "linear"),
        ("crane 10 % in", "crane", 0.1, "in"),
        ("orbit 20deg in-out", "orbit", 20.0, "in_out"),
        ("zoom 1.5x out", "zoom", 1.5, "out"),
        ("handheld 40", "handheld", 40.0, None),
        ("handheld 40%", "handheld", 40.0, None),
    ],
)
def test_a_move_in_a_line(text: str, kind: str, amount: float, ease: str | None) -> None:
    spec = parse_job({**BASE, "controls": {"camera_moves": [text]}}, folder="/shots")
    (move,) = to_plain(spec)["controls"]["camera_moves"]
    assert move == {"kind": kind, "amount": amount} | ({} if ease is None else {"ease": ease})
    again = parse_job(
        {**BASE, "controls": {"camera_moves": [{"kind": kind, "amount": amount, "ease": ease or "in_out"}]}}
    )
    assert again.controls.camera_moves[0].kind == spec.controls.camera_moves[0].kind
    assert "camera_moves" in dump_job(spec)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pan", "no camera move"),
        ("pan right", "no camera move"),
        ("swoop 3", "none of pan, tilt"),
        ("pan 12x", "no unit of pan"),
        ("zoom 20%", "no unit of zoom"),
        ("dolly 0.3 soon", "none of in_out, in, out, linear"),
        ("pan nan", "no camera move"),
    ],
)
def test_a_line_that_is_no_move(text: str, words: str) -> None:
    with pytest.raises(JobFileError) as caught:
        parse_job({**BASE, "controls": {"camera_moves": [text]}})
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.field == "controls.camera_moves[0]"
    assert "pan 12deg" in problem.next_step


def test_a_clip_is_its_path() -> None:
    controls = {
        "motion_transfer": "clips/run.%04d.exr",
        "pose_transfer": {"source": "poses/p.%04d.png", "strength": 0.4},
    }
    spec = parse_job({**BASE, "controls": controls}, folder="/shots")
    assert spec.controls.motion_transfer.source.path == "/shots/clips/run.%04d.exr"
    assert not spec.controls.motion_transfer.HasField("strength")
    assert spec.controls.pose_transfer.source.path == "/shots/poses/p.%04d.png"
    assert spec.controls.pose_transfer.strength == pytest.approx(0.4)
