"""Problems that are found in Nuke itself, in the same form as those of the service (see `overscan_host`)."""

from __future__ import annotations

from overscan_host import RefusalError, StoppedError, refuse

__all__ = ["RefusalError", "StoppedError", "refuse"]
