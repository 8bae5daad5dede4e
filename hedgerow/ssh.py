"""How this controller reaches a host by the ordinary `ssh` client: one place for the options."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hedgerow.errors import UnreachableError
from hedgerow.hosts import Host

CONNECT_SECONDS = 10


def command(host: Host, known_hosts: Path | None, remote: Sequence[str] = ()) -> list[str]:
    """Return the ssh command line for one remote command; the host key must be the pinned one where we have it.

    Without a pinned key, `known_hosts` remembers the one that was seen first.
    """
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "LogLevel": "ERROR",
        # Nothing of the operator's own configuration may forward or proxy what we do by accident.
        "ForwardAgent": "no",
        "ControlPath": "none",
    }
    if host.proxy:
        options["ProxyCommand"] = host.proxy
    if host.host_key:
        # The pin travels on the command line (it is public), so that no file has to be written before a plan.
        options |= {
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "KnownHostsCommand": f"/bin/echo %H {' '.join(host.host_key.split()[:2])}",
        }
    else:
        options |= {"StrictHostKeyChecking": "accept-new", "HashKnownHosts": "no"}
        if known_hosts is not None:
            options["UserKnownHostsFile"] = str(known_hosts)
    line = ["ssh"]
    for name, value in options.items():
        line += ["-o", f"{name}={value}"]
    if host.identity_file is not None:
        line += ["-i", str(host.identity_file), "-o", "IdentitiesOnly=yes"]
    line += ["-p", str(host.port), "-l", host.user, host.address]
    return [*line, "--", *remote] if remote else line


def place(host: Host) -> str:
    """Return a host as ssh looks its key up."""
    return host.address if host.port == 22 else f"[{host.address}]:{host.port}"


def remembered(host: Host, known_hosts: Path) -> str:
    """Return the key that ssh remembers of a host it has met ("ssh-ed25519 AAAA..."). Raises UnreachableError."""
    words = ["ssh-keygen", "-F", place(host), "-f", str(known_hosts)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout
    for line in told.splitlines():
        if line and not line.startswith("#"):
            return " ".join(line.split()[1:3])
    raise UnreachableError(
        f"the key of {host.name} was met and could not be kept in {known_hosts}",
        "See that the folder can be written to, or declare the key as host_key.",
    )


def ask(
    host: Host, known_hosts: Path | None, remote: Sequence[str], *, stdin: str = "", seconds: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run one remote command and return what it said. Raises UnreachableError when ssh itself fails or is too slow."""
    try:
        answer = subprocess.run(
            command(host, known_hosts, remote),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise UnreachableError(f"{host.name} ({host.address}) did not answer within {seconds:g} s") from late
    if answer.returncode == 255:
        raise UnreachableError(
            f"{host.name}: ssh {host.user}@{host.address} port {host.port} failed: {answer.stderr.strip()}",
            "Try that ssh command by hand; check address, account, key and the host's key.",
        )
    return answer


def quoted(words: Sequence[str]) -> str:
    """Return remote words as one shell word: one word is a shell command line, several are taken as they are."""
    text = words[0] if len(words) == 1 else shlex.join(words)
    return shlex.quote(text)
