"""What a service must not be started with, however well each of its settings reads by itself.

One check for `overscan serve` and for `overscan config check`; it changes nothing, and asks nobody but this machine.
What only shows at the start, e.g. an address that is taken or a database that is away, is not looked at.
"""

from __future__ import annotations

import os

from overscan.core.errors import OverscanError
from overscan.service._errors import SettingsError
from overscan.service._settings import Settings
from overscan.service.operations.exporter import metrics_place
from overscan.service.security.address import check_address
from overscan.service.security.users import read_users
from overscan.service.workers.devices import render_devices


def start_refusals(*, settings: Settings) -> tuple[OverscanError, ...]:
    """Everything that a service with these settings is not started for."""
    found: dict[str, OverscanError] = {}
    for check in (
        _check_home,
        _check_roots,
        _check_address,
        _check_users,
        _check_metrics,
        _check_devices,
        _check_store,
    ):
        try:
            check(settings)
        except OverscanError as error:
            found.setdefault(str(error), error)
    return tuple(found.values())


def words(error: OverscanError) -> str:
    """What is wrong, without what to do about it."""
    return str(error).removesuffix(f" {error.record.next_step}")


def _check_home(settings: Settings) -> None:
    home = settings.home
    there = next(folder for folder in (home, *home.parents) if os.access(folder, os.F_OK))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise SettingsError(problems=(f"the home {home} cannot be used: {there} {what}.",))


def _check_roots(settings: Settings) -> None:
    home = settings.home.resolve()
    for name in ("roots_read", "roots_write"):
        for root in getattr(settings, name):
            if root == home or root in home.parents:
                raise SettingsError(
                    problems=(
                        f"{name}: {root} has the home, {home}, in it: jobs could reach its keys, users and audit log.",
                    )
                )


def _check_address(settings: Settings) -> None:
    check_address(settings=settings)


def _check_users(settings: Settings) -> None:
    read_users(settings.users)


def _check_metrics(settings: Settings) -> None:
    if settings.metrics_listen:
        metrics_place(settings=settings)


def _check_devices(settings: Settings) -> None:
    if settings.devices.strip().lower() != "auto":  # which takes what there is
        render_devices(settings.devices)


def _check_store(settings: Settings) -> None:
    if settings.database_url:
        from overscan.service.store.postgres import PostgresDatabase  # slow to import

        PostgresDatabase(url=settings.database_url, password=settings.database_password)
