"""``python -m overscan.service.conformance``: the checks as a command."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import grpc

from overscan.service.conformance._check import Outcome, Result, all_checks, an, describe, run
from overscan.service.conformance._connect import CannotConnectError, add_options, find_way
from overscan.service.conformance._target import Target

_CONNECT_SECONDS = 10.0


def main() -> int:
    """Check a service; returns 0 where all that could be checked is so, 1 where not, 2 where it cannot be asked."""
    options = _parser().parse_args()
    if options.list:
        for one in all_checks():
            print(f"{one.name:28} {one.rule}")
        return 0
    if not options.address:
        print("--address is missing; --list shows the checks.", file=sys.stderr)
        return 2
    unknown = [name for name in options.only if not any(one.name.startswith(name) for one in all_checks())]
    if unknown:
        print(f"no check begins with {', '.join(unknown)}; --list shows them.", file=sys.stderr)
        return 2
    try:
        way = find_way(options)
        with Target(way=way, shared=options.shared, intrusive=options.intrusive) as target:
            _reach(target, options.address)
            if not options.json:
                print(f"called as {target.user or 'whoever runs the service'}, {an(target.role)}", flush=True)
            counts = dict.fromkeys(Outcome, 0)
            for result in run(target=target, only=options.only):
                counts[result.outcome] += 1
                print(_line(result, as_json=options.json), flush=True)
    except CannotConnectError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.json:
        print(f"{counts[Outcome.OK]} ok, {counts[Outcome.FAILED]} failed, {counts[Outcome.SKIPPED]} skipped")
    if target.left:
        print(
            f"{target.left} of the suite's jobs stay, in the show {target.show}: only admins may purge.",
            file=sys.stderr,
        )
    return 1 if counts[Outcome.FAILED] else 0


def _reach(target: Target, address: str) -> None:
    """Raise `CannotConnectError` where nobody answers, or the caller is let in nowhere."""
    try:
        grpc.channel_ready_future(target.channel).result(timeout=_CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        raise CannotConnectError(
            f"no service answers at {address}, or one does not take the other's certificate (--tls-ca, "
            "--client-certificate)."
        ) from None
    try:
        target.meet()
    except grpc.RpcError as error:
        raise CannotConnectError(f"the service lets nobody in who calls so: {describe(error)}") from error


def _line(result: Result, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "name": result.name,
                "outcome": result.outcome.name.lower(),
                "detail": result.detail,
                "seconds": round(result.seconds, 3),
            }
        )
    detail = f"  {result.detail}" if result.detail else ""
    return f"{result.outcome.value:4} {result.name:28} {result.seconds:6.2f} s{detail}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m overscan.service.conformance",
        description="Check a running service against the wire contract. Its jobs, frames and uploads are the suite's "
        "own, small, under a show of their own, and taken away again.",
    )
    add_options(parser)
    parser.add_argument(
        "--shared",
        type=Path,
        help="a folder that both this command and the service can write; without one, all frames go over the wire",
    )
    parser.add_argument("--intrusive", action="store_true", help="make the checks that hold up others' work too")
    parser.add_argument("--only", action="append", default=[], help="a check, or the beginning of its name; repeatable")
    parser.add_argument("--list", action="store_true", help="list the checks, and make none")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
