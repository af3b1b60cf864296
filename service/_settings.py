"""What the service can be told, and where it keeps things. `operations.config` knows where the values come from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from overscan.core.orders import KeySource
from overscan.service.paths.path_map import PathMapping


def default_home() -> Path:
    """Where a user's jobs live unless said otherwise."""
    return Path(platformdirs.user_data_dir("overscan", appauthor=False))


class Settings(BaseSettings):
    """Settings of one service.

    The string below a field is what `overscan config show` says about it. A field whose value is nobody's business has
    ``json_schema_extra={"secret": True}``, and may be given as the name of a file that holds it, too.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, and nothing else: `configure` reads variables, and says of each where it is from."""
        return (init_settings,)

    home: Path = Field(default_factory=default_home)
    """Folder of the job store, work folders, cache and logs."""
    listen: str = ""
    """``unix:PATH`` or ``HOST:PORT``; empty for the home's own Unix socket (loopback with a token on Windows).

    Not called ``address``: ``OVERSCAN_ADDRESS`` tells clients where to call, and may name another machine.
    """
    policy_root: Path | None = None
    """Folder of the policies; None for ``policies`` in the home."""
    idle_exit_seconds: float | None = Field(default=None, gt=0)
    """End when nothing was queued, running or calling for so long; None never."""
    workers: int | None = Field(default=None, ge=1, le=64)
    """Render workers at once; None for one per device."""
    devices: str = "auto"
    """``auto`` for every CUDA device, and the CPU (or what else there is) where there is none; ``cpu``; or CUDA devices
    by number or UUID, with commas between. Workers share them where there are more workers."""
    model_memory: int | None = Field(default=None, ge=0)
    """Bytes that a worker may keep models in between jobs; None leaves it to the device's own memory."""
    plan_seconds_max: float = Field(default=300.0, gt=0)
    """Longest that planning a job may take."""
    planners: int = Field(default=3, ge=1, le=16)
    """Workers that plan at once, at most. A second is started where somebody waits while the first has had a job for
    longer than 2 s, and no caller has all of them: one job on a share that hangs keeps nobody from planning another."""
    worker_idle_seconds_max: float = Field(default=120.0, gt=0)
    """A render worker without work gives its memory back after so long."""
    cache_bytes_max: int = Field(default=50_000_000_000, ge=0)
    """Size above which the files of the cache that were not used for longest are removed."""
    stop_seconds_max: float = Field(default=1.2, gt=0, le=60)
    """A step that was asked to stop has so long before its worker is killed."""
    heartbeat_seconds_max: float = Field(default=60.0, gt=0)
    """A worker that is silent for so long, and does not compute, is taken to be frozen: it is killed, and its step done
    again."""
    stuck_seconds_max: float = Field(default=900.0, gt=0)
    """The same for one that is alive, but has neither reported anything nor computed for so long, e.g. because a read
    from a share never returns."""
    retries_max: int = Field(default=8, ge=0)
    """How often a step that met a full disk or a lost share is tried again before its job fails."""
    retry_seconds: float = Field(default=120.0, ge=0)
    """How long it waits for that, all in all: 1 s before the first new try, then twice as long each time, to 30 s."""

    running_jobs_max: int | None = Field(default=None, ge=1)
    """Jobs that may be begun and not ended at once; None for any number. Paused ones do not count."""
    running_jobs_per_user_max: int | None = Field(default=None, ge=1)
    """The same for each user; where the service knows one only, for each artist that jobs are labelled with."""
    memory_bytes_max: int | None = Field(default=None, ge=0)
    """Bytes of memory that what runs may need together, by what was planned. None for what the machine (or its
    container) has, less a tenth, 1 GiB at least; 0 for no limit. A job that needs more than all of it runs alone."""
    fair_share_half_life_seconds: float = Field(default=3600.0, gt=0)
    """After so long, half of what an artist used of the workers is forgotten when it is decided whose turn it is."""

    log_level: str = "INFO"
    """Least of what is logged: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``."""
    log_format: Literal["text", "json"] = "text"
    """``text``, or ``json``: one object a line, for a collector of logs."""
    log_to: Literal["stderr", "file", "both"] = "stderr"
    """Where the log goes: ``stderr`` (the journal's, under systemd), ``file``: ``logs/service.log`` in the home, which
    is begun anew at 10 MB, with five kept; or ``both``."""
    metrics_listen: str = ""
    """``HOST:PORT`` at which Prometheus may fetch metrics over HTTP; empty for none. Loopback, unless
    `metrics_public`."""
    metrics_public: bool = False
    """Let `metrics_listen` be an address that other machines reach. Whoever reaches it can read the metrics, which
    name engines, and no job, file or user."""
    drain_seconds_max: float = Field(default=0.0, ge=0, le=86400)
    """When the service is told to end, steps that run may go on for so long before they are stopped; a stopped step
    is done again later."""
    inspector_idle_seconds_max: float = Field(default=20.0, gt=0)
    """The worker that plans gives its memory back after so long without a question; the next one starts it again."""
    home_bytes_min: int = Field(default=500_000_000, ge=0)
    """With less room than this on the home's disk, the service says that it is not ready."""

    signing_certificate: Path | None = None
    """A studio's certificate chain, PEM, that receipts are signed with; Overscan's own, self-made one without."""
    signing_key: Path | None = None
    """Its private key, PEM, without a password."""
    trust_anchors: Path | None = None
    """Certificates, PEM, whose signatures `overscan verify` takes for a studio's."""

    roots_read: tuple[Path, ...] = ()
    """Folders that plates and all other inputs must lie in, symlinks followed; none lets jobs read what the service's
    user can read. Required where other machines can call."""
    roots_write: tuple[Path, ...] = ()
    """Folders that results must land in; what may be written may be read. None, with none to read from either, lets
    jobs write wherever the service's user can."""
    users_file: Path | None = None
    """The file of users, which `overscan users` writes; None for ``users.json`` in the home. Without users, only the
    account that runs the service can call."""
    tls_certificate: Path | None = None
    """Certificate chain, PEM, that the service shows to callers from other machines."""
    tls_key: Path | None = None
    """Its private key, PEM, without a password, not readable by everybody."""
    tls_client_ca: Path | None = None
    """Authorities, PEM, one of which must have signed a caller's own certificate (mutual TLS); none asks for none."""
    socket_mode: str = "600"
    """Mode of the Unix socket, octal. With any other than 600, those who can open it need a token, too."""
    quota_jobs_per_user: int = Field(default=1000, ge=0)
    """Jobs of one user that have not ended; 0 for any number. Quotas are for users, not for who runs the service."""
    quota_frames_per_job: int = Field(default=100_000, ge=0)
    """Frames in one job of a user; 0 for any number."""
    quota_pixels_per_job: int = Field(default=2_000_000_000_000, ge=0)
    """Pixels in all frames of one job of a user, as they are to be; 0 for any number."""
    quota_upload_bytes_per_user: int = Field(default=1_000_000_000_000, ge=0)
    """Bytes that the uploads of one user may take; 0 for any number."""
    quota_streams_per_user: int = Field(default=16, ge=0)
    """Watchers and transfers that one user may have open; 0 for any number."""
    quota_calls_per_second: float = Field(default=200.0, ge=0)
    """Calls of one user per second, in the long run; 0 for any number."""
    pixels_max: int = Field(default=2**29, ge=1)
    """Pixels that one image may claim; a file that claims more is refused before anything is allocated for it."""
    inspector_memory_max: int = Field(default=0, ge=0)
    """Bytes of memory that a worker which plans or verifies may have; 0 for half of the machine's."""
    audit_bytes_max: int = Field(default=64_000_000, ge=100_000)
    """Size at which ``audit.log`` is put aside and begun anew; the old ones are never removed."""

    retention_days: float | None = Field(default=None, ge=0)
    """So many days after the end of a job, its work folder, what was said of its frames with the previews, and a result
    that the service keeps are removed, and logs, uploads and what is in the cache once they are as old. A policy's
    `retention_days` wins where it is less. None keeps work folders of jobs that can be retried for ever."""
    history_days: float | None = Field(default=None, gt=0)
    """So many days after its end a job is forgotten altogether, but for its receipt. None never forgets."""
    database_url: str = Field(default="", json_schema_extra={"secret": True})
    """``postgresql://USER@HOST:5432/DATABASE`` for the job store in PostgreSQL; empty for SQLite in the home."""
    database_password: str = Field(default="", json_schema_extra={"secret": True})
    """Its password, where neither ``PGPASSFILE`` nor the server's own rules say who the service is."""

    path_maps: tuple[PathMapping, ...] = ()
    """Folders as each system names them, e.g. ``{windows = "S:\\show", macos = "/Volumes/show", linux = "/mnt/show"}``:
    paths of clients on other systems are translated, and so is what they are told."""
    upload_days_max: float = Field(default=14.0, gt=0)
    """Uploads that nobody used for so many days are removed."""
    result_days_max: float = Field(default=30.0, gt=0)
    """Results that the service keeps are removed so many days after the end of their jobs."""

    @field_validator("roots_read", "roots_write")
    @classmethod
    def _real_folders(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(folder.expanduser().resolve() for folder in folders)

    @field_validator("socket_mode")
    @classmethod
    def _known_mode(cls, mode: str) -> str:
        if mode.lstrip("0") not in {"600", "660", "666"}:
            raise ValueError(f"'{mode}' is no mode for a socket; use 600, 660 or 666")
        return mode.lstrip("0")

    @field_validator(
        "home",
        "policy_root",
        "signing_certificate",
        "signing_key",
        "trust_anchors",
        "users_file",
        "tls_certificate",
        "tls_key",
        "tls_client_ca",
    )
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return None if folder is None else folder.expanduser().resolve()

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError(f"'{level}' is no log level; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return level.upper()

    @property
    def database(self) -> Path:
        """The job store."""
        return self.home / "jobs.sqlite"

    @property
    def jobs(self) -> Path:
        """Work folders, one per job, by its id."""
        return self.home / "jobs"

    @property
    def cache(self) -> Path:
        """Content-addressed results that jobs share."""
        return self.home / "cache"

    @property
    def logs(self) -> Path:
        """What workers say on stderr."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Locks that living workers hold."""
        return self.home / "run"

    @property
    def policies(self) -> Path:
        """Where policies, locks and the studio's rights cards are."""
        return self.policy_root or self.home / "policies"

    @property
    def uploads(self) -> Path:
        """Frames that clients without shared storage have brought."""
        return self.home / "uploads"

    @property
    def results(self) -> Path:
        """Results that the service keeps, by their jobs' ids."""
        return self.home / "results"

    @property
    def receipts(self) -> Path:
        """Receipts of all jobs, by their ids; kept for ever."""
        return self.home / "receipts"

    @property
    def key_source(self) -> KeySource:
        """Where signing keys come from."""
        return KeySource(
            folder=self.home / "keys",
            certificate=self.signing_certificate,
            private_key=self.signing_key,
            anchors=self.trust_anchors,
        )

    @property
    def users(self) -> Path:
        """The file of users."""
        return self.users_file or self.home / "users.json"

    @property
    def audit(self) -> Path:
        """Who ran what."""
        return self.home / "audit.log"

    @property
    def discovery(self) -> Path:
        """Where clients find the address."""
        return self.home / "service.json"

    @property
    def lock(self) -> Path:
        """Held by the one service of this home."""
        return self.home / "service.lock"

    def make_folders(self) -> None:
        """Make the home's folders, closed to other users."""
        for folder in (
            *(self.home, self.jobs, self.cache, self.logs, self.run, self.receipts),
            *(self.uploads, self.results),
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32" and self.home.stat().st_uid == os.getuid():
            self.home.chmod(0o700)  # one that was there may have been open
