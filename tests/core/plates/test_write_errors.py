"""A frame appears whole or not at all, and the error says what stood in the way."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from overscan.core.errors import (
    DiskFullError,
    OutputExistsError,
    OutputNotWritableError,
    OverscanError,
)
from overscan.core.plates import read_frame, same_samples, write_frame
from overscan.core.temporaries import remove_temporaries, temporary_prefix

FORMATS = ["exr", "png", "tif", "dpx"]


@pytest.fixture
def frame(make_frame, any_bits):
    """Incompressible half samples, about 570 kB."""
    return make_frame(planes={name: any_bits(np.float16, 310, 307) for name in "RGB"})


@pytest.fixture
def byte_frame(make_frame, any_bits):
    """Incompressible 8 bit samples, which every format takes."""
    return make_frame(planes={name: any_bits(np.uint8, 310, 307) for name in "RGB"})


@pytest.fixture
def fitting(frame, byte_frame):
    """A frame that the format can hold."""
    return lambda ending: frame if ending == "exr" else byte_frame


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kilobytes", [4, 64, 180, 270])
def test_a_full_disk(kilobytes, ending, fitting, small_disk):
    folder = small_disk(f"size={kilobytes}k")
    with pytest.raises(DiskFullError) as error:
        write_frame(fitting(ending), path=folder / f"plate.{ending}", overwrite=True)
    record = error.value.record
    assert (record.path, record.frame) == (str(folder / f"plate.{ending}"), 1)
    assert not list(folder.iterdir())


def test_a_disk_that_fills_up_while_the_file_is_put_together(frame, small_disk, tmp_path):
    # The encoded part fits, the final file does not fit beside it.
    write_frame(frame, path=tmp_path / "sound.exr", overwrite=False)
    folder = small_disk(f"size={int((tmp_path / 'sound.exr').stat().st_size * 1.5) // 1024}k")
    with pytest.raises(DiskFullError):
        write_frame(frame, path=folder / "plate.exr", overwrite=True)
    assert not list(folder.iterdir())


def test_a_full_disk_leaves_the_old_frame(frame, make_frame, any_bits, small_disk):
    folder = small_disk("size=100k")
    old = make_frame(planes={"Y": any_bits(np.float16)})
    write_frame(old, path=folder / "plate.exr", overwrite=False)
    with pytest.raises(DiskFullError):
        write_frame(frame, path=folder / "plate.exr", overwrite=True)
    kept = read_frame(folder / "plate.exr", number=1).parts[0].planes["Y"]
    assert same_samples(kept, old.parts[0].planes["Y"])
    assert [path.name for path in folder.iterdir()] == ["plate.exr"]


def test_a_disk_mounted_read_only(frame, small_disk):
    folder = small_disk("size=100k,ro")
    with pytest.raises(OutputNotWritableError, match="Read-only"):
        write_frame(frame, path=folder / "plate.exr", overwrite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes by RLIMIT_FSIZE, which Windows lacks")
@pytest.mark.parametrize("ending", FORMATS)
def test_no_file_size_limit_leaves_a_short_file(ending, fitting, tmp_path):
    """Every place where the disk can run out, the very last byte included."""
    frame, path = fitting(ending), tmp_path / f"plate.{ending}"
    write_frame(frame, path=path, overwrite=False)
    size = path.stat().st_size
    path.unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in sorted({0, 1, 100, size // 4, size // 2, size - 70000, size - 5000, size - 100, size - 2, size - 1}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(DiskFullError):
                write_frame(frame, path=path, overwrite=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not list(tmp_path.iterdir()), limit


def test_a_missing_folder_and_a_folder_in_the_way(frame, tmp_path):
    with pytest.raises(OutputNotWritableError, match="no folder"):
        write_frame(frame, path=tmp_path / "none" / "plate.exr", overwrite=False)
    (tmp_path / "plate.exr").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputNotWritableError, match="is a folder"):
            write_frame(frame, path=tmp_path / "plate.exr", overwrite=overwrite)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritableError):
        write_frame(frame, path=tmp_path / "file" / "plate.exr", overwrite=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(frame, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputNotWritableError, match="Permission"):
            write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_there_is_kept_without_overwrite(ending, fitting, tmp_path):
    path = tmp_path / f"plate.{ending}"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        write_frame(fitting(ending), path=path, overwrite=False)
    assert path.read_bytes() == b"precious"
    write_frame(fitting(ending), path=path, overwrite=True)
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


def _write_once(path, seed, queue, barrier):
    from overscan.core.geometry import Window
    from overscan.core.plates import Channel, Part, PartHeader, PlateFrame

    plane = np.full((64, 64), seed, np.float16)
    window = Window(x=0, y=0, width=64, height=64)
    header = PartHeader(
        index=0,
        name="",
        view="",
        display_window=window,
        data_window=window,
        pixel_aspect=1.0,
        channels=(Channel(name="Y", dtype=plane.dtype),),
        compression="zip",
        tile=None,
        bits=16,
        attributes={},
    )
    frame = PlateFrame(path=path, number=1, format_name="openexr", parts=(Part(header=header, planes={"Y": plane}),))
    barrier.wait()
    try:
        write_frame(frame, path=path, overwrite=False)
        queue.put(("wrote", seed))
    except OverscanError as error:
        queue.put((error.record.code, seed))


def test_of_two_writers_one_wins_and_the_other_is_told(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    queue, barrier = spawn.Queue(), spawn.Barrier(2)
    writers = [
        spawn.Process(target=_write_once, args=(tmp_path / "plate.exr", seed, queue, barrier)) for seed in (1, 2)
    ]
    for writer in writers:
        writer.start()
    results = [queue.get(timeout=60) for _ in writers]
    for writer in writers:
        writer.join(60)
    assert sorted(code for code, _ in results) == ["OUTPUT_EXISTS", "wrote"]
    (winner,) = [seed for code, seed in results if code == "wrote"]
    assert (read_frame(tmp_path / "plate.exr", number=1).parts[0].planes["Y"] == winner).all()
    assert [path.name for path in tmp_path.iterdir()] == ["plate.exr"]


def test_a_target_that_appears_while_the_frame_is_encoded_is_kept(frame, tmp_path, monkeypatch):
    from overscan.core.plates import _write_exr

    assemble = _write_exr.assemble

    def late(**arguments):
        assemble(**arguments)
        (tmp_path / "plate.exr").write_bytes(b"precious")

    monkeypatch.setattr(_write_exr, "assemble", late)
    with pytest.raises(OutputExistsError):
        write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)
    assert (tmp_path / "plate.exr").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["plate.exr"]


def test_file_systems_without_hard_links(frame, tmp_path, monkeypatch):
    import errno

    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)
    assert same_samples(read_frame(tmp_path / "plate.exr", number=1).parts[0].planes["R"], frame.parts[0].planes["R"])
    with pytest.raises(OutputExistsError):
        write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)


WRITE_FOREVER = """
import sys
from dataclasses import replace
from pathlib import Path
from overscan.core.plates import read_frame, write_frame
frame = read_frame(Path(sys.argv[1]), number=1)
print("ready", flush=True)
while True:
    write_frame(frame, path=Path(sys.argv[2]), overwrite=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by SIGKILL")
def test_a_killed_writer_leaves_whole_frames_only(frame, tmp_path):
    source, out = tmp_path / "plate.exr", tmp_path / "out"
    out.mkdir()
    write_frame(frame, path=source, overwrite=False)
    for delay in (0.01, 0.03, 0.06):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, str(source), str(out / "result.exr")], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        if (out / "result.exr").exists():
            again = read_frame(out / "result.exr", number=1).parts[0]
            assert all(same_samples(again.planes[name], frame.parts[0].planes[name]) for name in "RGB")
        assert all(path.name.startswith(".overscan-") for path in out.iterdir() if path.name != "result.exr")


def test_an_owner_writes_over_what_it_left_and_nothing_else_is_touched(frame, tmp_path):
    """A writer that was killed leaves its temporaries; the same owner takes their names again."""
    left = tmp_path / f"{temporary_prefix(owner='job-1001')}0.exr"
    other = tmp_path / f"{temporary_prefix(owner='other-1001')}0.exr"
    for path in (left, other):
        path.write_bytes(b"half a picture")
    write_frame(frame, path=tmp_path / "result.exr", overwrite=False, owner="job-1001")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, "result.exr"])
    left.write_bytes(b"half a picture")
    remove_temporaries(folder=tmp_path, owner="job")
    remove_temporaries(folder=tmp_path / "gone", owner="job")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, "result.exr"])
