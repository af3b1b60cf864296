"""Checks any running service against the wire contract: ``python -m overscan.service.conformance --address …``.

A client of `overscan.v1` and nothing else of the service: whoever writes a service of their own, or puts a proxy in
front of this one, runs it to see whether front ends will get on with it. It makes its own small plate, and takes away
again what it has made, where the caller may. What takes a higher role than the caller's is skipped; what their role
must be refused is checked.
"""

from overscan.service.conformance._check import Check, Outcome, Result, all_checks, run
from overscan.service.conformance._connect import Way
from overscan.service.conformance._target import Target

__all__ = ["Check", "Outcome", "Result", "Target", "Way", "all_checks", "run"]
