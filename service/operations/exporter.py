"""Serves metrics to Prometheus over HTTP, where the settings ask for it.

The library is imported only then: an idle service without metrics does not carry it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from overscan.service._errors import AddressError
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.security.address import is_loopback, split_address

if TYPE_CHECKING:
    from overscan.service.operations.prometheus import Exporter
    from overscan.service.operations.readiness import Readiness
    from overscan.service.store.store import Store
    from overscan.service.workers.slots import Slot


def start_exporter(settings: Settings, *, store: Store, slots: Sequence[Slot], readiness: Readiness) -> Exporter | None:
    """Begin to serve metrics; None where nobody asked. Raises `AddressError`."""
    if not settings.metrics_listen:
        return None
    host, port = metrics_place(settings=settings)
    from overscan.service.operations.prometheus import Exporter

    exporter = Exporter(settings=settings, store=store, slots=slots, readiness=readiness)
    try:
        exporter.serve(host=host, port=port)
    except OSError as error:
        raise AddressError(
            f"metrics cannot be served at {settings.metrics_listen}: {error.strerror or error}.",
            next_step="Give another metrics_listen, or leave it empty.",
            actual=settings.metrics_listen,
        ) from None
    metrics.turn_on(exporter)
    return exporter


def metrics_place(*, settings: Settings) -> tuple[str, int]:
    """Host and port to listen at; raises `AddressError`."""
    host, port = split_address(settings.metrics_listen, setting="metrics", example="HOST:PORT, e.g. 127.0.0.1:9464")
    if not (settings.metrics_public or is_loopback(host)):
        raise AddressError(
            f"metrics are not served on '{host}': other machines could read them, without a token.",
            next_step="Use 127.0.0.1, or set metrics_public to true where the network is yours alone.",
            expected="loopback",
            actual=host,
        )
    return ("127.0.0.1" if host == "localhost" else host), port
