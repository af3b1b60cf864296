"""``python -m overscan.service._worker_start``: a worker process, within its bounds from the first library on."""

from __future__ import annotations

from overscan.service._worker_bounds import enter_bounds

if __name__ == "__main__":
    enter_bounds()
    from overscan.service._worker_main import main

    main()
