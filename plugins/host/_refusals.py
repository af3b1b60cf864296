"""Problems that are found in the host itself, in the same form as those of the service."""

from __future__ import annotations

from overscan_host._errors import BridgeError, Problem


class RefusalError(BridgeError):
    """What is asked for cannot be done as it is; says what is wrong and what to do."""


class StoppedError(Exception):
    """The artist pressed cancel while a job was being prepared; nothing was sent."""


def refuse(code: str, message: str, next_step: str = "", *, field: str = "", path: str = "") -> RefusalError:
    """A `RefusalError` for one problem; docs/errors.md lists the codes."""
    return RefusalError([Problem(code=code, message=message, next_step=next_step, field=field, path=path)])
