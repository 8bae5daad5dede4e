"""What a host shows of its disks and services, in one question that only reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Host
from hedgerow.unwell import Observed, Unit

PATHS = ("/var/lib/postgresql", "/var/lib/valkey", "/var/lib/containers", "/var/log/journal")
UNITS = {
    "edge": ("nginx.service", "hedgerow-pressure.service"),
    "app": (),
    "data": ("valkey-server.service",),
}
PROBE = r"""
import glob, json, os, subprocess, sys
def out(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=15).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
asked = json.loads(sys.argv[1])
free = {}
for path in asked["paths"]:
    if os.path.isdir(path):
        disk = os.statvfs(path)
        free[path] = disk.f_bavail * disk.f_frsize
health = {}
for line in out("podman", "ps", "--all", "--format", "{{.Names}}\t{{.Status}}").splitlines():
    name, _, status = line.partition("\t")
    health[name + ".service"] = "unhealthy" if "(unhealthy)" in status else ""
shown = "Id,ActiveState,SubState,Result,NRestarts"
units = []
# systemd has forgotten a unit made from a pattern that was stopped: the clusters say which there are to be.
clusters = ["postgresql@%s-main.service" % path.split("/")[3] for path in glob.glob("/etc/postgresql/*/main")]
names = asked["units"] + (clusters if asked["postgres"] else []) + asked["services"] + asked["jobs"]
for block in out("systemctl", "show", "-p", shown, *names).strip().split("\n\n") if names else []:
    row = dict(line.split("=", 1) for line in block.splitlines())
    name = row.get("Id", "?")
    if name in asked["jobs"] and row.get("ActiveState") != "failed":
        continue  # it runs now and then, and ends: only a failure is news
    calm = row.get("ActiveState") == "active" and not health.get(name)
    said = "" if calm else out("journalctl", "-q", "-o", "cat", "-n", "40", "--no-pager", "_SYSTEMD_UNIT=" + name)
    units.append([name, row.get("ActiveState", ""), row.get("SubState", ""), row.get("Result", ""),
                  int(row.get("NRestarts") or 0), health.get(name, ""), said[-4000:]])
print(json.dumps({"free": free, "units": units, "refusing": os.path.exists("/run/hedgerow-pressure/full")}))
"""


def ask(host: Host, known_hosts: Path, services: Sequence[str], *, backup: bool = False) -> Observed:
    """Ask one host, which is to run these services of the table, and to make backups if so declared.

    Raises UnreachableError when it cannot be asked.
    """
    units = [name for role in host.roles for name in UNITS[role]]
    makes_backups = backup and "data" in host.roles
    units += ["hedgerow-backup.timer"] if makes_backups else []
    question = {
        "paths": PATHS,
        "units": units,
        "postgres": "data" in host.roles,
        "jobs": ["hedgerow-backup.service"] if makes_backups else [],
        "services": [f"hedgerow-{name}.service" for name in services],
    }
    words = ["sudo", "-n", "python3", "-", ssh.quoted([json.dumps(question)])]
    answer = ssh.ask(host, known_hosts, words, stdin=PROBE, seconds=60)
    if answer.returncode:
        raise UnreachableError(f"{host.name}: could not look at its services: {answer.stderr.strip()[-300:]}")
    said = json.loads(answer.stdout)
    return Observed(said["free"], said["refusing"], tuple(Unit(*row) for row in said["units"]))
