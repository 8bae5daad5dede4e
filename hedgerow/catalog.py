"""The catalog of controls: what must hold, and which paragraph of HIPAA asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from hedgerow import standards
from hedgerow.errors import DeclarationError, Problem

CHECKS = Path(__file__).resolve().parent.parent / "checks"
CONTROLS = CHECKS / "controls.yml"
REMEDIES = CHECKS / "remedies.yml"
CLOUD_FILES = {kind: (CHECKS / kind / "controls.yml", CHECKS / kind / "remedies.yml") for kind in ("aws", "gcp")}
"""By the kind of target: the controls of its own account, and what to do when one fails."""

MEANING = {
    "low": "good order suffers",
    "medium": "a layer of protection behind others is missing",
    "high": "with one more mistake or a stolen account, somebody gets at health data or becomes root",
    "critical": "anybody who reaches the host gets at health data or becomes root",
}
"""What the failure of a control means, by its severity, the least first."""
SEVERITIES = tuple(MEANING)

BENCHMARKS = {
    "debian12_v1_1_0": "CIS Debian Linux 12 Benchmark v1.1.0",
    "docker_v1_6_0": "CIS Docker Benchmark v1.6.0",
    "postgresql17": "CIS PostgreSQL 17 Benchmark",
    "controls_v8_1": "CIS Critical Security Controls v8.1",
}
"""The editions of CIS whose numbers a control may name."""

EVERY_HOST = ("edge", "app", "data")
CONCERNS = {
    "base": EVERY_HOST,
    "pam": EVERY_HOST,
    "ca": EVERY_HOST,
    "ssh": EVERY_HOST,
    "firewall": EVERY_HOST,
    "journal": EVERY_HOST,
    "forwarding": EVERY_HOST,
    "apparmor": EVERY_HOST,
    "audit": EVERY_HOST,
    "updates": EVERY_HOST,
    "volume": ("data",),
    "postgres": ("data",),
    "valkey": ("data",),
    "clickhouse": ("data", "app"),
    "eventlog": ("data", "app"),
    "objectstore": ("data", "app"),
    "sidecars": ("app", "data"),
    "containers": ("app", "data"),
    "posthog": ("app", "data"),
    "edge": ("edge",),
    "acme": ("edge",),
    "aws": ("aws",),
    "gcp": ("gcp",),
    "backup": ("data",),
    "health": ("edge", "app", "data"),
}
"""Which hosts a control concerns, by the Ansible role that makes it true; `hosts` in the catalog narrows it.

A control of a cloud has the target's kind as its role, and concerns the account instead of a host."""

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")
NIST = re.compile(r"[A-Z]{2}-\d{1,2}(\(\d{1,2}\))?")
NO_REMEDIES: Mapping[str, str] = MappingProxyType({})
KEYS = {
    *("id", "severity", "role", "hosts", "own_kernel", "promise", "source", "never_waived", "resource"),
    *("hipaa", "nist_800_53r5", "cis"),
}


@dataclass(frozen=True)
class Control:
    """One requirement. `role` makes it true, `promise` says what holds, `source` where the value comes from.

    `severity` is one of SEVERITIES. `fix` says what to do when it fails. `nist_800_53r5` are ids of SP 800-53r5,
    `cis` pairs of an edition (a key of BENCHMARKS) and its numbers.
    `never_waived` is why no waiver excuses it, "" where one may. `resource` is the kind of thing in a cloud that makes
    it true, as the target names its kinds, or "operator" where only a person can; "" on a host.
    `own_kernel` is true where only a host with a kernel of its own can show it: never the container lab, always the VM
    lab.
    """

    id: str
    role: str
    hipaa: tuple[str, ...]
    promise: str
    source: str
    hosts: tuple[str, ...]
    severity: str = "high"
    fix: str = ""
    nist_800_53r5: tuple[str, ...] = ()
    cis: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """What else asks for the same, in words: NIST SP 800-53r5, SP 800-66r2 (by paragraph), CIS."""
        activities = {
            f"NIST SP 800-66r2 {each.nist_800_66r2}": None
            for each in standards.standards()
            if each.paragraph in self.hipaa and each.nist_800_66r2
        }
        return (
            *(f"NIST SP 800-53r5 {each}" for each in self.nist_800_53r5),
            *activities,
            *(f"{BENCHMARKS[edition]} {number}" for edition, numbers in self.cis for number in numbers),
        )

    never_waived: str = ""
    resource: str = ""
    own_kernel: bool = False

    @property
    def why(self) -> tuple[str, ...]:
        """Why it matters: what its failure means, and what the rule asks for there, paragraph by paragraph."""
        asked = {each.paragraph: f"{each.title}. {each.asks}" for each in standards.standards()}
        return (
            f"Where it fails, {MEANING[self.severity]} ({self.severity}).",
            *(f"{paragraph}: {asked[paragraph]}" for paragraph in self.hipaa),
        )

    @property
    def concern(self) -> str:
        """The first half of the id: what the control is about."""
        return self.id.partition(".")[0]

    def concerns(self, host_roles: Sequence[str]) -> bool:
        """Tell whether a host that plays these roles must show the control."""
        return not set(self.hosts).isdisjoint(host_roles)


