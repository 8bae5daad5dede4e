"""Services as systemd has loaded them: how much each may do."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from hedgerow.checking import CouldNotAsk

BOUNDS = Path(__file__).parent / "exposure.yml"
# Of the units that are loaded or installed; what is a template has no exposure of its own.
EXPOSURE = (
    "units=$({ systemctl list-units --all --plain --no-legend --no-pager --type=service 'hedgerow-*' nginx.service"
    " 'postgresql@*' valkey-server.service; systemctl list-unit-files --no-legend --no-pager --type=service"
    " 'hedgerow-*'; } | awk '{print $1}' | grep -v '@.service$' | sort -u);"
    " systemctl show -p Id,LoadState $units;"
    " LC_ALL=C.UTF-8 systemd-analyze security --no-pager $units | grep 'Overall exposure level'"
)
LEVEL = re.compile(r"for (\S+): ([0-9.]+)")
LOADED = re.compile(r"^Id=(\S+)\nLoadState=loaded$", re.MULTILINE)

ASK_AHEAD = (EXPOSURE,)


@dataclass(frozen=True)
class Bound:
    """Up to which exposure a service may go; `units` is a glob, or "containers" for those of declared services."""

    units: str
    most: float
    why: str


def bounds() -> tuple[Bound, ...]:
    """Return every bound, in the order in which they count."""
    return tuple(Bound(**row) for row in yaml.safe_load(BOUNDS.read_text(encoding="utf-8")))


def bound_of(unit: str, services: Collection[str], every: Collection[Bound]) -> Bound | None:
    """Return the bound of a unit, None where none is stated for it."""
    container = unit in {f"hedgerow-{service}.service" for service in services}
    return next(
        (each for each in every if fnmatchcase(unit, each.units) or (each.units == "containers" and container)), None
    )


@pytest.mark.control("services.confined")
def test_services_may_do_no_more_than_they_need(host, finding, declared):
    """The measure goes by what systemd has loaded: a drop-in shows before the unit starts anew."""
    finding.expect("each service of ours, and each that we confine, below its bound in checks/exposure.yml")
    said = finding.ask(host, EXPOSURE, timeout=30).stdout
    levels = {unit: float(level) for unit, level in LEVEL.findall(said)}
    if not levels:
        raise CouldNotAsk("systemd-analyze tells of no service")
    if untold := sorted(set(LOADED.findall(said)) - set(levels)):
        raise CouldNotAsk(f"systemd-analyze says nothing of {', '.join(untold)}")
    every = bounds()
    found = {unit: (level, bound_of(unit, declared.services, every)) for unit, level in levels.items()}
    loose = [
        f"{unit} {level:g} (at most {bound.most:g})" if bound else f"{unit} (no bound is stated for it)"
        for unit, (level, bound) in sorted(found.items())
        if bound is None or level > bound.most
    ]
    finding.observe(f"{len(levels)} services; above their bound: {', '.join(loose) or 'none'}")
    assert not loose, f"may do too much: {', '.join(loose)}"
