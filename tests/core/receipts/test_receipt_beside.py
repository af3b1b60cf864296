"""Files beside the frames, such as sound, stand in the receipt and are looked after."""

from __future__ import annotations

from pathlib import Path

import pytest
from delivering import FRAMES, deliver
from filming import pan

from overscan.core.errors import OutputExistsError
from overscan.core.jobs import Extend, Margins
from overscan.core.plates import sha256_of
from overscan.core.receipts import State, Subject
from overscan.core.results import beside_path, claim_beside, files_beside


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/out/a.%04d.exr", "/out/a.wav"),
        ("/out/sh010_v002_####.exr", "/out/sh010_v002.wav"),
        ("/out/%04d.exr", "/out/frames.wav"),
        ("/out/still.exr", "/out/still.wav"),
    ],
)
def test_such_a_file_is_named_after_the_frames(pattern: str, path: str) -> None:
    assert beside_path(pattern, suffix=".wav") == Path(path)


def test_a_job_replaces_its_own_file_and_nobody_elses(tmp_path: Path) -> None:
    path, work = tmp_path / "a.wav", tmp_path / "work"
    assert files_beside(work) == ()
    claim_beside(path, work_folder=work, overwrite=False)
    path.touch()
    claim_beside(path, work_folder=work, overwrite=False)
    assert files_beside(work) == (path,)
    with pytest.raises(OutputExistsError):
        claim_beside(path, work_folder=tmp_path / "other", overwrite=False)
    assert files_beside(tmp_path / "other") == ()
    claim_beside(path, work_folder=tmp_path / "other", overwrite=True)


def test_it_is_hashed_and_checked(tmp_path: Path) -> None:
    sound = tmp_path / "o/o.wav"
    sound.parent.mkdir()
    claim_beside(sound, work_folder=tmp_path / ("1" * 32) / "work", overwrite=False)
    sound.write_bytes(b"RIFF")
    plate = pan(tmp_path / "p", size=(48, 32), frames=FRAMES)
    done = deliver(tmp_path, Extend(margins=Margins(right=4)), plate, parameters={"quality": "preview"})
    (entry,) = done.receipt.beside
    assert (entry.path, entry.sha256) == ("o.wav", sha256_of(sound))

    def state() -> State:
        (found,) = [finding for finding in done.audit() if finding.subject is Subject.EXTRAS]
        assert "o.wav" in found.detail
        return found.state

    assert state() is State.INTACT
    sound.write_bytes(b"RIFX")
    assert state() is State.CHANGED
    sound.unlink()
    assert state() is State.MISSING
