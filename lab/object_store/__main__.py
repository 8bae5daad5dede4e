"""`python3 -m object_store serve`, and `health` for the container's health command."""

from __future__ import annotations

import sys

from object_store.config import ConfigError, Places, read_identities
from object_store.server import ask, run


def main(words: list[str]) -> int:
    """Run one command until SIGTERM; return its exit code."""
    if words not in (["serve"], ["health"]):
        print(__doc__, file=sys.stderr)
        return 2
    places = Places()
    if words == ["health"]:
        return ask(places)
    try:
        run(places, read_identities(places.identities))
    except ConfigError as error:
        print(f"object-store: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
