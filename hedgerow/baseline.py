"""The baseline of programs: the sums that a version of a package came with, as this machine first saw them on a host.

It lies in the deployment's folder, off the hosts: whoever is root on one can change a program and the sum that its
package brought, but not what was seen of that version before.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hedgerow import ssh
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import HedgerowError
from hedgerow.hosts import Host

# The roles' module and the check ask in their own words (hedgerow_programs, checks/test_packages.py).
QUESTION = (
    "dpkg-query -W -f='${db:Status-Abbrev}${binary:Package} ${Version}\\n' | sed -n 's/^ii  *//p';"
    " echo; cd /var/lib/dpkg/info && sha256sum -- *.md5sums"
)

Sums = Mapping[str, str]
"""A package with its version, "libc6:amd64 2.41-12", -> the SHA-256 of its list of sums."""


def read(said: str) -> dict[str, str]:
    """Return the sums that a host told of."""
    packages, _, lists = said.partition("\n\n")
    named = {}
    for line in lists.splitlines():
        total, _, file = line.partition("  ")
        named[file.removesuffix(".md5sums")] = total
    found = {}
    for row in (line.split() for line in packages.splitlines()):
        if len(row) == 2 and row[0] in named:
            found[f"{row[0]} {row[1]}"] = named[row[0]]
    return found


def kept(path: Path) -> dict[str, str]:
    """Return what is known of a host already; nothing where nothing is."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def with_new(known: Sums, seen: Sums) -> dict[str, str]:
    """Return what is known with what was seen for the first time; what is known stays as it is."""
    return {**seen, **known}


def keep(deployment: Deployment, hosts: Sequence[Host]) -> None:
    """Remember what is seen for the first time on each host. One that does not answer is left for the next time."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda host: _ask(host, deployment.known_hosts), hosts))
    for host, seen in zip(hosts, answers, strict=True):
        path = deployment.baseline(host.name)
        known = kept(path)
        if seen and (now := with_new(known, seen)) != known:
            write_file(path, json.dumps(now, indent=0, sort_keys=True) + "\n")


def _ask(host: Host, known_hosts: Path) -> dict[str, str]:
    try:
        answer = ssh.ask(host, known_hosts, ["sh", "-c", shlex.quote(QUESTION)])
    except HedgerowError:
        return {}
    return read(answer.stdout) if answer.returncode == 0 else {}
