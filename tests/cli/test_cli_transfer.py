"""Jobs on a service that can read nothing of this machine: the same files come out, bit by bit."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, share_kernels


@pytest.fixture(scope="module")
def far_home() -> Iterator[Path]:
    """A home whose service many tests share."""
    with tempfile.TemporaryDirectory(prefix="of-") as folder:
        home = Path(folder) / "home"
        share_kernels(home)
        (Path(folder) / "allowed").mkdir()
        yield home
        Cli(home=home, cwd=home).stop_service()


@pytest.fixture
def far(far_home: Path, engine_environment: dict[str, str], tmp_path: Path) -> Cli:
    """Commands on a service that may read and write nothing but its own home."""
    allowed = json.dumps([str(far_home.parent / "allowed")])
    roots = {"OVERSCAN_ROOTS_READ": allowed, "OVERSCAN_ROOTS_WRITE": allowed}
    return Cli(home=far_home, cwd=tmp_path, environment=engine_environment | roots)


@pytest.fixture
def matte(tmp_path: Path) -> str:
    """A matte over some of the plate."""
    import numpy as np
    import OpenImageIO

    for frame in range(1001, 1005):
        spec = OpenImageIO.ImageSpec(32, 24, 1, "half")
        spec.channelnames = ("A",)
        pixels = np.zeros((24, 32, 1), np.float32)
        pixels[8:14, 10:18] = 1.0
        writer = OpenImageIO.ImageOutput.create(str(tmp_path / f"matte.{frame}.exr"))
        assert writer.open(str(tmp_path / f"matte.{frame}.exr"), spec)
        assert writer.write_image(pixels)
        writer.close()
    return "matte.####.exr"


@pytest.mark.parametrize(
    "words",
    [
        ("extend", "--overscan", "4", "--extras", "sidecar", "--never-copy", "matte.####.exr", "--quality", "preview"),
        ("inpaint", "--matte", "matte.####.exr", "--frames", "1002-1003", "--clean-plate", "plate.1004.exr"),
        ("continue", "--tail", "1"),
        ("interpolate", "--times", "1001.5,1002"),
    ],
    ids=lambda words: words[0],
)
def test_a_job_without_shared_storage_gives_the_same_files(
    cli: Cli, far: Cli, plate: str, matte: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert matte
    refused = far(words[0], plate, "-o", "near/o.%04d.exr", *words[1:], "--json", "--transfer", "never")
    assert refused.summary["errors"][0]["code"] == "OUTSIDE_ROOTS", refused.out

    near = cli(words[0], plate, "-o", "near/o.%04d.exr", *words[1:])
    assert near.code == 0, near.err
    carried = far(words[0], plate, "-o", "far/o.%04d.exr", *words[1:], "--transfer", "always", "--json")
    assert carried.code == 0, carried.out

    assert carried.summary["output"] == str(tmp_path / "far" / "o.%04d.exr")
    names = sorted(path.name for path in (tmp_path / "near").iterdir())
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == names
    for name in names:
        if name.endswith(".exr"):
            assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes(), name
    receipts = [json.loads((tmp_path / side / "o.receipt.json").read_text()) for side in ("near", "far")]
    assert receipts[0]["inputs"] == receipts[1]["inputs"]
    assert receipts[0]["frames"] == receipts[1]["frames"]
    assert not list((far.home / "results").iterdir()), "what was fetched is not kept"
    checked = cli("verify", "far/o.%04d.exr")
    assert checked.code == 0, checked.err


def test_frames_in_the_way_are_left_alone(far: Cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "o.1002.exr").write_bytes(b"precious")
    words = ("extend", plate, "-o", "out/o.%04d.exr", "--format", "48x24", "--engine", "grey", "--transfer", "always")
    refused = far(*words, "--json")
    assert refused.code == 4
    assert refused.summary["errors"][0]["code"] == "OUTPUT_EXISTS"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["o.1002.exr"]
    assert far(*words, "--overwrite").code == 0
    assert (tmp_path / "out" / "o.1002.exr").stat().st_size > 100


def test_a_result_can_be_fetched_later(far: Cli, plate: str, tmp_path: Path) -> None:
    words = ("extend", plate, "-o", "out/o.%04d.exr", "--format", "48x24", "--engine", "grey", "--transfer", "always")
    job_id = far(*words, "--detach").out.strip()
    assert far("jobs", "watch", job_id).code == 0
    fetched = far("jobs", "fetch", job_id, "--into", "later")
    assert fetched.code == 0, fetched.err
    assert {f"o.{frame}.exr" for frame in range(1001, 1005)} < {path.name for path in (tmp_path / "later").iterdir()}
    assert not (far.home / "results" / job_id).exists()


def test_what_cannot_be_is_said(far: Cli, plate: str, tmp_path: Path) -> None:
    words = ("extend", plate, "-o", "o.%04d.exr", "--format", "48x24", "--engine", "grey")
    assert far(*words, "--transfer", "perhaps").code == 2
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    missing = far("extend", "none.%04d.exr", *words[2:], "--transfer", "always", "--json")
    assert missing.code == 3
    assert missing.summary["errors"][0]["code"] == "MISSING_FRAMES"
