"""docs/models.md: its tables are what the engines say, and its adapter works."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, share_kernels

from overscan.core.engines import installed_engines
from overscan.core.engines.diffusion import FamilyCard
from overscan.core.rights import load_cards

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")


def table(title: str) -> dict[str, list[str]]:
    """Rows of the first table below a heading, by the first cell."""
    body = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    return {row[0].strip("`"): row[1:] for row in rows[2:]}


def families() -> dict[str, FamilyCard]:
    found = {entry.name: getattr(entry.engine, "family", None) for entry in installed_engines()}
    return {name: family.card for name, family in found.items() if family is not None}


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_table_is_what_the_engines_say() -> None:
    rows, cards = table("Which model for what"), families()
    assert set(rows) == set(cards)
    shipped = load_cards(root=ROOT / "nowhere")
    for name, (tasks, _, classes, rights) in rows.items():
        card = cards[name]
        assert tasks.split(", ") == [task.value for task in card.tasks], name
        assert rights == f"`{card.rights_card}`", name
        assert card.rights_card in shipped, name
        said = named(rows["ltx-2"][2]) if classes == "as `ltx-2`" else named(classes)
        assert said == set(card.pipelines), name


def test_every_engine_has_a_repository() -> None:
    rows = table("Getting a folder")
    assert {name for row in rows for name in re.findall(r"[a-z0-9-]+", row.replace("`", ""))} == set(families())
    assert all(re.fullmatch(r"[A-Za-z-]+/[A-Za-z0-9._-]+", name) for (cell,) in rows.values() for name in named(cell))


# ---- the adapter


def block(kind: str, number: int = 0) -> str:
    body = PAGE.partition("\n## Writing an adapter\n")[2]
    return re.findall(rf"^```{kind}\n(.*?)^```", body, re.MULTILINE | re.DOTALL)[number]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    packages = tmp_path / "packages"
    info = packages / "wan_refine-1.dist-info"
    info.mkdir(parents=True)
    (packages / "wan_refine.py").write_text(block("python"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wan-refine\nVersion: 1\n")
    entry = block("toml").splitlines()[1].replace('"', "")
    (info / "entry_points.txt").write_text(f"[overscan.engines]\n{entry}\n")
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        home = Path(folder) / "home"
        cards = home / "policies" / "cards"
        cards.mkdir(parents=True)
        (cards / "wan-t2v.toml").write_text(block("toml", 1))
        share_kernels(home)
        path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = Cli(home=home, cwd=tmp_path, environment={"PYTHONPATH": path, "OVERSCAN_IDLE_EXIT": "60"})
        yield command
        command.stop_service()


def save_model(folder: Path) -> None:
    """A folder as that of Wan2.1-T2V, with random weights."""
    sys.path.insert(0, str(ROOT / "tests/core/engines/diffusion"))
    from diffusers import WanPipeline, WanTransformer3DModel
    from tiny import _wan, seeded, tiny_tokenizer

    with seeded(3):
        vae = _wan._vae()
        channels = vae.config.z_dim
        pipeline = WanPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=_wan._text_encoder(),
            vae=vae,
            scheduler=_wan._scheduler(),
            transformer=WanTransformer3DModel(**_wan._ATTENTION, in_channels=channels, out_channels=channels),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)


def test_the_adapter_of_the_page_runs(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `models`")
    save_model(tmp_path / "wan-t2v")
    Cli.write_frames(tmp_path, frames=range(1001, 1004), width=61, height=33)
    added = cli("models", "add", "wan-t2v", "--card", "wan-t2v")
    assert added.code == 0, added.err
    job = ("extend", "plate.%04d.exr", "-o", "wide.%04d.exr", "--margins", "9,6,0,0", "--engine", "wan-refine")
    refused = cli(*job)
    assert refused.code == 8
    assert "overscan policy approve wan-t2v" in refused.err
    assert cli("policy", "approve", "wan-t2v", "--by", "Jane Doe").code == 0
    settings = ("--set", "refine=0.5", "--set", "window=5", "--set", "work_pixels=2304")
    done = cli(*job, *settings, "--steps", "2", "--prompt", "a wall")
    assert done.code == 0, done.err
    assert "Checked: 0 of" in done.out
    assert len(list(tmp_path.glob("wide.*.exr"))) == 3
