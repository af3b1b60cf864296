"""What becomes of one record: one line, whatever is in it, and no secret."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from overscan.service.operations.logs import JsonForm, TextForm, add_context, log_context, request_id

Logged = Callable[[], str]


@pytest.fixture(params=["text", "json"])
def logger(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, Logged]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonForm({}) if request.param == "json" else TextForm({}, whole_tracebacks=False))
    found = logging.Logger("overscan.test")
    found.addHandler(handler)
    yield found, stream.getvalue


def test_a_name_with_a_line_break_forges_no_record(logger: tuple[logging.Logger, Logged]) -> None:
    log, said = logger
    log.info("cannot read %s", "/a\n2026-01-01 00:00:00.000 INFO overscan: all is well\x1b[2K\u2028.exr")
    assert said().count("\n") == 1
    assert "\x1b" not in said() and "\u2028" not in said()


def test_a_traceback_is_part_of_its_record(logger: tuple[logging.Logger, Logged]) -> None:
    log, said = logger
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")
    (line,) = said().splitlines()
    assert "Traceback" in line and "ValueError" in line and "it failed" in line


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("refused authorization: Bearer abc.DEF-123_x", "abc.DEF-123_x"),
        ("cannot connect to postgresql://overscan:hunter2@db:5432/jobs", "hunter2"),
        ("called with token='s3cr3t-token' and more", "s3cr3t-token"),
        ('{"password": "open sesame"}', "sesame"),
        ("OVERSCAN_TOKEN=s3cr3t-token", "s3cr3t-token"),
    ],
)
def test_no_secret_is_logged(logger: tuple[logging.Logger, Logged], message: str, secret: str) -> None:
    log, said = logger
    log.warning("%s", message)
    try:
        raise RuntimeError(message)
    except RuntimeError:
        log.exception("failed")
    assert secret not in said()
    assert "(hidden)" in said()


def test_arguments_that_do_not_fit_do_not_cost_the_record(logger: tuple[logging.Logger, Logged]) -> None:
    log, said = logger
    log.info("%d frames", "no")
    assert "frames" in said() and "no" in said()


def test_ids_are_of_the_thread_and_end_with_the_context() -> None:
    form = JsonForm({"worker": "render-0"})

    def written() -> dict[str, str]:
        record = logging.LogRecord("overscan", logging.INFO, __file__, 1, "words", None, None)
        return dict(json.loads(form.format(record)))

    other: list[str] = []
    with log_context(request_id="outer", user=""):
        with log_context(job_id="1f2e"):
            add_context(user="ann")
            found = written()
            thread = threading.Thread(target=lambda: other.append(request_id()))
            thread.start()
            thread.join()
        assert "user" not in written() and "job_id" not in written()
        assert request_id() == "outer"
    assert (found["request_id"], found["job_id"], found["user"], found["worker"]) == (
        "outer",
        "1f2e",
        "ann",
        "render-0",
    )
    assert other == [""], "another thread's records are not this call's"
    assert set(written()) == {"time", "level", "logger", "message", "worker"}
