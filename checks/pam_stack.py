"""What PAM does for a service: its lines in the order in which they are carried out, with what they include."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import testinfra.host

from hedgerow.checking import CouldNotAsk, Finder

# PAM has no daemon: whatever asks it reads these files at that moment (pam.conf(5)).
QUESTION = "cd /etc/pam.d && grep -rEHv '^[[:space:]]*(#|$)' ."
LINE = re.compile(r"-?(auth|account|password|session)\s+(\[[^]]*\]|\S+)\s+(\S+)\s*(.*)")


@dataclass(frozen=True)
class Step:
    """One module that is asked: how its answer counts, and its arguments."""

    control: str
    module: str
    arguments: tuple[str, ...]

    def setting(self, name: str) -> str | None:
        """Return the value of name=value, "" for a name alone, None where it is not said."""
        for word in self.arguments:
            key, _, value = word.partition("=")
            if key == name:
                return value
        return None


def files(host: testinfra.host.Host, finding: Finder) -> dict[str, list[str]]:
    """Return the lines of each of PAM's files that say something."""
    found: dict[str, list[str]] = {}
    for row in finding.ask(host, QUESTION).stdout.splitlines():
        name, _, line = row.removeprefix("./").partition(":")
        found.setdefault(name, []).append(line.strip())
    return found


def steps(lines: Mapping[str, list[str]], service: str, kind: str) -> list[Step]:
    """Return what is asked for one kind (auth, account, password, session). Raises CouldNotAsk for a missing file."""
    if service not in lines:
        raise CouldNotAsk(f"PAM knows no {service}")
    found: list[Step] = []
    for line in lines[service]:
        word, _, name = line.partition(" ")
        if word == "@include":
            found += steps(lines, name.strip(), kind)
            continue
        match = LINE.fullmatch(line)
        if match is None or match[1] != kind:
            continue
        if match[2] in {"include", "substack"}:
            found += steps(lines, match[3], kind)
        else:
            found.append(Step(match[2], match[3].rpartition("/")[2], tuple(match[4].split())))
    return found


def place(found: list[Step], module: str, word: str = "") -> int:
    """Return where a module, with an argument where one is given, is asked; -1 for nowhere."""
    return next((n for n, s in enumerate(found) if s.module == module and (not word or word in s.arguments)), -1)


def conf(text: str) -> dict[str, str]:
    """Return the settings of a file of pam_faillock's, pam_pwhistory's or pwquality's; the last of a name counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        said = line.partition("#")[0].strip()
        if said:
            name, _, value = said.partition("=")
            found[name.strip()] = value.strip()
    return found
