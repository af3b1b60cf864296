"""Inputs that change under a job: named, never mixed; what only looks changed is looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filming import make_job, rgb, scene, write

from overscan.core.errors import InputChangedError, OverscanError, ShareLostError
from overscan.core.jobs import Extend, Job
from overscan.core.plates import read_frame, read_header, watch_reads
from overscan.core.shots import InputWatch
from overscan.core.storage import Places

OLD = 1_600_000_000_000_000_000


@pytest.fixture
def plate(tmp_path: Path) -> list[Path]:
    """Three frames that nobody has written to for years."""
    paths = []
    for frame in (1001, 1002, 1003):
        path = tmp_path / "shot" / f"plate.{frame}.exr"
        path.parent.mkdir(exist_ok=True)
        write(path, rgb(scene(8, 12, seed=frame)))
        os.utime(path, ns=(OLD, OLD))
        paths.append(path)
    return paths


@pytest.fixture
def job(plate: list[Path], tmp_path: Path) -> Job:
    return make_job(Extend(size=(16, 8)), str(plate[0].parent / "plate.%04d.exr"), str(tmp_path / "out.%04d.exr"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("work", "cache"):
        (tmp_path / name).mkdir()
    return tmp_path / "work", tmp_path / "cache"


@pytest.fixture
def watch(job: Job, folders: tuple[Path, Path]) -> Iterator[InputWatch]:
    """What watches this process read the job's inputs."""
    made = InputWatch(job=job, work_folder=folders[0], cache_folder=folders[1])
    made.begin()
    watch_reads(made)
    yield made
    watch_reads(None)


def another(job: Job, folders: tuple[Path, Path]) -> InputWatch:
    """As another process has it."""
    return InputWatch(job=job, work_folder=folders[0], cache_folder=folders[1])


def rewrite(path: Path, *, seed: int, keep_time: bool = False) -> None:
    before = path.stat()
    write(path, rgb(scene(8, 12, seed=seed)))
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_not_read_yet_must_stay_too(watch: InputWatch, plate: list[Path]) -> None:
    read_frame(plate[0], number=1001)
    rewrite(plate[1], seed=5)
    with pytest.raises(InputChangedError, match=r"frame 1002, 'plate\.1002\.exr' was changed") as caught:
        read_frame(plate[1], number=1002)
    assert caught.value.record.frame == 1002
    assert caught.value.record.path == str(plate[1])
    assert "begins anew" in caught.value.record.next_step


def test_headers_count_as_reading(watch: InputWatch, plate: list[Path]) -> None:
    rewrite(plate[2], seed=5)
    with pytest.raises(InputChangedError):
        read_header(plate[2])


def test_the_same_bytes_with_another_time_and_inode_are_no_change(
    watch: InputWatch, plate: list[Path], job: Job, folders: tuple[Path, Path]
) -> None:
    first = read_frame(plate[0], number=1001)
    watch.finish()
    shutil.copyfile(plate[0], plate[0].with_name("copy"))
    plate[0].with_name("copy").replace(plate[0])
    again = read_frame(plate[0], number=1001)
    assert np.array_equal(first.parts[0].planes["R"], again.parts[0].planes["R"])
    other = another(job, folders)
    other.check()
    watch.check()


def test_other_bytes_of_the_same_size_and_time_are_a_change(
    watch: InputWatch, plate: list[Path], job: Job, folders: tuple[Path, Path]
) -> None:
    """As where somebody sets the time back: the time of change and the content say it."""
    read_frame(plate[0], number=1001)
    watch.finish()
    data = bytearray(plate[0].read_bytes())
    data[-20] ^= 0x55
    plate[0].write_bytes(data)
    os.utime(plate[0], ns=(OLD, OLD))
    with pytest.raises(InputChangedError, match="its content is another"):
        read_header(plate[0])
    with pytest.raises(InputChangedError, match="its content is another"):
        another(job, folders).check()


