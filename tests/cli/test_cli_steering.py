"""Options that steer a model: what job they make, and how mistakes in them are answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from overscan.cli._app import app
from overscan.cli._options import Request
from overscan.cli._request import continue_job
from overscan.client import JobFileError, to_plain

REQUEST = {"plate": "p.%04d.exr", "output": "o.%04d.exr"}


def test_every_option_goes_into_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    request = Request(
        **REQUEST, engine="wan-vace", model="night", prompt="a wall", negative_prompt="", steps=20, guidance=4.5,
        strength=75, frame_rate=23.976, keyframes=["1050=key.1050.exr:80", "-3=C:/k.exr"],
        references=["style=look.exr", "subject=face.png:60"], passes=["depth=z.%04d.exr", "edges=e.####.exr:50"],
        camera_moves=["pan 12deg", "handheld 40"], motion_from="run.%04d.exr:30", pose_from="pose.%04d.png", seed=7,
    )  # fmt: skip
    spec = to_plain(continue_job(request, head=0, tail=8))
    assert (spec["engine"], spec["model"]) == ("wan-vace", "night")
    controls = spec["controls"]
    here = str(tmp_path)
    assert controls.pop("frame_rate") == pytest.approx(23.976)
    strengths = [controls["keyframes"][0].pop("strength"), controls["references"][1].pop("strength")]
    assert strengths == pytest.approx([0.8, 0.6])
    assert controls["motion_transfer"].pop("strength") == pytest.approx(0.3)
    assert json.loads(json.dumps(controls).replace(here, "")) == {
        "prompt": "a wall",
        "negative_prompt": "",
        "seed": 7,
        "steps": 20,
        "guidance": 4.5,
        "strength": 0.75,
        "keyframes": [
            {"frame": 1050, "image": {"sequence": {"path": "/key.1050.exr"}}},
            {"frame": -3, "image": {"sequence": {"path": "/C:/k.exr"}}},
        ],
        "references": [
            {"image": {"sequence": {"path": "/look.exr"}}, "kind": "style"},
            {"image": {"sequence": {"path": "/face.png"}}, "kind": "subject"},
        ],
        "passes": [
            {"kind": "depth", "sequence": {"path": "/z.%04d.exr"}},
            {"kind": "edges", "sequence": {"path": "/e.####.exr"}, "strength": 0.5},
        ],
        "camera_moves": [{"kind": "pan", "amount": 12.0}, {"kind": "handheld", "amount": 40.0}],
        "motion_transfer": {"source": {"path": "/run.%04d.exr"}},
        "pose_transfer": {"source": {"path": "/pose.%04d.png"}},
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keyframes": ["key.exr"]}, "--keyframe 1050=key.exr"),
        ({"keyframes": ["soon=key.exr"]}, "controls.keyframes[0].frame"),
        ({"references": ["=x.exr"]}, "--reference style=look.exr"),
        ({"references": ["mood=x.exr"]}, "subject, style, environment"),
        ({"passes": ["depth="]}, "--pass depth="),
        ({"passes": ["smell=z.exr"]}, "controls.passes[0].kind"),
        ({"passes": ["depth=z.exr:101"]}, "0 to 100"),
        ({"strength": -1.0}, "0 to 100"),
        ({"motion_from": "c.exr:400"}, "0 to 100"),
        ({"camera_moves": ["pan fast"]}, "pan 12deg"),
    ],
)
def test_options_that_say_nothing(options: dict[str, object], words: str) -> None:
    with pytest.raises(JobFileError) as caught:
        continue_job(Request(**REQUEST, **options), head=0, tail=8)
    told = " ".join(f"{found.field} {found.message} {found.next_step}" for found in caught.value.problems)
    assert words in told


def test_they_are_options_of_every_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for task in (["extend", "--format", "9x9"], ["inpaint", "--matte", "m.exr"], ["continue"], ["interpolate"]):
        result = CliRunner().invoke(
            app, [*task, "p.%04d.exr", "-o", "o.%04d.exr", "--json", "--dry-run", "--pass", "depth"]
        )
        errors = json.loads(result.stdout.splitlines()[-1])["errors"]
        assert any(error["code"] == "USAGE" for error in errors), (task, errors)


def test_an_engine_without_a_model_refuses_each_by_name(cli, plate: str) -> None:
    result = cli(
        "continue", plate, "-o", "o.%04d.exr", "--tail", "2", "--json", "--prompt", "a wall", "--steps", "9",
        "--strength", "50", "--camera-move", "pan 5", "--frame-rate", "24",
    )  # fmt: skip
    assert result.code == 2, result.out
    assert {(error["code"], error["field"]) for error in result.summary["errors"]} == {
        ("UNSUPPORTED_CONTROL", f"controls.{name}")
        for name in ("prompt", "steps", "strength", "camera_moves", "frame_rate")
    }
