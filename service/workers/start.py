"""``python -m overscan.service.workers.start``: a worker process, within its bounds from the first library on."""

from __future__ import annotations

from overscan.service.workers.bounds import enter_bounds

if __name__ == "__main__":
    enter_bounds()
    from overscan.service.workers.main import main

    main()
