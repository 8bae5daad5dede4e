"""What is installed on the hosts, as their own package managers say; kept beside the evidence of a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import CallError, HedgerowError
from hedgerow.hosts import Host

FILE = "packages.json"
QUESTION = (
    ". /etc/os-release && echo $ID $VERSION_ID && dpkg-query -W"
    " -f='${db:Status-Status} ${Package} ${Version} ${Architecture}\\n'"
)


@dataclass(frozen=True, order=True)
class Package:
    """A package of a distribution: the one it was made for, such as debian 13, its name, version and architecture."""

    distribution: str
    name: str
    version: str
    architecture: str


Installed = Mapping[str, Sequence[Package]]
"""By host. One that did not answer is not in it."""


def ask(hosts: Sequence[Host], known_hosts: Path) -> dict[str, tuple[Package, ...]]:
    """Ask all hosts at once what is installed on them; the findings of a run tell who does not answer, and why."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda host: _ask(host, known_hosts), hosts)
        return {host.name: found for host, found in zip(hosts, answers, strict=True) if found}


def read(said: str) -> tuple[Package, ...]:
    """Return the packages that are installed, out of what a host said; of some, only settings are left."""
    first, *lines = said.splitlines() or [""]
    rows = (line.split() for line in lines)
    return tuple(sorted(Package(first, *row[1:]) for row in rows if len(row) == 4 and row[0] == "installed"))


def text(installed: Installed) -> str:
    """Return it for a file, the same bytes for the same packages."""
    rows = {host: [astuple(package) for package in packages] for host, packages in sorted(installed.items())}
    return json.dumps(rows, indent=0, ensure_ascii=False) + "\n"


def from_text(said: str) -> dict[str, tuple[Package, ...]]:
    """Return what `text` wrote. Raises CallError for anything else."""
    try:
        return {host: tuple(Package(*row) for row in rows) for host, rows in json.loads(said).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CallError(f"this is no list of packages of Hedgerow's ({error})", "Run verify again.") from error


def _ask(host: Host, known_hosts: Path) -> tuple[Package, ...]:
    try:
        answer = ssh.ask(host, known_hosts, ["sh", "-c", shlex.quote(QUESTION)])
    except HedgerowError:
        return ()
    return read(answer.stdout) if answer.returncode == 0 else ()
