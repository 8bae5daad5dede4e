"""`python3 -m stand_in SERVICE`, by upstream's name; with `health` before it, the health command."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from stand_in import health


def main(words: list[str]) -> int:
    """Run one command until SIGTERM; return its exit code."""
    match words:
        case ["health", service] if service in health.SERVICES:
            return health.ask(service, os.environ)
        case [service] if service in health.SERVICES:
            return _serve(service)
    print(f"{__doc__}\nServices: {', '.join(health.SERVICES)}", file=sys.stderr)
    return 2


def _serve(service: str) -> int:
    # Only now: the health command, which runs every few seconds, must not pay for what a service imports.
    settings = import_module("stand_in.settings")
    optional = import_module("stand_in.optional_settings")
    try:
        read = settings.read_settings if service in settings.NEEDS else optional.read_optional
        import_module(f"stand_in.{service.replace('-', '_')}").run(read(service, os.environ))
    except settings.SettingsError as error:
        print(f"stand-in: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
