"""Work in slices, as in every host (see `overscan_host`)."""

from __future__ import annotations

from overscan_host import Ask, Steps, Task, Work, run_through

__all__ = ["Ask", "Steps", "Task", "Work", "run_through"]
