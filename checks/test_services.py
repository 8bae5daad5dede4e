"""Services as systemd has loaded them: where each comes from, and how much it may do."""

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
# Of the units that are loaded or installed. What is a template has no exposure of its own, and what failed before its
# file went has none any more.
EXPOSURE = (
    "units=$({ systemctl list-units --all --plain --no-legend --no-pager --type=service 'hedgerow-*' nginx.service"
    " 'postgresql@*' valkey-server.service | awk '$2 == \"loaded\"';"
    " systemctl list-unit-files --no-legend --no-pager --type=service 'hedgerow-*'; }"
    " | awk '{print $1}' | grep -v '@.service$' | sort -u);"
    " systemctl show -p Id,LoadState $units;"
    " LC_ALL=C.UTF-8 systemd-analyze security --no-pager $units | grep 'Overall exposure level'"
)
LEVEL = re.compile(r"for (\S+): ([0-9.]+)")
LOADED = re.compile(r"^Id=(\S+)\nLoadState=loaded$", re.MULTILINE)

# What is enabled, and what systemd has in memory; then which of their files a package owns. Some packages were made
# before the merge of /usr, and know theirs by the old name.
STARTING = (
    "kinds=service,socket,timer,path;"
    " units=$({ systemctl list-units --all --plain --no-legend --no-pager --type=$kinds;"
    " systemctl list-unit-files --plain --no-legend --no-pager --type=$kinds"
    " --state=enabled,enabled-runtime,linked,linked-runtime,generated; } | awk '$1 !~ /@\\./ {print $1}' | sort -u);"
    " told=$(systemctl show -p Id,LoadState,FragmentPath,SourcePath $units); printf '%s\\n\\n====\\n' \"$told\";"
    " sed -n 's/^[A-Za-z]*Path=//p' <<<\"$told\" | sed -n '/./{p;s#^/usr/lib/#/lib/#p}' | sort -u"
    " | xargs dpkg-query --search 2>/dev/null | sed 's/^.*: //'; true"
)
OLD_SCRIPTS = "/etc/init.d/"
SNAP_DAEMON = "/usr/lib/systemd/system/snapd.service"

ASK_AHEAD = (EXPOSURE, STARTING)


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
    said = finding.ask(host, EXPOSURE, timeout=60).stdout
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


def lasting(told):
    """Return the units that are there, each with the file that it comes from at every start.

    What lies below /run is made anew each time; of that only the old scripts of init.d are nobody's own tables.
    """
    found = {}
    for block in told.split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        file, source = said.get("FragmentPath", ""), said.get("SourcePath", "")
        if file.startswith("/run/"):
            file = source if source.startswith(OLD_SCRIPTS) else ""
        if file and said["LoadState"] == "loaded":
            found[said["Id"]] = file
    return found


@pytest.mark.control("services.no-strangers")
def test_what_starts_with_the_host_is_known(host, finding, declared):
    """A unit of our own name passes here: services.confined fails for one that it knows no bound for."""
    finding.expect("each unit comes from a package, is ours, or stands in own_units of deploy.yml")
    told, _, packaged = finding.ask(host, STARTING, timeout=60).stdout.partition("====\n")
    units = lasting(told)
    owned = {f"/usr{file}" if file.startswith("/lib/") else file for file in packaged.split()}
    if not units or not owned:
        raise CouldNotAsk("systemd or dpkg names nothing at all")
    # snapd writes the units of what it installs, and has checked whose that is.
    known = ("hedgerow-", "snap.") if SNAP_DAEMON in owned else ("hedgerow-",)
    strange = [
        f"{name} ({file})"
        for name, file in sorted(units.items())
        if file not in owned and name not in declared.own_units and not name.startswith(known)
    ]
    finding.observe(f"{len(units)} units, strange: {', '.join(strange) or 'none'}")
    assert not strange, f"nobody knows {', '.join(strange)}"
