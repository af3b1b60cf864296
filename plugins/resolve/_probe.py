"""``python -m overscan_resolve._probe``: loads Resolve's library, asks what it is, and says so in one line of JSON.

In a process of its own, because loading it can end the process that does it.
"""

from __future__ import annotations

import json
import sys

from overscan_host import BridgeError
from overscan_resolve._asking import text
from overscan_resolve._connect import connect


def main() -> int:
    """The exit code: 0 where a Resolve answers."""
    try:
        resolve = connect()
    except BridgeError as error:
        problem = error.problems[0]
        said = {"code": problem.code, "message": problem.message, "next_step": problem.next_step, "path": problem.path}
    else:
        said = {"product": text(resolve, "GetProductName"), "version": text(resolve, "GetVersionString")}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0 if "product" in said else 1


if __name__ == "__main__":
    sys.exit(main())
