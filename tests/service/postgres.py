"""Starts real PostgreSQL servers for tests, from Debian's package."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

INSTALL = "apt-get install postgresql-15 postgresql-client-15"
PASSWORD = "hunter2-of-the-store"
_STARTED_SECONDS_MAX = 30.0


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where there are none, or no psycopg."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return None
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@dataclass
class Server:
    """A server with one database, `overscan`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the database is, without the password."""
        return f"postgresql://overscan@127.0.0.1:{self.port}/overscan"

    def start(self) -> None:
        """Start the server, and wait until it lets clients in."""
        tools = programs()
        assert tools is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(tools / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder),
                 "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"],
                stdout=log, stderr=log, cwd=self.folder, **_as_somebody(),
            )  # fmt: skip
        end = time.monotonic() + _STARTED_SECONDS_MAX
        while self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the server: by SIGINT it cuts its clients off."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
            self.process = None

    def sql(self, text: str, database: str = "overscan") -> str:
        """Run statements; returns the rows."""
        done = self._run(
            "psql", "-h", str(self.folder), "-p", str(self.port), "-U", "overscan", "-d", database, "-At", "-c", text
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def _run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        tools = programs()
        assert tools is not None
        return subprocess.run(
            [str(tools / name), *arguments], capture_output=True, check=False, cwd=self.folder, **_as_somebody()
        )


class Cutter:
    """Stands between a client and a server, and cuts the connection at the next COMMIT, once it is told to."""

    def __init__(self, *, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._forward: bool | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def cut_at_commit(self, *, forward: bool) -> None:
        """Cut at the next COMMIT: behind it, so that it is done, or before it."""
        self._forward = forward

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if asking and self._forward is not None and b"COMMIT" in data:
                    forward, self._forward = self._forward, None
                    self.cuts += 1
                    source.shutdown(socket.SHUT_RDWR)  # no answer can come through any more
                    if forward:
                        target.sendall(data)
                        time.sleep(0.2)
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def make_server() -> Server:
    """A new server, stopped; its folder is the caller's to remove with `remove`."""
    tools = programs()
    assert tools is not None
    folder = Path(tempfile.mkdtemp(prefix="overscan-pg-", dir="/tmp"))  # the socket's path must be short
    if os.geteuid() == 0:
        somebody = _somebody()
        os.chown(folder, somebody.pw_uid, somebody.pw_gid)
    password = folder / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o644)
    subprocess.run(
        [str(tools / "initdb"), "-D", str(folder / "data"), "-U", "overscan", "-N", "-E", "UTF8", "--locale=C",
         "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"],
        check=True, capture_output=True, cwd=folder, **_as_somebody(),
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(folder=folder, port=port)
    server.start()
    server.sql("CREATE DATABASE overscan", database="postgres")
    return server


def remove(server: Server) -> None:
    """Stop a server and remove its folder."""
    server.stop()
    shutil.rmtree(server.folder)


def _somebody() -> pwd.struct_passwd:
    """Whom the server runs as where the tests are root's: PostgreSQL refuses root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user to run PostgreSQL as")


def _as_somebody() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    somebody = _somebody()
    return {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}
