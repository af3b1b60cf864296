"""``python -m overscan.cli`` is the `overscan` command."""

from overscan.cli import main

if __name__ == "__main__":
    main()