def test_a_change_is_seen_at_the_end_even_if_nobody_reads_it_again(watch: InputWatch, plate: list[Path]) -> None:
    for number, path in enumerate(plate):
        read_frame(path, number=1001 + number)
    watch.finish()
    watch.check()
    rewrite(plate[1], seed=9)
    with pytest.raises(InputChangedError) as caught:
        watch.check()
    assert caught.value.record.frame == 1002


def test_a_file_that_is_gone_at_the_end_is_named(watch: InputWatch, plate: list[Path]) -> None:
    plate[2].unlink()
    with pytest.raises(InputChangedError, match="it is gone"):
        watch.check()


def test_a_file_that_is_written_while_it_is_read_is_not_taken_for_damaged(watch: InputWatch, plate: list[Path]) -> None:
    """What is half written reads as damaged, or worse, does not: whoever reads it hears what happened instead."""
    whole = plate[0].read_bytes()
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            plate[0].write_bytes(whole[: len(whole) // 2])
            plate[0].write_bytes(whole)

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        with pytest.raises(InputChangedError):
            for _ in range(500):
                read_frame(plate[0], number=1001)
    finally:
        stop.set()
        thread.join()


def test_a_damaged_file_is_still_damaged(watch: InputWatch, plate: list[Path], job: Job, tmp_path: Path) -> None:
    os.truncate(plate[0], 200)
    fresh = tmp_path / "other"
    fresh.mkdir()
    (fresh / "cache").mkdir()
    watch_reads(InputWatch(job=job, work_folder=fresh, cache_folder=fresh / "cache"))
    with pytest.raises(OverscanError) as caught:
        read_frame(plate[0], number=1001)
    assert caught.value.record.code == "UNREADABLE_IMAGE"


def test_files_of_others_are_nobodys_business(watch: InputWatch, plate: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "shot" / "other.1001.exr"
    write(other, rgb(scene(8, 12, seed=1)))
    read_frame(other, number=1001)
    rewrite(other, seed=2)
    read_frame(other, number=1001)


def test_a_job_that_begins_anew_begins_with_what_is_there(
    watch: InputWatch, plate: list[Path], job: Job, folders: tuple[Path, Path]
) -> None:
    read_frame(plate[0], number=1001)
    rewrite(plate[0], seed=9)
    assert watch.is_there
    for path in folders[0].iterdir():
        path.unlink()
    assert not watch.is_there
    fresh = another(job, folders)
    fresh.begin()
    watch_reads(fresh)
    read_frame(plate[0], number=1001)
    fresh.check()


def test_new_frames_beside_the_plate_under_its_name_are_no_inputs(
    plate: list[Path], job: Job, folders: tuple[Path, Path]
) -> None:
    beside = replace(job, output=replace(job.output, path=str(plate[0].parent / "plate.%04d.exr")))
    made = InputWatch(job=beside, work_folder=folders[0], cache_folder=folders[1])
    made.begin()
    watch_reads(made)
    try:
        new = plate[0].with_name("plate.1004.exr")
        for seed in (1, 2):
            write(new, rgb(scene(8, 12, seed=seed)))
            read_frame(new, number=1004)
        made.check()
        rewrite(plate[0], seed=3)
        with pytest.raises(InputChangedError):
            read_frame(plate[0], number=1001)
    finally:
        watch_reads(None)


def test_a_share_that_is_gone_is_no_change(
    small_disk: Callable[..., Path], job: Job, folders: tuple[Path, Path]
) -> None:
    share = small_disk("size=1m")
    path = share / "plate.1001.exr"
    write(path, rgb(scene(8, 12, seed=1)))
    assert job.plate is not None
    moved = replace(job, plate=replace(job.plate, path=str(share / "plate.%04d.exr")))
    Places.remember([str(share)], work_folder=folders[0])
    made = InputWatch(job=moved, work_folder=folders[0], cache_folder=folders[1])
    made.begin()
    made.check()
    subprocess.run(["umount", "--lazy", str(share)], check=True)
    try:
        with pytest.raises(ShareLostError):
            made.check()
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(share)], check=True)
    with pytest.raises(InputChangedError, match="it is gone"):
        made.check()
