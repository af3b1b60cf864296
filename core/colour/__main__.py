"""List the colour spaces of the active OpenColorIO configuration: ``python -m overscan.core.colour [CONFIG]``."""

from __future__ import annotations

import argparse
import sys

from overscan.core.colour._config import load_config
from overscan.core.errors import OverscanError


def main() -> int:
    """Print one line per colour space: its name, then its aliases."""
    parser = argparse.ArgumentParser(prog="python -m overscan.core.colour", description=__doc__)
    parser.add_argument("config", nargs="?", default="", help="configuration file; default: $OCIO, else built in")
    try:
        config = load_config(path=parser.parse_args().config)
    except OverscanError as error:
        print(error, file=sys.stderr)
        return 1
    for space in config.handle.getColorSpaces():
        aliases = ", ".join(space.getAliases())
        print(f"{space.getName()}  ({aliases})" if aliases else space.getName())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
