"""How long a report takes, and how large it is: every control on many hosts, no two hosts answering alike.

    python -m bench.report [--hosts N] [--write FILE]

Needs no lab. The findings are made up from the catalog; an observation has about the length of a real one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from hedgerow import __version__, drift
from hedgerow.catalog import load_catalog
from hedgerow.evidence import Accepted, Evidence, Past, html, json_, junit
from hedgerow.findings import Finding, summary
from hedgerow.network import Network, Node, Way
from hedgerow.services import load_table

STARTED, BEFORE = "2026-03-31T10:00:00Z", "2026-03-30T10:00:00Z"
RARE = {7: "fail", 11: "error", 13: "waived", 17: "not-exercised", 19: "attested"}
"""Every so many findings, one of these; all others pass."""
DOCUMENTS = {"html": html, "json": json_, "junit": junit}


def made_up(hosts: int, shift: int = 0, started: str = STARTED) -> tuple[Finding, ...]:
    """Return every control on every host; `shift` moves the few that do not pass."""
    rows = []
    for number, control in enumerate(load_catalog().controls):
        for host in range(hosts):
            place = number * 31 + host * 97 + shift
            status = next((name for each, name in RARE.items() if place % (each * 41) == 0), "pass")
            rows.append(
                Finding(
                    control.id,
                    control.hipaa,
                    f"analytics-{host + 1}",
                    status,
                    asked=f"sshd -T | grep -i {control.id}; ss -Htlpn 'sport = :{number}'",
                    observed=f"analytics-{host + 1}: {control.promise} Seen {number} of {number} settings as declared.",
                    expected=control.promise,
                    reason="" if status == "pass" else f"{status}, because {control.promise[:60]} did not show",
                    seconds=0.021,
                    at=started,
                )
            )
    return tuple(rows)


def evidence(hosts: int) -> Evidence:
    """Return a run of many hosts with everything a report can have beside findings."""
    before, now = made_up(hosts, 1, BEFORE), made_up(hosts)
    days = [f"2026-03-{day:02}T10:00:00Z" for day in range(2, 31)]
    return Evidence(
        "acme",
        "analytics.acme.example",
        "onprem",
        False,
        STARTED,
        61.5,
        __version__,
        "jane@desk",
        tuple((f"analytics-{number + 1}", f"192.0.2.{number + 1}", ("edge", "app", "data")) for number in range(hosts)),
        drift.lasting(before, BEFORE, now, STARTED),
        load_catalog(),
        waivers=(Accepted("ssh.idle-sessions-end", "Night shift", "Jane Doe", "2026-04-12"),),
        drift=drift.compare(before, now, BEFORE),
        past=tuple(Past(day, summary(made_up(1, number * 7))) for number, day in enumerate(days)),
        network=made_up_network(hosts),
    )


def made_up_network(hosts: int) -> Network:
    """Return a map on which every service uses every store, whose ports are all that a control or none asks."""
    services = [row.name for row in load_table().services if row.tier == "app"]
    stores = {"postgres": 5432, "valkey-server": 6379, "kafka": 9092, "clickhouse": 8443, "sshd": 22, "unknown": 4711}
    nodes, ways = [Node("outside", "", "outside")], []
    for number in range(hosts):
        place = f"analytics-{number + 1}"
        kinds = {"sshd": "host", "unknown": "host"}
        nodes += [Node(f"nginx on {place}", place, "edge", (443,))]
        nodes += [Node(f"{name} on {place}", place, kinds.get(name, "data"), (port,)) for name, port in stores.items()]
        ways += [Way("outside", f"nginx on {place}", 443, "tcp", 40 + number)]
    nodes += [Node(name, "analytics-1", "app", (18010,)) for name in services]
    ways += [
        Way(client, f"{name} on analytics-1", port, "tcp", 3) for client in services for name, port in stores.items()
    ]
    return Network(tuple(sorted(nodes)), tuple(sorted(ways)), ("analytics-0",))


def compare(hosts: int, runs: int) -> dict[str, dict[str, float | int]]:
    """Return seconds and bytes of each document."""
    run = evidence(hosts)
    return {
        f"report as {name}, {hosts} hosts x all controls": _timed(module, run, runs)
        for name, module in DOCUMENTS.items()
    }


def _timed(module: object, run: Evidence, runs: int) -> dict[str, float | int]:
    seconds, size = [], 0
    for _ in range(runs):
        started = time.perf_counter()
        size = len(module.render(run).encode())  # type: ignore[attr-defined]
        seconds.append(time.perf_counter() - started)
    middle = round(statistics.median(seconds), 3)
    return {"min": round(min(seconds), 3), "median": middle, "max": round(max(seconds), 3), "bytes": size, "runs": runs}


def main() -> None:
    """Measure, or write one HTML report to look at."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", type=int, default=20)
    options.add_argument("--write", type=Path)
    given = options.parse_args()
    if given.write:
        given.write.write_text(html.render(evidence(given.hosts)), encoding="utf-8")
    else:
        print(json.dumps(compare(given.hosts, 5), indent=1))


if __name__ == "__main__":
    main()
