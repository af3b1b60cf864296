"""What went wrong, where, and what to do: as the service and the bridge say it, and as found in the host itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; docs/errors.md lists the codes."""

    code: str
    """Stable name, e.g. ``MISSING_FRAMES``."""
    message: str
    """What is wrong, in plain words."""
    next_step: str = ""
    """What to do about it."""
    path: str = ""
    frame: int | None = None
    field: str = ""
    """Field of the job, e.g. ``inpaint.matte``."""
    expected: str = ""
    actual: str = ""

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Problem:
        """The problem in a message of the bridge; what a newer bridge says besides is left out."""
        frame = plain.get("frame")
        return cls(
            code=str(plain.get("code") or "INTERNAL"),
            message=str(plain.get("message") or "Something went wrong that has no description."),
            next_step=str(plain.get("next_step") or ""),
            path=str(plain.get("path") or ""),
            frame=frame if isinstance(frame, int) else None,
            field=str(plain.get("field") or ""),
            expected=str(plain.get("expected") or ""),
            actual=str(plain.get("actual") or ""),
        )

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path and self.path not in self.message else ""
        then = f" {self.next_step}" if self.next_step else ""
        return f"{where}{self.message}{then}"


class BridgeError(Exception):
    """A call could not be carried out, for one or more reasons.

    Besides the service's own codes there are: ``BRIDGE_NOT_INSTALLED`` (no command to start), ``BRIDGE_START_FAILED``,
    ``BRIDGE_ENDED`` (it died and the call cannot be sent twice), ``BRIDGE_TIMEOUT``, ``PROTOCOL_MISMATCH``,
    ``CANCELLED`` (by `Call.cancel` or `Bridge.close`), ``INVALID_REQUEST``.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems) or (Problem("INTERNAL", "Nothing is known about it."),)
        """Never empty."""
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def code(self) -> str:
        """Code of the first problem."""
        return self.problems[0].code

    @property
    def message(self) -> str:
        """What is wrong, one line per problem."""
        return "\n".join(problem.message for problem in self.problems)

    @property
    def next_step(self) -> str:
        """What to do, without repeating itself."""
        return "\n".join(dict.fromkeys(problem.next_step for problem in self.problems if problem.next_step))


def failure(code: str, message: str, next_step: str = "", *, path: str = "") -> BridgeError:
    """A `BridgeError` with one problem."""
    return BridgeError([Problem(code, message, next_step, path)])
