"""The catalog of controls: what must hold, and which paragraph of HIPAA asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hedgerow.errors import DeclarationError, Problem

CHECKS = Path(__file__).resolve().parent.parent / "checks"
CONTROLS = CHECKS / "controls.yml"

EVERY_HOST = ("edge", "app", "data")
CONCERNS = {
    "base": EVERY_HOST,
    "ca": EVERY_HOST,
    "ssh": EVERY_HOST,
    "firewall": EVERY_HOST,
    "journal": EVERY_HOST,
    "updates": EVERY_HOST,
    "postgres": ("data",),
    "valkey": ("data",),
    "clickhouse": ("data", "app"),
    "eventlog": ("data", "app"),
    "objectstore": ("data", "app"),
    "sidecars": ("app", "data"),
    "containers": ("app", "data"),
    "posthog": ("app", "data"),
    "edge": ("edge",),
}
"""Which hosts a control concerns, by the Ansible role that makes it true; `hosts` in the catalog narrows it."""

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")
PARAGRAPH = re.compile(r"164\.3\d\d(\([a-zA-Z0-9]+\))+")
KEYS = {"id", "role", "hipaa", "promise", "source", "hosts", "never_waived"}


@dataclass(frozen=True)
class Control:
    """One requirement. `role` makes it true, `promise` says what holds, `source` where the value comes from.

    `never_waived` is why no waiver excuses it, "" where one may.
    """

    id: str
    role: str
    hipaa: tuple[str, ...]
    promise: str
    source: str
    hosts: tuple[str, ...]
    never_waived: str = ""

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
    return read_catalog(path.read_text(encoding="utf-8"), str(path))


def read_catalog(text: str, name: str = "controls.yml") -> Catalog:
    """Return the catalog that a text states. Raises DeclarationError."""
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
        controls.append(_control(row))
    if problems:
        raise DeclarationError(tuple(problems))
    return Catalog(tuple(controls))


def _control(row: dict[str, Any]) -> Control:
    return Control(
        id=row["id"],
        role=row["role"],
        hipaa=tuple(row["hipaa"]),
        promise=row["promise"],
        source=row["source"],
        hosts=tuple(row.get("hosts", CONCERNS[row["role"]])),
        never_waived=row.get("never_waived", ""),
    )


def _wrong(row: object) -> list[tuple[str, str, str]]:
    """Return (key, fact, fix) for everything wrong with one entry."""
    if not isinstance(row, dict):
        return [("", "not a control", "Begin it with `- id: concern.promise`.")]
    wrong = [(str(key), "unknown key", f"Known are {', '.join(sorted(KEYS))}.") for key in row if key not in KEYS]
    for key in ("id", "role", "promise", "source"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            wrong.append((key, "missing or not a text", "Every control states it."))
    if "never_waived" in row and (not isinstance(row["never_waived"], str) or not row["never_waived"].strip()):
        wrong.append(("never_waived", "not a text", "Say why no reason excuses it, or leave it out."))
    if isinstance(row.get("id"), str) and not ID.fullmatch(row["id"]):
        wrong.append(("id", f'"{row["id"]}" is not of the form concern.promise', "For example ssh.no-passwords."))
    if isinstance(row.get("role"), str) and row["role"] not in CONCERNS:
        wrong.append(("role", f'there is no role "{row["role"]}"', f"Roles are {', '.join(CONCERNS)}."))
    paragraphs = row.get("hipaa")
    if not isinstance(paragraphs, list) or not paragraphs:
        wrong.append(("hipaa", "no paragraph", "List at least one, for example 164.312(d)."))
    else:
        wrong += [
            ("hipaa", f'"{each}" is no paragraph of the Security Rule', "Write it as in 164.312(a)(2)(iii).")
            for each in paragraphs
            if not isinstance(each, str) or not PARAGRAPH.fullmatch(each)
        ]
    hosts = row.get("hosts", ["edge"])
    if not isinstance(hosts, list) or not hosts or not set(hosts) <= set(EVERY_HOST):
        wrong.append(("hosts", f"not a list out of {', '.join(EVERY_HOST)}", "Leave it out where the role decides."))
    return wrong