@dataclass(frozen=True)
class Catalog:
    """All controls, in the order of the file."""

    controls: tuple[Control, ...]

    @cached_property
    def ids(self) -> frozenset[str]:
        """Every control's id."""
        return frozenset(control.id for control in self.controls)

    @cached_property
    def never_waived(self) -> dict[str, str]:
        """The controls that no waiver excuses, each with the reason."""
        return {control.id: control.never_waived for control in self.controls if control.never_waived}

    def control(self, control_id: str) -> Control:
        """Return one control. Raises KeyError."""
        return next(c for c in self.controls if c.id == control_id) if control_id in self.ids else _unknown(control_id)

    def concerning(self, host_roles: Sequence[str], only: Sequence[str] = ()) -> tuple[Control, ...]:
        """Return the controls that a host with these roles must show; with `only`, those ids or concerns."""
        return tuple(
            control
            for control in self.controls
            if control.concerns(host_roles) and (not only or control.id in only or control.concern in only)
        )


def _unknown(control_id: str) -> Control:
    raise KeyError(control_id)


def load_catalog(path: Path = CONTROLS) -> Catalog:
    """Read and validate the catalog. Raises DeclarationError, with every problem and its line."""
    remedies = yaml.safe_load(REMEDIES.read_text(encoding="utf-8"))
    return read_catalog(path.read_text(encoding="utf-8"), str(path), remedies)


def catalog_of(kind: str) -> Catalog:
    """Return the controls of a kind of target: those of its hosts, and those of its account where it has one."""
    catalog = load_catalog()
    if kind not in CLOUD_FILES:
        return catalog
    controls, remedies = (file.read_text(encoding="utf-8") for file in CLOUD_FILES[kind])
    more = read_catalog(controls, str(CLOUD_FILES[kind][0]), yaml.safe_load(remedies))
    return Catalog(catalog.controls + more.controls)


def whole_catalog() -> Catalog:
    """Return every control that there is, of hosts and of each cloud's account: for who names one."""
    clouds = [catalog_of(kind).controls for kind in CLOUD_FILES]
    controls = {control.id: control for rows in (load_catalog().controls, *clouds) for control in rows}
    return Catalog(tuple(controls.values()))


