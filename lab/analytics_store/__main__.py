"""`python3 -m analytics_store serve`, and `health` for the container's health command."""

from __future__ import annotations

import sys
from importlib import import_module

from analytics_store.config import ConfigError, read_config
from analytics_store.health import ask


def main(words: list[str]) -> int:
    """Run one command until SIGTERM; return its exit code."""
    if words not in (["serve"], ["health"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        config = read_config()
    except ConfigError as error:
        print(f"analytics-store: {error}", file=sys.stderr)
        return 1
    if words == ["health"]:
        return ask(config)
    import_module("analytics_store.server").run(config)  # only now: the engine takes a quarter of a second
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
