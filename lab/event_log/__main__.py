"""`python3 -m event_log serve`, and `health` for the container's health command."""

from __future__ import annotations

import sys
from importlib import import_module

from event_log.config import ConfigError, read_config
from event_log.health import ask


def main(words: list[str]) -> int:
    """Run one command until SIGTERM; return its exit code."""
    if words not in (["serve"], ["health"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        config = read_config()
    except ConfigError as error:
        print(f"event-log: {error}", file=sys.stderr)
        return 1
    if words == ["health"]:
        return ask(config)
    import_module("event_log.server").run(config)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
