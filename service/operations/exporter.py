"""Serves metrics to Prometheus over HTTP, where the settings ask for it.

The library is imported only then: an idle service without metrics does not carry it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from overscan.service._errors import AddressError
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.operations.readiness import Readiness
from overscan.service.store.store import Store
from overscan.service.workers.slots import Slot

if TYPE_CHECKING:
    from overscan.service.operations.prometheus import Exporter


def start_exporter(settings: Settings, *, store: Store, slots: Sequence[Slot], readiness: Readiness) -> Exporter | None:
    """Begin to serve metrics; None where nobody asked. Raises `AddressError`."""
    if not settings.metrics_listen:
        return None
    host, port = _place(settings)
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


def _place(settings: Settings) -> tuple[str, int]:
    """Host and port to listen at."""
    listen = settings.metrics_listen
    host, separator, port = listen.rpartition(":")
    host = host.strip("[]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise AddressError(
            f"'{listen}' is no address for metrics.",
            next_step="Write metrics_listen as HOST:PORT, e.g. 127.0.0.1:9464.",
            actual=listen,
        )
    if not (settings.metrics_public or _is_loopback(host)):
        raise AddressError(
            f"metrics are not served on '{host}': other machines could read them, without a token.",
            next_step="Use 127.0.0.1, or set metrics_public to true where the network is yours alone.",
            expected="loopback",
            actual=host,
        )
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
