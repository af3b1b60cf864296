"""`overscan policy`: from a model that nobody lets in to one that a show has approved and locked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Cli

MODEL = b"weights of a model"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(home=tmp_path / "home", cwd=tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "unet.safetensors").write_bytes(MODEL)
    return folder


def policies(cli: Cli) -> Path:
    return cli.home / "policies"


def test_check_says_what_is_allowed_and_why_not(cli: Cli) -> None:
    result = cli("policy", "check")
    assert result.code == 0, result.err
    assert "plate: allowed\n" in result.out
    assert "wan-vace: not allowed\n" in result.out
    assert "does not disclose" in result.out
    assert "helps: A named approval: `overscan policy approve wan-vace`" in result.out
    assert cli("policy", "check", "plate").code == 0
    assert cli("policy", "check", "wan-vace").code == 8
    facts = cli("policy", "check", "--json")
    decisions = {line["name"]: line for line in facts.lines if line["type"] == "decision"}
    assert decisions["plate"]["allowed"]
    assert [item["kind"] for item in decisions["flux1-fill"]["objections"]] == [
        "training-data",
        "commercial-use",
        "pinned",
    ]
    assert facts.summary["count"] == len(decisions)
    nobody = cli("policy", "check", "nobody")
    assert nobody.code == 8
    assert "no rights card called 'nobody'" in nobody.err


def test_an_approval_lets_a_model_in_for_one_show(cli: Cli, model: Path) -> None:
    approve = (
        "policy", "approve", "wan-vace", "--by", "Jane Doe", "--role", "legal", "--weights", str(model),
        "--reason", "Previs only", "--until", "2999-01-01", "--show", "alpha",
    )  # fmt: skip
    result = cli(*approve)
    assert result.code == 0, result.err
    assert "with the approval of Jane Doe" in result.out
    text = (policies(cli) / "shows" / "alpha" / "show.toml").read_text()
    assert 'allows = ["training-data"]' in text
    assert cli("policy", "check", "wan-vace", "--show", "alpha", "--weights", str(model)).code == 0
    assert cli("policy", "check", "wan-vace", "--show", "alpha", "--use", "final").code == 8
    assert cli("policy", "check", "wan-vace", "--show", "beta").code == 8
    (model / "unet.safetensors").write_bytes(b"another")
    assert cli("policy", "check", "wan-vace", "--show", "alpha", "--weights", str(model)).code == 8
    shown = cli("policy", "show", "--show", "alpha")
    assert "approved: wan-vace by Jane Doe (legal)" in shown.out
    assert "does not count" not in shown.out


def test_approving_keeps_what_people_wrote(cli: Cli, model: Path) -> None:
    studio = policies(cli) / "studio.toml"
    studio.parent.mkdir(parents=True)
    studio.write_text('# ours\nname = "Acme"   # the studio\n\n[[approvals]] # the first\n' + APPROVAL)
    result = cli("policy", "approve", "sdxl-inpaint", "--by", "Joe", "--weights", str(model))
    assert result.code == 0, result.err
    text = studio.read_text()
    assert text.startswith('# ours\nname = "Acme"   # the studio\n')
    assert "# the first" in text
    assert text.count("[[approvals]]") == 2
    assert cli("policy", "show").out.startswith("Acme (")


APPROVAL = f"""card = "ltx-2"
card_sha256 = "{"0" * 64}"
by = "Jane"
on = 2026-01-01
allows = ["training-data"]
"""


@pytest.mark.parametrize(
    ("arguments", "studio", "says"),
    [
        (("plate", "--by", "J"), "", "is allowed as it is"),
        (("wan-vace", "--by", " "), "", "needs a name"),
        (("wan-vace", "--by", "J"), "", "an approval is not enough: Nothing says that these files"),
        (("wan-vace", "--by", "J"), 'never = ["undisclosed"]\npinned = false\n', "an approval is not enough: .*never"),
        (("wan-vace", "--by", "J", "--show", "s"), 'may_approve = ["studio"]\n', "a show may not approve anything"),
        (("wan-vace", "--by", "J", "--show", "../s"), "", "no policy can be called that"),
        (("wan-vace", "--by", "J", "--shot", "010"), "", "the shot '010' belongs to no show"),
        (("wan-vace", "--by", "J", "--until", "soon"), "pinned = false\n", "'soon' is no day"),
        (("nobody", "--by", "J"), "", "no rights card called 'nobody'"),
        (("wan-vace", "--by", "J", "--weights", "/nowhere"), "", "there are no weights"),
    ],
)
def test_an_approval_that_would_not_help_is_not_written(
    arguments: tuple[str, ...], studio: str, says: str, cli: Cli
) -> None:
    path = policies(cli) / "studio.toml"
    path.parent.mkdir(parents=True)
    path.write_text(studio)
    result = cli("policy", "approve", *arguments)
    assert result.code == 8
    assert re.search(says, result.err), result.err
    assert path.read_text() == studio
    assert [item.name for item in policies(cli).rglob("*.toml")] == ["studio.toml"]


def test_a_lock_holds_until_it_is_renewed(cli: Cli, model: Path) -> None:
    approve = ("policy", "approve", "wan-vace", "--by", "J", "--weights", str(model), "--show", "alpha")
    refused = cli("policy", "lock", "alpha", "--by", "J", "--model", f"wan-vace={model}")
    assert refused.code == 8
    assert "'wan-vace' cannot be locked" in refused.err
    assert cli(*approve).code == 0
    locked = cli("policy", "lock", "alpha", "--by", "J", "--model", f"wan-vace={model}")
    assert locked.code == 0, locked.err
    path = policies(cli) / "shows" / "alpha" / "lock.toml"
    assert 'plate = "' in path.read_text()
    assert "locked by J" in cli("policy", "show", "--show", "alpha").out
    assert cli("policy", "check", "plate", "--show", "alpha").code == 0
    again = cli("policy", "lock", "alpha", "--by", "K")
    assert again.code == 8
    assert "is locked already" in again.err
    path.write_text(path.read_text().replace('plate = "', 'plate = "9'))
    broken = cli("policy", "check")
    assert broken.code == 8
    assert "lock.toml was changed after it was made" in broken.err
    assert "[POLICY_FILE]" in broken.err


def test_check_reads_every_policy(cli: Cli) -> None:
    shot = policies(cli) / "shows" / "alpha" / "shots" / "010.toml"
    shot.parent.mkdir(parents=True)
    shot.write_text('uses = ["everything"]\n')
    result = cli("policy", "check", "--json")
    assert result.code == 8
    (error,) = result.summary["errors"]
    assert (error["code"], error["field"], error["path"]) == ("POLICY_FILE", "uses", str(shot))


def test_a_job_that_is_not_allowed_says_so_and_ends_with_8(cli: Cli, tmp_path: Path) -> None:
    plate = cli.write_frames(tmp_path / "plate")
    studio = policies(cli) / "studio.toml"
    studio.parent.mkdir(parents=True)
    job = ("extend", str(plate), "--format", "48x24", "-o", str(tmp_path / "out.%04d.exr"), "--dry-run")
    try:
        allowed = cli(*job)
        assert allowed.code == 0, allowed.err
        assert "policy" in allowed.out
        assert "allowed (default): The policy 'default' allows 'plate'" in allowed.out
        studio.write_text('engines = ["other"]\n')
        refused = cli(*job)
        assert refused.code == 8
        assert "The policy 'studio' does not list the engine 'plate'. Use other, or have" in refused.err
        assert "[POLICY]" in refused.err
    finally:
        cli.stop_service()
