"""What the system says of files, however it comes to be said."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from overscan.core.errors import DiskFullError, OutputNotWritableError, OverscanError, ShareLostError, from_record
from overscan.core.memory import kills_for_memory, memory
from overscan.core.storage import Places, storage_error


def raised(number: int, path: str = "/share/a.exr", path2: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path, None, path2)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.ESTALE, ShareLostError),
        (errno.EIO, ShareLostError),
        (errno.ENOTCONN, ShareLostError),
        (errno.ETIMEDOUT, ShareLostError),
        (errno.EROFS, OutputNotWritableError),
        (errno.ENOENT, None),
        (errno.EACCES, None),
    ],
)
def test_each_number_has_a_meaning(number: int, kind: type[OverscanError] | None) -> None:
    found = storage_error(raised(number))
    assert type(found) is (kind or type(None))
    if found is not None:
        assert found.record.path == "/share/a.exr"
        assert os.strerror(number) in found.record.message
        assert "retry the job" in found.record.next_step
        assert type(from_record(found.record)) is type(found)


def test_permission_counts_where_it_was_to_be_written() -> None:
    assert storage_error(raised(errno.EACCES), writes="/elsewhere") is None
    assert isinstance(storage_error(raised(errno.EACCES), writes="/share"), OutputNotWritableError)


def test_what_a_library_put_before_it_does_not_hide_it() -> None:
    def read() -> None:
        try:
            raise raised(errno.ESTALE)
        except OSError as error:
            raise ValueError("cannot identify image file") from error

    with pytest.raises(RuntimeError) as caught:
        try:
            read()
        except ValueError:
            raise RuntimeError("the frame could not be opened")  # noqa: B904
    assert isinstance(storage_error(caught.value), ShareLostError)


def test_what_was_suppressed_on_purpose_does_not_count() -> None:
    with pytest.raises(ValueError, match="no number") as caught:
        try:
            raise raised(errno.EIO)
        except OSError:
            raise ValueError("no number") from None
    assert storage_error(caught.value) is None


def test_of_two_files_the_one_that_was_written_is_full() -> None:
    found = storage_error(raised(errno.ENOSPC, "/plates/a.exr", "/full/a.exr"))
    assert found is not None
    assert found.record.path == "/full/a.exr"


def test_places_know_what_was_mounted(small_disk: Callable[..., Path], tmp_path: Path) -> None:
    share = small_disk("size=1m")
    places = Places.remember([str(share / "not" / "yet"), str(tmp_path), ""], work_folder=tmp_path)
    places.check()
    again = Places.remember([str(tmp_path)], work_folder=tmp_path)  # only what was there first counts
    subprocess.run(["umount", "--lazy", str(share)], check=True)
    try:
        for found in (places, again, Places.of(tmp_path)):
            with pytest.raises(ShareLostError, match="nothing is mounted there") as caught:
                found.check()
            assert caught.value.record.path == str(share)
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(share)], check=True)
    places.check()


def test_places_of_a_folder_that_says_nothing_are_none(tmp_path: Path) -> None:
    Places.of(tmp_path).check()
    (tmp_path / "places.json").write_text("{broken")
    Places.of(tmp_path).check()


def test_memory_is_within_the_limit_of_the_process() -> None:
    whole = memory()
    assert 0 < whole.free <= whole.total
    limit = 3 << 30
    asked = "from overscan.core.memory import memory; m = memory(); print(m.total, m.free)"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    total, free = map(int, done.stdout.split())
    assert total == min(limit, whole.total)
    assert free < total
    assert kills_for_memory() >= 0


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """The least that a quota does: every byte over a limit is refused (RLIMIT_FSIZE)."""
    asked = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from filming import rgb, scene, write
from overscan.core.plates import read_frame, write_frame
from pathlib import Path
write(Path("plate.exr"), rgb(scene(200, 300, seed=1)))
frame = read_frame(Path("plate.exr"), number=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_frame(frame, path=Path("out.exr"), overwrite=False)
except Exception as error:
    print(error.record.code, sorted(path.name for path in Path().iterdir()))
"""
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=False, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.stdout.strip() == "DISK_FULL ['plate.exr']", done.stderr
