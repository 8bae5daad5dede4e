"""`python3 -m stand_in SERVICE`, by upstream's name; with `health` before it, the health command."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from stand_in import health, optional_health, optional_settings
from stand_in.optional_settings import read_optional
from stand_in.settings import NEEDS, SettingsError, read_settings

SERVICES = (*NEEDS, *optional_settings.NEEDS)


def main(words: list[str]) -> int:
    """Run one command until SIGTERM; return its exit code."""
    match words:
        case ["health", service] if service in SERVICES:
            return (health if service in NEEDS else optional_health).ask(service, os.environ)
        case [service] if service in SERVICES:
            try:
                settings = (read_settings if service in NEEDS else read_optional)(service, os.environ)
            except SettingsError as error:
                print(f"stand-in: {error}", file=sys.stderr)
                return 1
            # Only now: the health command, which runs every few seconds, must not pay for a web server's imports.
            try:
                import_module(f"stand_in.{service.replace('-', '_')}").run(settings)
            except SettingsError as error:
                print(f"stand-in: {error}", file=sys.stderr)
                return 1
            return 0
    print(f"{__doc__}\nServices: {', '.join(SERVICES)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
