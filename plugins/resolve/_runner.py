"""What every window does with steps and jobs: start, follow, cancel, and close in good order."""

from __future__ import annotations

from typing import Any, Callable

from overscan_host import BridgeError, Steps, StoppedError, Task
from overscan_resolve._run import Follower, cancel_steps
from overscan_resolve._session import Session
from overscan_resolve._words import error_words, record_words


class Runner:
    """One run at a time."""

    def __init__(
        self, session: Session, *, say: Callable[[str], None], bring_in: Callable[[Any], Any], end: Callable[[], None]
    ) -> None:
        """`bring_in` puts a finished result where it belongs and returns its record; `end` ends the window's loop."""
        self._session = session
        self._say = say
        self._bring_in = bring_in
        self._end = end
        self._task: Task | None = None
        self._follower: Follower | None = None
        self._closing = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being prepared, and no job is followed."""
        return self._task is None and (self._follower is None or self._follower.ended)

    def plan(self, make: Callable[[], Steps]) -> None:
        """Run the steps that `make` gives, and say what they found."""
        if self.is_idle:
            self._say("Planning ...")
            self._start(make, self._planned)

    def generate(self, make: Callable[[], Steps]) -> None:
        """Run the steps that `make` gives, and follow the job that they return."""
        if self.is_idle:
            self._follower = None
            self._say("Looking at it ...")
            self._start(make, self._created)

    def _start(self, make: Callable[[], Steps], finished: Callable[[Any, BaseException | None], None]) -> None:
        try:
            steps = make()
            self._task = Task(steps, bridge=self._session.bridge, queue=self._session.queue, finished=finished)
            self._task.start()
        except BridgeError as error:
            self._task = None
            self._say(error_words(error))

    def _planned(self, planned: Any, error: BaseException | None) -> None:
        self._prepared()
        self._say(_stopped(error) if error is not None else planned.words)

    def _created(self, record: Any, error: BaseException | None) -> None:
        self._prepared()
        if error is not None:
            self._say(_stopped(error))
        else:
            self._follower = Follower(self._session.bridge, record, changed=self._moved)
            self._moved(self._follower)

    def _prepared(self) -> None:
        self._task = None
        if self._closing:
            self._end()

    def _moved(self, follower: Follower) -> None:
        self._say(
            record_words(
                follower.record,
                message=follower.words(),
                seconds_left=follower.seconds_left,
                progress=follower.progress,
            )
        )
        if follower.ended and follower.record.state == "succeeded":
            self._say("The frames are there. Bringing them in ...")
            try:
                follower.record = self._bring_in(follower.record)
            except BridgeError as error:
                self._say(error_words(error))
            else:
                self._say(record_words(follower.record))

    def cancel(self) -> None:
        """Stop what is being prepared, or the job; finished frames are kept."""
        if self._task is not None:
            self._task.cancel()
            self._say("Cancelling ...")
        elif self._follower is not None and not self._follower.ended:
            self._say("Cancelling; finished frames are kept ...")
            steps = cancel_steps(self._follower.record)
            Task(steps, bridge=self._session.bridge, queue=self._session.queue, finished=self._asked).start()

    def _asked(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            self._say(error_words(error))

    def close(self) -> None:
        """End the window: at once, or after what is being prepared has cleaned up. A job goes on; the queue has it."""
        if self._task is not None:
            self._closing = True
            self._task.cancel()
            self._say("Stopping ...")
            return
        if self._follower is not None:
            self._follower.stop()
        self._end()


def _stopped(error: BaseException) -> str:
    if isinstance(error, StoppedError):
        return "Stopped before anything was sent."
    return f"Not started. {error_words(error)}"
