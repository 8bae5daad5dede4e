"""What `destroy --wipe` ends on machines of one's own and what it leaves: the question to each host, and its answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgerow import ssh
from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Change, Host

PROGRAM = Path(__file__).with_name("wipe_on_host.py")
DAY = 24 * 3600.0
MARKER = "/etc/hedgerow/health/question.json"
"""By it a host says whose it is, once it was installed whole (roles/health)."""
FOLDERS = (
    "/var/lib/postgresql",
    "/var/lib/valkey",
    "/var/lib/containers",
    "/var/lib/nginx",
    "/var/lib/hedgerow",
    "/var/lib/hedgerow-acme",
    "/var/spool/pgbackrest",
    "/var/log/postgresql",
    "/var/log/valkey",
    "/var/log/nginx",
    "/etc/hedgerow",
    "/etc/pgbackrest",
    "/etc/postgresql",
    "/etc/containers/systemd",
)
"""Stores and containers with their volumes and secrets, what the application left in logs, keys, and what starts it.

Settings of PostgreSQL's cluster go with its data: by that the role knows that there is to be a new one.
"""
STORES = ("/etc/hedgerow", "/var/lib/postgresql", "/var/lib/valkey", "/var/lib/containers")
"""What has no file on a machine that was wiped, nor on one that holds nothing."""
ASKED = "that is all"
UNITS = ("nginx.service", "postgresql.service", "valkey-server.service")
KEPT = ("/etc/hedgerow/forwarding",)
KEPT_UNITS = (
    "hedgerow-guard.service",
    "hedgerow-shm.service",
    "hedgerow-var-tmp.service",
    "hedgerow-forwarding.service",
)
"""What protects the host and hands its record on: as long as the machine is up, both stay."""
LEFT = (
    Change(
        "keep", "software", "packages, accounts, firewall, SSH", "the machine stays yours, and as protected as it was"
    ),
    Change("keep", "records", "/var/log/journal, /var/log/audit", "the host's record (45 CFR 164.316(b)(2)(i))"),
)


@dataclass(frozen=True)
class Wiped:
    """What was done on one host, for the record; in `notes` what could not be. `whole`: nothing is left, or runs."""

    rows: tuple[Change, ...]
    notes: tuple[str, ...]
    whole: bool


def question(deployment: str, backups: str) -> dict[str, Any]:
    """Return what a host is asked; `backups` is where those of this deployment lie on it, "" for nowhere."""
    folders = [*FOLDERS, *([backups] if backups else [])]
    kept = {"kept": list(KEPT), "kept_units": list(KEPT_UNITS)}
    return {"deployment": deployment, "folders": folders, "units": list(UNITS), **kept}


def ask(host: Host, known_hosts: Path, deployment: str, backups: str) -> Wiped:
    """End the data of one host. Raises UnreachableError when it cannot be asked or does not get to its end, CallError
    when it is another deployment's."""
    words = ["sudo", "-n", "python3", "-", ssh.quoted([json.dumps(question(deployment, backups))])]
    answer = ssh.ask(host, known_hosts, words, stdin=PROGRAM.read_text(), seconds=DAY)
    if answer.returncode:
        raise UnreachableError(f"{host.name}: the wipe did not end: {answer.stderr.strip()[-300:]}")
    said = json.loads(answer.stdout)
    if "refused" in said:
        raise CallError(f"{host.name}: {said['refused']}", "Mend the address in deploy.yml.")
    return read(host.name, said)


def bears(host: Host, known_hosts: Path) -> str:
    """Return what a host holds that a wipe would end, "" where it is empty or wiped. Raises UnreachableError.

    Also what is nobody's of ours: a server's data that were there before. Silence is no answer.
    """
    kept = " ".join(f"! -path '{path}*'" for path in KEPT)
    line = f"cat {MARKER}; find {' '.join(STORES)} -type f {kept} -print -quit; echo {ASKED}"
    answer = ssh.ask(host, known_hosts, ["sudo", "-n", "sh", "-c", ssh.quoted([line])])
    said = answer.stdout.strip()
    if answer.returncode or not said.endswith(ASKED):
        raise UnreachableError(f"{host.name} did not say what it holds: {answer.stderr.strip()[-300:]}")
    said = said.removesuffix(ASKED).strip()
    found = re.search(r'"deployment": *"([^"]+)"', said)
    return f"it is of the deployment {found[1]}" if found else (f"there is {said.splitlines()[-1]}" if said else "")


def read(name: str, said: dict[str, Any]) -> Wiped:
    """Turn a host's answer into rows of the record. Pure."""
    rows = [Change("delete", "data", f"{name}:{row['path']}", _how(row)) for row in said["cleared"]]
    erased = "keys of its LUKS header erased: cryptographic erase (NIST SP 800-88, purge)"
    rows += [Change("delete", "encrypted device", f"{name}:{device}", erased) for device in said["purged"]]
    whole = said["stopped"] and not any(row["left"] for row in said["cleared"])
    return Wiped(tuple(rows), tuple(f"{name}: {note}" for note in said["notes"]), whole)


def _how(row: dict[str, Any]) -> str:
    counted = f"{row['files']} files, {row['bytes']} bytes"
    if row["left"]:
        return f"{counted} written over and removed; {row['left']} are left: not done"
    if row["clear"]:
        return f"{counted} written over once with random bytes, flushed, removed (NIST SP 800-88, clear)"
    return f"{counted} removed; on this filesystem no overwriting reaches what was there: neither clear nor purge"
