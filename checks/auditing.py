"""The kernel's rules of what is recorded, as auditctl tells them, and what they leave out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedgerow.checking import CouldNotAsk

ARCHES = ("b64", "b32")
# Conditions that leave a person's deeds recorded: who logged in, and that somebody did.
HARMLESS = {"auid>=1000", "auid!=unset", "auid!=-1", "auid!=4294967295"}
# auditctl tells machines and numbers where it has no words for them.
MACHINES = {"x86_64": "b64", "aarch64": "b64", "i386": "b32", "arm": "b32"}
REFUSALS = {"13": "EACCES", "1": "EPERM"}
# Layers of images: their digests prove what is in them. Of calls that name two files one could hide the other.
LAYERS = "/var/lib/containers/storage/overlay"
OF_ONE_FILE = {
    *("fchmod", "fchmodat", "fchown", "fchownat", "chmod", "chown", "lchown", "unlink", "unlinkat", "rmdir"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
}
ANOTHERS_RIGHTS = {"uid!=euid", "euid!=uid"}
RUNS = {"execve", "execveat"}


@dataclass(frozen=True)
class Rule:
    """One rule: what it is about, and under which further conditions. `arch` is "" for both."""

    records: bool
    arch: str
    path: str
    perm: frozenset[str]
    calls: frozenset[str]
    exit: str
    conditions: frozenset[str]

    @property
    def blinds(self) -> bool:
        """Whether it keeps from the record what somebody else's rule would have put there."""
        return not self.records and not (self.path == LAYERS and self.calls <= OF_ONE_FILE)

    def covers(self, arch: str) -> bool:
        return self.arch in ("", arch)


def read_rules(text: str) -> list[Rule]:
    """Return the rules that `auditctl -l` told, as watches (-w) or in full (-a). Raises CouldNotAsk."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [_read(line) for line in lines if line != "No rules"]


def _read(line: str) -> Rule:
    words = shlex.split(line)
    if len(words) % 2 or words[0] not in ("-a", "-w"):
        raise CouldNotAsk(f"auditctl told a rule that cannot be read: {line}")
    records, path, arch, ended = True, "", "", ""
    perm, calls, conditions = frozenset[str](), set[str](), set[str]()
    for option, value in zip(words[::2], words[1::2], strict=True):
        name, sign, said = _parted(value) if option == "-F" else ("", "", "")
        if option == "-a":
            records = set(value.split(",")) == {"always", "exit"}
        elif option == "-S":
            calls |= set(value.split(","))
        elif option == "-w" or (sign == "=" and name in {"path", "dir"}):
            path = value if option == "-w" else said
        elif option == "-p" or (sign == "=" and name == "perm"):
            perm = frozenset(value if option == "-p" else said)
        elif sign == "=" and name == "arch":
            arch = MACHINES.get(said, said)
        elif sign == "=" and name == "exit":
            number = said.removeprefix("-")
            ended = REFUSALS.get(number, number)
        elif option != "-k" and name != "key":
            conditions.add(value)
    return Rule(records, arch, path.rstrip("/"), perm, frozenset(calls), ended, frozenset(conditions))


def _parted(field: str) -> tuple[str, str, str]:
    for sign in (">=", "<=", "!=", "&=", "=", ">", "<", "&"):
        if sign in field:
            name, _, said = field.partition(sign)
            return name, sign, said
    return field, "", ""


def unrecorded(
    rules: Sequence[Rule], paths: Iterable[str], calls: Iterable[str], exits: Iterable[str] = ("",)
) -> list[str]:
    """Return the paths whose change, and the calls with the outcome, that no rule records for either kind of program.

    The first rule that fits decides, so one that says never makes all of those behind it doubtful,
    unless it is about layers of images alone.
    """
    until = next((number for number, rule in enumerate(rules) if rule.blinds), len(rules))
    held = [rule for rule in rules[:until] if rule.records]
    missing = [path for path in paths if not all(_watched(held, path, arch) for arch in ARCHES)]
    return missing + [
        f"{call}{ended and f' refused by {ended}'}"
        for call in calls
        for ended in exits
        if not all(_called(held, call, ended, arch) for arch in ARCHES)
    ]


def _watched(rules: Sequence[Rule], path: str, arch: str) -> bool:
    return any(
        rule.covers(arch) and rule.path == path and rule.perm >= {"w", "a"} and rule.conditions <= HARMLESS
        for rule in rules
    )


def _called(rules: Sequence[Rule], call: str, ended: str, arch: str) -> bool:
    harmless = HARMLESS | (ANOTHERS_RIGHTS if call in RUNS else set())
    return any(
        rule.covers(arch)
        and not rule.path
        and rule.calls & {call, "all"}
        and rule.exit == ended
        and rule.conditions <= harmless
        for rule in rules
    )
