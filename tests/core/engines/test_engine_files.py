"""What the plate engine keeps in files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from overscan.core.engines.plate._npz import save_arrays


def test_the_same_arrays_kept_by_several_threads_at_once(tmp_path: Path) -> None:
    """Frames of equal content have equal names in the cache, and two threads may measure them at once."""
    path, arrays = tmp_path / "ab" / "same.npz", {"values": np.arange(5000.0)}
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(save_arrays, path, arrays) for _ in range(200)]:
            future.result()
    with np.load(path) as kept:
        assert np.array_equal(kept["values"], arrays["values"])
    assert [entry.name for entry in path.parent.iterdir()] == ["same.npz"]
