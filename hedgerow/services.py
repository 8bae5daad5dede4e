"""A release's table of services (services.yml), read: text in, a whole valid table or every problem of it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from hedgerow import releases
from hedgerow.errors import CallError
from hedgerow.service_rows import Table
from hedgerow.service_rules import problems

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: the same values six times as fast, in each call of the installer."""

NO_SERVICES = Table({}, {}, {}, {}, (), (), "")
"""Where PostHog itself is not deployed."""


def load_table(release: str | None = None, folder: Path | None = None) -> Table:
    """Read and check a release's table, by default the newest's. Raises CallError with every problem at once."""
    path = releases.find(release, folder).table
    return parse_table(path.read_text(encoding="utf-8"), f"{path.parent.name}/{path.name}")


def parse_table(text: str, name: str = "services.yml") -> Table:
    """Return the table a text says. Raises CallError with every problem at once."""
    try:
        table = TypeAdapter(Table).validate_python(yaml.load(text, Loader=LOADER))  # noqa: S506 (both loaders are safe)
    except yaml.YAMLError as wrong:
        raise CallError(f"{name}: {wrong}", "Mend the YAML.") from wrong
    except ValidationError as wrong:
        found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong.errors()]
        raise _refused(name, found) from wrong
    found = list(problems(table))
    if found:
        raise _refused(name, found)
    return table


def _refused(name: str, found: Sequence[str]) -> CallError:
    return CallError("\n".join(f"{name}: {problem}" for problem in found), "Mend these rows of the table.")
