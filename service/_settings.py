"""What the service can be told, by ``OVERSCAN_…`` variables and by flags, and where it keeps things."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from overscan.core.orders import KeySource


def default_home() -> Path:
    """Where a user's jobs live unless said otherwise."""
    return Path(platformdirs.user_data_dir("overscan", appauthor=False))


class Settings(BaseSettings):
    """Settings of one service. Flags win over variables."""

    model_config = SettingsConfigDict(env_prefix="OVERSCAN_", extra="ignore", frozen=True)

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
    log_level: str = "INFO"
    plan_seconds_max: float = Field(default=300.0, gt=0)
    """Longest that planning a job may take."""
    worker_idle_seconds_max: float = Field(default=120.0, gt=0)
    """A render worker without work gives its memory back after so long."""
    cache_bytes_max: int = Field(default=50_000_000_000, ge=0)
    """Size above which the files of the cache that were not used for longest are removed."""
    stop_seconds_max: float = Field(default=1.2, gt=0, le=60)
    """A step that was asked to stop has so long before its worker is killed."""

    signing_certificate: Path | None = None
    """A studio's certificate chain, PEM, that receipts are signed with; Overscan's own, self-made one without."""
    signing_key: Path | None = None
    """Its private key, PEM, without a password."""
    trust_anchors: Path | None = None
    """Certificates, PEM, whose signatures `overscan verify` takes for a studio's."""

    @field_validator("home", "policy_root", "signing_certificate", "signing_key", "trust_anchors")
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
    def discovery(self) -> Path:
        """Where clients find the address."""
        return self.home / "service.json"

    @property
    def lock(self) -> Path:
        """Held by the one service of this home."""
        return self.home / "service.lock"

    def make_folders(self) -> None:
        """Make the home's folders, closed to other users."""
        for folder in (self.home, self.jobs, self.cache, self.logs, self.run, self.receipts):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
