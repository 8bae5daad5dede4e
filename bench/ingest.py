"""Measure: events per second and latency of ingestion, through the edge and straight to the service.

    python -m bench.ingest demo
    python -m bench.ingest demo --requests 600 --clients 4 --runs 3

Through the edge: from here, TLS to nginx by the deployment's name. Straight: plain HTTP from inside the container. The
difference is what TLS, nginx, the side-car and the way to the host cost. Once with one event a request, as browsers
send them, and once with fifty, as servers do. nginx takes 200 requests a second of one address and 800 at once
(edge_ingest_rate): the default of 600 stays below, with a pause in between, and what is refused is counted. The client
is Python and has its own limits, the same on both sides. Events stay in the project, called "hedgerow bench".
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hedgerow import flow, proof, ssh
from hedgerow.services import load_table
from hedgerow.smoke import steps

PROGRAM = Path(__file__).with_name("load.py").read_text(encoding="utf-8")
BATCHES = {"one event a request": 1, "fifty events a request": 50}
REQUESTS, CLIENTS = 600, 4
PAUSE = 5.0
"""Seconds in which nginx forgets a burst."""


@dataclass(frozen=True)
class Figures:
    """One way of one kind, over all runs. `refused` counts whatever was not answered with 200."""

    events_a_second: float
    p50: float
    p99: float
    refused: int


def measure(deployment: str, requests: int, clients: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Return the figures by kind and way: the median of the runs, after one run that does not count."""
    work = flow.open_work(deployment, judge_files=False)
    site = work.target.site()
    sheet = proof.smoke_sheet(work, site)
    trip = steps.journey(sheet, "bench")
    session, _ = steps.sign_in(trip, True)  # type: ignore[arg-type]  # the page it needs is only a precondition
    project, _ = steps.project(trip, session)
    steps.sign_out(trip, session)
    capture = load_table().service("capture")
    shared = {"token": project.token, "host": sheet.domain, "clients": clients}
    ca = sheet.ca_file.read_text(encoding="utf-8") if sheet.ca_file else ""
    # In the network of the container: whoever comes from elsewhere comes by the side-car, which is what is compared.
    app = next(host for host in site.hosts if "app" in host.roles)
    inside = ["sudo", "nsenter", f"--net=/run/hedgerow/netns/{capture.name}", "python3", "-"]
    on_host = [*ssh.command(app, work.deployment.known_hosts), "--", *inside]
    ways = {
        "through the edge": (
            [sys.executable, "-"],
            {**shared, "address": sheet.address, "port": sheet.port, "name": sheet.domain, "ca": ca},
        ),
        "straight to capture": (
            on_host,
            {**shared, "address": "127.0.0.1", "port": capture.port, "name": "", "ca": ""},
        ),
    }
    figures: dict[str, dict[str, Figures]] = {}
    for kind, batch in BATCHES.items():
        for way, (command, plan) in ways.items():
            wanted = {**plan, "batch": batch, "requests": requests if batch == 1 else requests // 6}
            run(command, {**wanted, "requests": clients})
            told = []
            for _ in range(runs):
                time.sleep(PAUSE)
                told.append(run(command, wanted))
            figures.setdefault(kind, {})[way] = judge(told, batch)
    return figures


def compare(deployment: str, runs: int) -> dict[str, dict[str, Any]]:
    """Return the figures flat, as `python -m bench` prints them."""
    found = measure(deployment, requests=REQUESTS, clients=CLIENTS, runs=runs)
    return {
        f"{kind}, {way}": {**asdict(one), "runs": runs} for kind, ways in found.items() for way, one in ways.items()
    }


def run(command: list[str], plan: Mapping[str, Any]) -> dict[str, Any]:
    """Send once. The plan goes by standard input: it holds the project's token."""
    program = f"{PROGRAM}\nsend(json.loads({json.dumps(json.dumps(plan))}))\n"
    done = subprocess.run(command, input=program, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"nothing was measured: {done.stderr.strip()[-400:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def judge(told: list[dict[str, Any]], batch: int) -> Figures:
    """Return the median of several runs. A run in which nothing was taken has no figures."""
    if not all(one["taken"] for one in told):
        raise SystemExit(f"nothing was measured: {[one['statuses'] for one in told]}")

    def middle(values: list[float]) -> float:
        return round(statistics.median(values), 1)

    return Figures(
        events_a_second=middle([len(one["taken"]) * batch / one["seconds"] for one in told]),
        p50=middle([share(one["taken"], 50) for one in told]),
        p99=middle([share(one["taken"], 99) for one in told]),
        refused=sum(sum(one["statuses"].values()) - len(one["taken"]) for one in told),
    )


def share(taken: list[float], percent: int) -> float:
    """Return the latency in milliseconds that `percent` of the requests stayed below; `taken` is sorted seconds."""
    return 1000 * taken[min(len(taken) - 1, len(taken) * percent // 100)]


def table(figures: Mapping[str, Mapping[str, Figures]]) -> str:
    """Write the figures for people."""
    lines = [f"{'':24}{'':22}{'events/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}"]
    for kind, ways in figures.items():
        for way, one in ways.items():
            lines.append(f"{kind:24}{way:22}{one.events_a_second:>10}{one.p50:>9}{one.p99:>9}{one.refused:>9}")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deployment")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(table(measure(given.deployment, given.requests, given.clients, given.runs)))


if __name__ == "__main__":
    main()
