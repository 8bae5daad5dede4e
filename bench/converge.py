"""Time the roles alone: the first converge of a fresh lab host and one that changes nothing, by managed item.

    python -m bench.converge [--whole] [--against PLAYBOOK [--roles FOLDER]] [--runs N]

The strictest profile, with a second factor for administrators and encrypted backups, which it demands.

Packages are fetched before the clock starts and installed while it runs. Without --whole the application stays away,
so that what hardens a host is timed, and what stores its data, and no image is built. --against runs another playbook
(a public hardening role set that you have installed, say) on a second fresh host of the same image, the same way: both
with tasks that travel as an install's do, or with ANSIBLE_STRATEGY=linear in Ansible's own way.

A managed item is what one call is asked to bring about: each turn of a loop, each entry of the lists and tables that a
module is given, or the call itself. Needs root. Prints one JSON object; seconds are wall time of the playbook's run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.calling import Bench
from hedgerow import flow, render, ssh
from hedgerow.console import Reporter
from hedgerow.converge import APART, environment
from hedgerow.deployment import Deployment
from hedgerow.hosts import Host
from hedgerow.packages import every_package

OURS, THEIRS = "t-bench-roles", "t-bench-others"
KEY = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8NAAAABHNzaDo="
)
"""The public half of a key in a FIDO2 token that nobody has."""
DECLARATION = """\
name: {name}
domain: analytics.acme.example
target: {{kind: lab}}
profile: hipaa-2025
posthog: {{deploy: {whole}}}
access:
  administrators: [{{name: jane, ssh_keys: ["{key}"]}}]
  second_factor: fido2
  ingest_from: [any]
backup: {{to: /srv/backup}}
"""
FETCH = "apt-get update -qq && apt-get install -y -qq --download-only {}"
SECONDS = 900.0


@dataclass
class Counter:
    """Counts what a playbook manages, from Ansible's events."""

    tasks: int = 0
    items: int = 0
    changed: int = 0
    failed: str = ""

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Take one event; never keep it as a file."""
        data = event.get("event_data", {})
        if event.get("event") == "runner_on_ok":
            self.tasks += 1
            self.items += items(data.get("res", {}))
            self.changed += bool(data.get("res", {}).get("changed"))
        elif event.get("event") in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            self.failed = f"{data.get('task')}: {data.get('res', {}).get('msg', 'no message')}"
        return False


def items(result: Mapping[str, Any]) -> int:
    """Return how many things one result is about. What is kept secret counts as one."""
    if isinstance(turns := result.get("results"), list) and turns and all(isinstance(turn, dict) for turn in turns):
        return sum(items(turn) for turn in turns if not turn.get("skipped"))
    arguments = result.get("invocation", {}).get("module_args", {})
    given = arguments.values() if isinstance(arguments, dict) else ()
    return max(1, sum(len(value) for value in given if isinstance(value, (list, dict))))


def played(folder: Path, playbook: str, arguments: str, **variables: str) -> tuple[float, Counter]:
    """Run a playbook to its end. Raises SystemExit where it fails: then there is nothing to measure."""
    from ansible_runner.interface import run  # noqa: PLC0415 - a quarter of a second to load

    counter = Counter()
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-run-") as private:
        started = time.monotonic()
        ended = run(
            private_data_dir=private,
            project_dir=str(folder),
            playbook=playbook,
            cmdline=arguments,
            envvars=variables,
            event_handler=counter,
            quiet=True,
            suppress_env_files=True,
        )
        seconds = time.monotonic() - started
        if ended.rc:
            raise SystemExit(f"{playbook} ended with {ended.rc}: nothing was measured\n{counter.failed}")
    return round(seconds, 2), counter


def figures(first: tuple[float, Counter], later: list[tuple[float, Counter]]) -> dict[str, object]:
    """Return the seconds of both, and what an item of each took, in milliseconds."""
    seconds, counted = first
    again = round(statistics.median(each for each, _ in later), 2)
    return {
        "first converge": {"seconds": seconds, "changed": counted.changed},
        "nothing to do": {"seconds": again, "changed": max(each.changed for _, each in later), "runs": len(later)},
        "tasks": later[-1][1].tasks,
        "items": later[-1][1].items,
        "milliseconds an item": {
            "first converge": round(1000 * seconds / max(1, counted.items), 1),
            "nothing to do": round(1000 * again / max(1, later[-1][1].items), 1),
        },
    }


def booted(folder: Path, name: str, whole: bool = False) -> tuple[flow.Work, Host]:
    """Return a fresh lab host that has fetched the packages of every role."""
    place = folder / f"{name}.yml"
    place.write_text(DECLARATION.format(name=name, key=KEY, whole=str(whole).lower()))
    work = flow.open_work(str(place))
    host = flow.provision(work, Reporter(quiet=True)).hosts[0]
    fetched = FETCH.format(" ".join(every_package("Debian")))
    answer = ssh.ask(host, Deployment(name).known_hosts, ["sudo", "sh", "-c", f"'{fetched}'"], seconds=SECONDS)
    if answer.returncode:
        raise SystemExit(f"the packages cannot be fetched: nothing was measured\n{answer.stderr}")
    return work, host


def ours(folder: Path, whole: bool, runs: int) -> dict[str, object]:
    """Time the playbook of a deployment of one fresh host."""
    work, _ = booted(folder, OURS, whole)
    quiet, site = Reporter(quiet=True), work.target.site()
    credentials, stack = flow.prepare(work, site, quiet)
    root = work.deployment.root
    render.write(root, flow.rendered(work, site, credentials, stack, key_file=work.deployment.key_file))
    arguments, settings = " ".join(APART), environment(root)
    first = played(root, "site.yml", arguments, **settings)
    return figures(first, [played(root, "site.yml", arguments, **settings) for _ in range(runs)])


def theirs(folder: Path, playbook: Path, roles: Path | None, runs: int) -> dict[str, object]:
    """Time another playbook, for `hosts: all`, on one fresh host, with Ansible's pipelining as ours has it."""
    _, host = booted(folder, THEIRS)
    known = Deployment(THEIRS).known_hosts
    place = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.identity_file),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
        "ansible_become": True,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory = folder / "others.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {host.name: place}}}))
    config = folder / "others.cfg"
    config.touch()
    settings = environment(folder) | {"ANSIBLE_CONFIG": str(config), "ANSIBLE_PIPELINING": "True"}
    if roles:
        settings["ANSIBLE_ROLES_PATH"] = str(roles)
    arguments = " ".join((f"--inventory {inventory}", *APART))
    first = played(playbook.parent, playbook.name, arguments, **settings)
    return figures(first, [played(playbook.parent, playbook.name, arguments, **settings) for _ in range(runs)])


def main() -> None:
    """Boot, measure, and remove every lab again, also after a failure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--whole", action="store_true")
    options.add_argument("--against", type=Path)
    options.add_argument("--roles", type=Path)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        bench = Bench(Path(folder))
        os.environ.update(bench.environment)
        try:
            found = {"Hedgerow's roles": ours(Path(folder), given.whole, given.runs)}
            if given.against:
                others = given.against.resolve()
                found[others.name] = theirs(Path(folder), others, given.roles, given.runs)
            json.dump(found, sys.stdout, indent=1)
            print()
        finally:
            for name in (OURS, THEIRS) if given.against else (OURS,):
                bench.call("destroy", name, "--yes")


if __name__ == "__main__":
    main()