def read_catalog(text: str, name: str = "controls.yml", remedies: Mapping[str, str] = NO_REMEDIES) -> Catalog:
    """Return the catalog that a text states. Raises DeclarationError.

    `remedies` are texts by control, or by concern for all its controls that have none of their own.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    root = yaml.compose(text, Loader=loader)
    if not isinstance(root, yaml.SequenceNode):
        raise DeclarationError((Problem(name, 1, "", "not a list of controls", "Begin each with `- id: `."),))
    rows = yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader in both cases
    problems: list[Problem] = []
    controls: list[Control] = []
    seen: dict[str, int] = {}
    for row, node in zip(rows, root.value, strict=True):
        line = node.start_mark.line + 1
        found = [Problem(name, line, key, what, fix) for key, what, fix in _wrong(row)]
        if not found and row["id"] in seen:
            found = [Problem(name, line, "id", f'"{row["id"]}" stands already at line {seen[row["id"]]}', "Drop one.")]
        if found:
            problems += found
            continue
        seen[row["id"]] = line
        controls.append(_control(row, remedies))
    if problems:
        raise DeclarationError(tuple(problems))
    return Catalog(tuple(controls))


def _control(row: dict[str, Any], remedies: Mapping[str, str]) -> Control:
    concern = row["id"].partition(".")[0]
    return Control(
        id=row["id"],
        role=row["role"],
        hipaa=tuple(row["hipaa"]),
        promise=row["promise"],
        source=row["source"],
        hosts=tuple(row.get("hosts", CONCERNS[row["role"]])),
        severity=row["severity"],
        fix=remedies.get(row["id"], remedies.get(concern, "")),
        nist_800_53r5=tuple(row.get("nist_800_53r5", ())),
        cis=tuple((edition, tuple(numbers)) for edition, numbers in row.get("cis", {}).items()),
        never_waived=row.get("never_waived", ""),
        resource=row.get("resource", ""),
        own_kernel=row.get("own_kernel", False),
    )


def _wrong(row: object) -> list[tuple[str, str, str]]:
    """Return (key, fact, fix) for everything wrong with one entry."""
    if not isinstance(row, dict):
        return [("", "not a control", "Begin it with `- id: concern.promise`.")]
    wrong = [(str(key), "unknown key", f"Known are {', '.join(sorted(KEYS))}.") for key in row if key not in KEYS]
    for key in ("id", "severity", "role", "promise", "source"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            wrong.append((key, "missing or not a text", "Every control states it."))
    if "never_waived" in row and (not isinstance(row["never_waived"], str) or not row["never_waived"].strip()):
        wrong.append(("never_waived", "not a text", "Say why no reason excuses it, or leave it out."))
    if row.get("own_kernel", True) is not True:
        wrong.append(("own_kernel", "not true", "Write true, or leave it out."))
    if isinstance(row.get("id"), str) and not ID.fullmatch(row["id"]):
        wrong.append(("id", f'"{row["id"]}" is not of the form concern.promise', "For example ssh.no-passwords."))
    if isinstance(row.get("role"), str) and row["role"] not in CONCERNS:
        wrong.append(("role", f'there is no role "{row["role"]}"', f"Roles are {', '.join(CONCERNS)}."))
    if isinstance(row.get("severity"), str) and row["severity"] not in SEVERITIES:
        wrong.append(("severity", f'"{row["severity"]}" is no severity', f"It is one of {', '.join(SEVERITIES)}."))
    if ("resource" in row) != (row.get("role") in CLOUD_FILES):
        wrong.append(("resource", "stands where it must not, or is missing", "A control of a cloud has one, no other."))
    hosts = row.get("hosts", ["edge"])
    if not isinstance(hosts, list) or not hosts or not set(hosts) <= set(EVERY_HOST):
        wrong.append(("hosts", f"not a list out of {', '.join(EVERY_HOST)}", "Leave it out where the role decides."))
    return wrong + _wrong_references(row)


def _wrong_references(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is wrong with the paragraphs and numbers that one entry names."""
    wrong: list[tuple[str, str, str]] = []
    named = row.get("hipaa")
    if not isinstance(named, list) or not named:
        wrong.append(("hipaa", "no paragraph", "List at least one, for example 164.312(d)."))
    else:
        # One that standards.yml does not list would show in no matrix: a gap that nobody sees.
        wrong += [
            ("hipaa", f'"{each}" is no paragraph of the Security Rule', "Write it as checks/standards.yml lists it.")
            for each in named
            if each not in standards.paragraphs()
        ]
    wrong += [
        ("nist_800_53r5", f'"{each}" is no control of SP 800-53', "Write it as in AC-6(2).")
        for each in row.get("nist_800_53r5", ())
        if not isinstance(each, str) or not NIST.fullmatch(each)
    ]
    wrong += [
        ("cis", f'there is no edition "{edition}" here', f"Known are {', '.join(BENCHMARKS)}.")
        for edition in row.get("cis", {})
        if edition not in BENCHMARKS
    ]
    return wrong
