"""The parts of imagining that need no plate: runs of addresses, maps of them, key frames."""

from __future__ import annotations

import numpy as np

from overscan.core.engines.plate._address_map import AddressMap, load_map, save_map
from overscan.core.engines.plate._keys import KEY_EVERY, key_frames, with_painted
from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate._running import Runner, Runs
from overscan.core.engines.plate.motion._camera import CameraPath

LATTICE = Lattice(x0=0, y0=0, dx=1, dy=1, width=40, height=20)


def _runs(since: int, back: int, ahead: int) -> Runs:
    return Runs(since=np.array([since], np.int32), back=np.array([back], np.uint8), ahead=np.array([ahead], np.uint8))


def _panning(frames: int, *, segments: list[int] | None = None) -> CameraPath:
    """A camera that goes right by one sample a frame."""
    matrices = np.stack([np.array([[1, 0, frame], [0, 1, 0], [0, 0, 1.0]]) for frame in range(frames)])
    numbers = np.array(segments or [0] * frames, np.int32)
    return CameraPath(lattice=LATTICE, matrices=matrices, segments=numbers, kinds=("translation",) * 2)


def test_an_address_runs_to_and_fro_without_a_jump() -> None:
    runs = _runs(since=10, back=2, ahead=3)
    offsets = [int(runs.offset(frame)[0]) for frame in range(30)]
    assert offsets[10:21] == [0, 1, 2, 3, 2, 1, 0, -1, -2, -1, 0]
    assert set(np.abs(np.diff(offsets))) == {1}
    assert (_runs(since=10, back=0, ahead=0).offset(25) == 0).all()


def test_a_running_address_is_carried_along_by_the_camera() -> None:
    runner = Runner(path=_panning(30), lattice=LATTICE, usable=lambda _: np.ones((20, 40), bool), frames=30)
    source, x, y = np.array([12], np.int32), np.array([30], np.float32), np.array([5], np.float32)
    frame, there_x, there_y = runner.at(14, source, x, y, _runs(since=10, back=8, ahead=8))
    assert (frame[0], there_x[0], there_y[0]) == (16, 26, 5)


def test_room_ends_where_the_plate_no_longer_shows_it() -> None:
    def usable(frame: int) -> np.ndarray:
        mask = np.ones((20, 40), bool)
        mask[:, :10] = frame != 25  # something passes there
        return mask

    runner = Runner(path=_panning(60), lattice=LATTICE, usable=usable, frames=60)
    x, y = np.array([39, 30, 9, 2], np.float32), np.full(4, 5, np.float32)
    back, ahead = runner.room(20, x, y)
    # In groups of 6 but for the shot's own ends. Frame 25 shows the third at x = 4.
    assert back.tolist() == [0, 6, 20, 20] and ahead.tolist() == [39, 30, 0, 0]
    cut = Runner(path=_panning(60, segments=[0] * 28 + [1] * 32), lattice=LATTICE, usable=usable, frames=60)
    assert cut.room(20, x, y)[1].tolist() == [6, 6, 0, 0]


def test_a_map_is_kept_with_its_runs(tmp_path) -> None:
    made = AddressMap.empty(LATTICE, channels=3)
    made.frame[5:15, 5:15] = 7
    made.x[5:15, 5:15], made.y[5:15, 5:15] = LATTICE.nodes()[0][5:15, 5:15] + 3, LATTICE.nodes()[1][5:15, 5:15]
    made.runs.since[5:15, 5:15], made.runs.back[5:15, 5:15], made.runs.ahead[5:15, 5:15] = 4, 6, 12
    save_map(made, tmp_path / "m.npz")
    kept = load_map(tmp_path / "m.npz", lattice=LATTICE)
    x, y = np.array([7.25, 4.2, 20], np.float32), np.array([8.5, 5, 5], np.float32)
    found, runs = kept.look_up(x, y), kept.runs_at(x, y)
    assert found.frame.tolist() == [7, 7, -1] and np.allclose(found.x[:2], x[:2] + 3) and np.allclose(found.y[0], 8.5)
    assert runs.since.tolist() == [4, 4, 0] and runs.back.tolist() == [6, 6, 0] and runs.ahead.tolist() == [12, 12, 0]


def test_every_painted_frame_has_a_painted_key_frame_near() -> None:
    grid = key_frames(900)
    assert with_painted(grid, range(900)) == grid and with_painted(grid, []) == grid
    for painted in (range(30, 40), range(0, 900, 2), [5], [*range(100, 110), *range(160, 166), 899]):
        keys = with_painted(grid, list(painted))
        assert set(grid) <= set(keys) and len(keys) <= len(grid) + len(painted)
        mine = set(keys) & set(painted)
        assert all(min(abs(frame - key) for key in mine) <= KEY_EVERY for frame in painted)
    assert len(with_painted(grid, [frame for frame in range(900) if frame % 24])) <= 2 * len(grid)
