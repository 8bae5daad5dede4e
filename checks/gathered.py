"""Questions that several checks share, and their answers as values. Asked once in a run, however many want them."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import testinfra.host

from hedgerow.checking import ANY, CouldNotAsk, Finder, NotExercised, shorten
from hedgerow.sheet import Declared

CONTAINER = "systemd-detect-virt --container"
ACCOUNTS = "getent passwd"
SHELLS = "cat /etc/shells"
LISTENERS = "ss -tulpnH"
PRIVATE_KEYS = (
    "find /etc /root /home /opt /srv /usr/local /var/lib /var/tmp /tmp -xdev"
    " \\( -path /var/lib/containers -o -path /var/lib/postgresql -o -path /var/lib/dpkg \\) -prune"
    " -o -type f -size -64k -print0"
    " | xargs -0 grep -lsE '^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----'"
)

FIRST_PERSON, LAST_PERSON = 1000, 59999
"""User numbers of people (login.defs(5), UID_MIN and UID_MAX); below are accounts of software."""


@dataclass(frozen=True)
class Account:
    """A line of passwd(5)."""

    name: str
    number: int
    home: str
    shell: str

    @property
    def person(self) -> bool:
        """Whether the number is one of those that people get."""
        return FIRST_PERSON <= self.number <= LAST_PERSON


def accounts(host: testinfra.host.Host, finding: Finder) -> list[Account]:
    """Return all accounts the host knows, wherever it knows them from."""
    rows = [line.split(":") for line in finding.ask(host, ACCOUNTS).stdout.splitlines()]
    return [Account(row[0], int(row[2]), row[5], row[6]) for row in rows]


def login_shells(host: testinfra.host.Host, finding: Finder) -> set[str]:
    """Return the shells with which one can log in (shells(5))."""
    return {line for line in finding.ask(host, SHELLS).stdout.splitlines() if line.startswith("/")}


def members(host: testinfra.host.Host, finding: Finder, group: str) -> set[str]:
    """Return the members of a group; nobody where there is no such group."""
    answer = finding.ask(host, f"getent group {group}", codes=(0, 2))
    return set(filter(None, answer.stdout.strip().rpartition(":")[2].split(",")))


def own_kernel(host: testinfra.host.Host, finding: Finder) -> None:
    """Raise NotExercised where the kernel is shared: what it holds is one for all, and not this host's to rule."""
    container = finding.ask(host, CONTAINER, codes=(0, 1)).stdout.strip()
    if container != "none":
        raise NotExercised(f"a {container} container shares its host's kernel, which holds all or none to it")


def walk(
    host: testinfra.host.Host, finding: Finder, command: str, *, timeout: float = 60.0, codes: tuple[int, ...] = ()
) -> list[str]:
    """Return the lines of a command that walks over a disk on which others work: find(1), alone or before a pipe.

    What is removed while it walks makes find end with 1 and say so, whatever its options; that is no failure.
    `timeout` is in seconds, `codes` are exit codes that the rest of a pipe may end with.

    Raises CouldNotAsk when find says anything else: then it has not seen all.
    """
    answer = finding.ask(host, command, timeout=timeout, codes=(0, 1, *codes))
    said = [line for line in answer.stderr.splitlines() if not line.endswith(": No such file or directory")]
    if said or (answer.rc == 1 and not answer.stderr):
        raise CouldNotAsk(f"`{shorten(command, 120)}` ended with exit code {answer.rc}: {shorten(' '.join(said), 200)}")
    return answer.stdout.splitlines()


def private_keys(host: testinfra.host.Host, finding: Finder) -> list[str]:
    """Return the files that hold a private key in text form. xargs says 123 when one of its greps found none."""
    return walk(host, finding, PRIVATE_KEYS, codes=(123,))


def loaded(host: testinfra.host.Host, finding: Finder, unit: str, files: str) -> None:
    """Make sure that a daemon runs with what lies on disk, where only its own reader of the files can be asked.

    `files` are files and folders as find(1) takes them; one that does not exist was not changed.

    Raises CouldNotAsk when a file is newer than the unit's last start or reload: then the files
    do not say what is running.
    """
    since = finding.ask(host, f"systemctl show {unit} -p StateChangeTimestamp --timestamp=unix").stdout
    changed = finding.ask(host, f"find {files} -printf '%T@ %p\\n'", codes=(0, 1)).stdout.splitlines()
    stamp = re.search(r"@(\d+)", since)
    if stamp is None:
        raise CouldNotAsk(f"{unit} is not running: {since.strip()}")
    for line in changed:
        when, _, name = line.partition(" ")
        if int(float(when)) > int(stamp[1]):
            raise CouldNotAsk(f"{name} was changed after {unit} was last loaded: what runs is not what it says")


def ask_sshd(user: str) -> str:
    """Return the question what sshd would hold for a connection of this user."""
    return f"sshd -T -C user={user},host=localhost,addr=192.0.2.1"


def sshd(host: testinfra.host.Host, finding: Finder, declared: Declared, user: str = "") -> dict[str, list[str]]:
    """Return what sshd would hold for a connection of this user: keyword to its values, in lower case."""
    loaded(host, finding, "ssh.service", "/etc/ssh/sshd_config /etc/ssh/sshd_config.d")
    who = user or declared.installer_account
    settings: dict[str, list[str]] = {}
    for line in finding.ask(host, ask_sshd(who)).stdout.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword, []).append(value)
    return settings


# sshd charges a second's penalty to an address that leaves without having proven anything, and
# shuts it out for a while at fifteen. From a loopback address of its own a run never gets there.
_KNOCKER = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"  # noqa: S311


def ask_ssh(declared: Declared) -> str:
    """Return the question: a connection from the host to itself that offers the method "none" (RFC 4252, 5.2)."""
    return (
        f"ssh -vv -F none -b {_KNOCKER} -p {declared.ssh_port} -o BatchMode=yes -o ConnectTimeout=5"
        " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PreferredAuthentications=none"
        f" {declared.installer_account}@127.0.0.1 true"
    )


def ssh_greeting(host: testinfra.host.Host, finding: Finder, declared: Declared) -> str:
    """Return the client's account of that connection."""
    said = finding.ask(host, ask_ssh(declared), codes=ANY).stderr
    if "Permission denied" not in said and "Authenticated to" not in said:
        raise CouldNotAsk(f"sshd did not come to the point of authentication: {said.strip().splitlines()[-1:]}")
    return said


def ssh_offers(greeting: str) -> dict[str, list[str]]:
    """Return the algorithms that the server proposed, by kind, out of the client's account."""
    _, _, theirs = greeting.partition("peer server KEXINIT proposal")
    kinds = {
        "KEX algorithms": "key exchange",
        "host key algorithms": "host key",
        "ciphers stoc": "cipher",
        "MACs stoc": "MAC",
    }
    found = {}
    for label, kind in kinds.items():
        match = re.search(rf"debug2: {label}: (\S+)", theirs)
        if match is None:
            raise CouldNotAsk(f"the server's proposal names no {kind}")
        found[kind] = match[1].split(",")
    return found
