"""The job store over time: written by the first version, migrated, killed meanwhile, of a newer version, damaged."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import postgres
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from serving import FIRST, Service, rendered, wait_for
from sqlalchemy import Connection, Engine, event

from overscan.core.errors import DiskFullError, OverscanError
from overscan.service._errors import InvalidRequestError, JobNotFoundError, StoreUnavailableError, StoreUnusableError
from overscan.service.store import tables
from overscan.service.store.database import Database
from overscan.service.store.migrate import backups, migrate
from overscan.service.store.postgres import PostgresDatabase
from overscan.service.store.sqlite import SqliteDatabase
from overscan.service.store.store import Store
from overscan.service.store.writer import NewJob
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, JobSpec, JobState
from overscan.v1.plan_pb2 import Plan

HERE = Path(__file__).parent
FIRST_ROOT = "/first-version/".ljust(120, "-")
"""The folder of the first version's jobs, which a test's own takes the place of."""
SUCCEEDED, FAILED, CANCELLED, INTERRUPTED, QUEUED, ASKED = (
    "0940dd6dc07b4a8c8cb98a0194a24892",
    "a83f8d04f68b4a838877a7a205291182",
    "d30aabcc51134f09aff70478f8d69f7d",
    "5839f6e99ba14cbe856d201c1ac9c68c",
    "18ed7c22dbdd4d83a2d3952e08779bae",
    "d232b7fac82744fabbd366e813e04d5b",
)
needs_postgres = pytest.mark.skipif(
    postgres.programs() is None, reason=f"needs PostgreSQL and psycopg: {postgres.INSTALL}; pip install psycopg[binary]"
)


def first_store(path: Path, *, root: Path) -> None:
    """A store of the first version, whose jobs have their files under `root`."""
    ours = str(root).ljust(len(FIRST_ROOT), "/")
    assert len(ours) == len(FIRST_ROOT), "lengths are part of the messages"
    text = (HERE / "stores" / "first_version.sql").read_text()
    text = text.replace(FIRST_ROOT, ours).replace(FIRST_ROOT.encode().hex().upper(), ours.encode().hex().upper())
    with sqlite3.connect(path) as connection:
        connection.executescript(text)
    connection.close()


def content(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def differences(database: Database) -> list[object]:
    """In what a store is not as `_tables` says."""
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": tables.metadata}
        )
        return list(compare_metadata(context, tables.metadata))


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    made = postgres.make_server()
    yield made
    postgres.remove(made)


@pytest.fixture
def database(server: postgres.Server) -> Iterator[str]:
    """The URL of an empty database."""
    yield server.url
    server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def opened(where: Path | str) -> SqliteDatabase | PostgresDatabase:
    if isinstance(where, Path):
        return SqliteDatabase(path=where)
    return PostgresDatabase(url=where, password=postgres.PASSWORD)


def new_job(number: int, *, steps: int = 2) -> NewJob:
    return NewJob(
        id=f"{number:032x}",
        request_id=f"request {number}",
        spec=b"spec",
        plan=b"plan",
        whole_plan=b"whole plan",
        parameters="{}",
        priority=0,
        output_key=f"out {number}",
        labels={"show": "marigold", "sequence": "", "shot": "mg_0010", "artist": ""},
        steps=[f"step {step}" for step in range(steps)],
        frames=[-3, 1001],
        user="kim",
    )


def test_a_service_goes_on_with_the_jobs_of_the_first_version(
    start: Callable[..., Service], plate: str, tmp_path: Path
) -> None:
    for frame in range(FIRST, FIRST + 4):
        shutil.copyfile(plate % frame, tmp_path / f"plate.{frame:04d}.exr")
    for name in ("succeeded", "interrupted"):
        for frame in (FIRST, FIRST + 1):
            shutil.copyfile(plate % frame, tmp_path / f"{name}.{frame:04d}.exr")
    home = tmp_path / "home"
    for job_id in (FAILED, CANCELLED, INTERRUPTED):
        (home / "jobs" / job_id).mkdir(parents=True)
        (home / "jobs" / job_id / "prepared").write_text("yes")
    first_store(home / "jobs.sqlite", root=tmp_path)
    (tmp_path / "ledger").touch()

    service = start(home=home)
    listed = {job.id: job for job in service.jobs.ListJobs(pb.ListJobsRequest(), timeout=30).jobs}
    assert list(listed) == [ASKED, QUEUED, INTERRUPTED, CANCELLED, FAILED, SUCCEEDED], "newest first"
    for job_id in (INTERRUPTED, QUEUED, ASKED):
        assert service.finish(job_id).state == JobState.JOB_STATE_SUCCEEDED
    assert set(rendered(tmp_path / "ledger")[:2]) == {FIRST + 2, FIRST + 3}, "what was finished is not done again"
    done = service.get(SUCCEEDED)
    assert (done.state, done.verification.frames, done.request_id) == (
        JobState.JOB_STATE_SUCCEEDED,
        2,
        "first-succeeded",
    )
    assert [frame.state for frame in done.frames] == [FrameState.FRAME_STATE_VERIFIED] * 2
    assert [step.id for step in done.plan.steps] == ["prepare", "render-0", "render-1"]
    assert not listed[SUCCEEDED].plan.steps
    assert done.plan.feasible
    failed = service.get(FAILED)
    assert (failed.state, failed.error.code) == (JobState.JOB_STATE_FAILED, "STEP_FAILED")
    events = [answer.event for answer in service.watch(FAILED)]
    assert events[-1].state_changed.state == JobState.JOB_STATE_FAILED
    assert service.get(CANCELLED).state == JobState.JOB_STATE_CANCELLED
    again = service.create(JobSpec.FromString(done.spec.SerializeToString()), request_id="first-succeeded")
    assert again.id == SUCCEEDED, "a request is known for as long as its job"
    assert service.stop() == 0
    (copy,) = backups(home / "jobs.sqlite")
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_kill_while_a_store_is_migrated_leaves_one_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    first_store(path, root=tmp_path)
    before = content(path)
    deaths = 0
    for statement in range(1, 200, 4):
        child = os.fork()
        if child == 0:
            _open_and_die(path, at=statement)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        deaths += 1
        assert content(path) == before
    assert deaths > 8, "it was killed at one in four statements"
    database = opened(path)
    store = Store(database=database)
    assert differences(database) == []
    assert Plan.FromString(store.plan(job_id=FAILED)).steps
    slim = Plan.FromString(store.job(job_id=FAILED).plan)
    assert not slim.steps
    assert slim.feasible
    store.close()
    (copy,) = backups(path)
    assert content(copy) == before


def _open_and_die(path: Path, *, at: int) -> None:
    """Open a store; kill this process as it is about to send its statement number `at`."""
    sent = 0

    def count(*_: object) -> None:
        nonlocal sent
        sent += 1
        if sent == at:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        event.listen(Engine, "before_cursor_execute", count)
        Store(database=SqliteDatabase(path=path)).close()
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=needs_postgres)])
@pytest.mark.parametrize("way", ["made", "migrated"])
def test_tables_and_migrations_say_the_same(
    kind: str, way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database = opened(tmp_path / "jobs.sqlite" if kind == "sqlite" else request.getfixturevalue("database"))
    database.open()
    if way == "migrated":
        with database.write() as connection:
            migrate_from_nothing(connection)
    store = Store(database=database)
    assert differences(database) == []
    with store.write() as writer:
        writer.add_job(new_job(1))
    assert [step.step_id for step in store.steps(job_id=f"{1:032x}")] == ["step 0", "step 1"]
    assert [frame.frame for frame in store.frames(job_id=f"{1:032x}")] == [-3, 1001]
    store.close()


@needs_postgres
def test_jobs_are_found_by_how_they_begin_whatever_language_the_database_speaks(server: postgres.Server) -> None:
    server.sql("CREATE DATABASE danish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'da-DK' LOCALE 'C'")
    store = Store(database=opened(f"{server.url.removesuffix('overscan')}danish"))
    numbers = (0x1AA << 116, 0x1AB << 116, 0xAA << 120)  # in Danish, "aa" comes after "z"
    with store.write() as writer:
        for number in numbers:
            writer.add_job(new_job(number))
    ids = [f"{number:032x}" for number in numbers]
    assert [store.find(prefix=prefix) for prefix in ("1aa", "1ab", "a", ids[0])] == [*ids, ids[0]]
    with pytest.raises(JobNotFoundError, match="several"):
        store.find(prefix="1")
    store.close()


def migrate_from_nothing(connection: Connection) -> None:
    migrate(connection, version=0)
    connection.execute(tables.schema.insert().values(version=tables.SCHEMA_VERSION))


def test_a_newer_store_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    Store(database=opened(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema SET version = 99")
    connection.close()
    with pytest.raises(StoreUnusableError, match=r"newer version of Overscan \(schema 99\)"):
        Store(database=opened(path))
    assert backups(path) == []


def test_a_store_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"this was a database once" * 400)
    with pytest.raises(StoreUnusableError, match="Restore it from a backup"):
        Store(database=opened(path))


def test_a_store_that_is_up_to_date_is_opened_without_alembic(tmp_path: Path) -> None:
    Store(database=opened(tmp_path / "jobs.sqlite")).close()
    child = os.popen(
        f"'{os.sys.executable}' -c \"import sys; from pathlib import Path\n"  # type: ignore[attr-defined]
        "from overscan.service.store.store import Store; from overscan.service.store.sqlite import SqliteDatabase\n"
        f"Store(database=SqliteDatabase(path=Path('{tmp_path / 'jobs.sqlite'}'))).close()\n"
        "print('alembic' in sys.modules)\""
    )
    assert child.read().strip() == "False"


def test_a_full_store_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    database = opened(tmp_path / "jobs.sqlite")
    store = Store(database=database)
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    database._writer.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")  # type: ignore[union-attr]
    with pytest.raises(DiskFullError, match="Free some space"), store.write() as writer:
        writer.add_job(new_job(1, steps=20_000))
    assert store.unfinished() == []
    database._writer.exec_driver_sql("PRAGMA max_page_count=1000000")  # type: ignore[union-attr]
    with store.write() as writer:
        writer.add_job(new_job(1, steps=20_000))
    assert len(store.unfinished()) == 1
    store.close()


@needs_postgres
def test_a_store_in_postgres_is_one_services(database: str) -> None:
    first = Store(database=opened(database))
    with pytest.raises(StoreUnusableError, match="another service has the job store"):
        Store(database=PostgresDatabase(url=database, password=postgres.PASSWORD, lock_seconds_max=0.5))
    with pytest.raises(InvalidRequestError, match="zero bytes"):
        first.by_request(request_id="a\0b")
    first.close()
    Store(database=opened(database)).close()


@needs_postgres
def test_what_postgres_refuses_is_said_without_the_password(server: postgres.Server) -> None:
    secret = "a-wrong-password"
    for url in (server.url, f"postgresql://nobody:{secret}@127.0.0.1:{server.port}/overscan"):
        with pytest.raises(OverscanError) as refused:
            Store(database=PostgresDatabase(url=url, password="" if secret in url else secret))
        assert "database_url" in str(refused.value)
        assert secret not in str(refused.value)
    with pytest.raises(StoreUnusableError) as refused:
        PostgresDatabase(url=f"mysql://me:{secret}@host/x")
    assert secret not in str(refused.value)


@needs_postgres
@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_up(server: postgres.Server, database: str, arrives: bool) -> None:
    with postgres.Cutter(port=server.port) as cutter:
        url = database.replace(str(server.port), str(cutter.port)) + "?sslmode=disable"
        store = Store(database=opened(url))
        with store.write() as writer:
            writer.add_job(new_job(1))
        cutter.cut_at_commit(forward=arrives)
        if arrives:
            with store.write() as writer:
                writer.add_job(new_job(2))
        else:
            with pytest.raises(StoreUnavailableError), store.write() as writer:
                writer.add_job(new_job(2))
        assert cutter.cuts == 1
        assert [row.id for row in store.unfinished()] == [f"{number:032x}" for number in ((1, 2) if arrives else (1,))]
        with store.write() as writer:
            writer.add_job(new_job(3))
        store.close()


@needs_postgres
def test_a_service_with_postgres_goes_on_when_its_server_was_restarted(
    start: Callable[..., Service],
    make_spec: Callable[..., JobSpec],
    ledger: Path,
    server: postgres.Server,
    database: str,
) -> None:
    service = start(OVERSCAN_DATABASE_URL=database, OVERSCAN_DATABASE_PASSWORD=postgres.PASSWORD)
    job = service.create(make_spec(last=1005, seconds=0.2))
    wait_for(lambda: len(rendered(ledger)) >= 2)
    server.stop()
    with pytest.raises(grpc.RpcError) as refused:
        service.get(job.id)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "STORE_UNAVAILABLE" in str(refused.value.trailing_metadata())
    time.sleep(1.0)
    server.start()
    assert service.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED
    assert sorted(rendered(ledger)) == list(range(FIRST, 1006)), "no frame was done twice"
    service.stop(signal.SIGKILL)
    again = start(home=service.home, OVERSCAN_DATABASE_URL=database, OVERSCAN_DATABASE_PASSWORD=postgres.PASSWORD)
    done = again.get(job.id)
    assert {frame.state for frame in done.frames} == {FrameState.FRAME_STATE_VERIFIED}
    numbers = [answer.event.number for answer in again.watch(job.id)]
    assert numbers == sorted(set(numbers))
    assert not (service.home / "jobs.sqlite").exists()
    assert again.stop() == 0
    for path in service.home.rglob("*"):
        assert not path.is_file() or postgres.PASSWORD.encode() not in path.read_bytes(), path
