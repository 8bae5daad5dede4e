"""What hedgerow_quadlets decides, as functions of what the host said: no machine is touched here."""

from __future__ import annotations

import itertools
import re
import urllib.parse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# podman-systemd.unit(5): what unit a source file becomes.
SUFFIXES = {
    ".container": "",
    ".kube": "",
    ".pod": "-pod",
    ".volume": "-volume",
    ".network": "-network",
    ".image": "-image",
    ".build": "-build",
}
# Podman writes an event for each of its own steps into the unit's journal; none of them is the service's word.
EVENT = re.compile(
    r"\b(container|image|network|secret|volume) \w+ [0-9a-f]{12,}|^[0-9a-f]{64}$|^conmon |^-1$|no container with ID"
)
LAST_WORDS = 15
STARTING = ("start", "start-post")


def moment(text: str) -> float:
    """Return a time as Podman prints it, RFC 3339 with nanoseconds, as seconds."""
    whole, fraction, zone = re.fullmatch(r"([^.Z+]+)(\.\d+)?(Z|[+-]\d\d:\d\d)", text).groups()
    return datetime.fromisoformat(whole + zone.replace("Z", "+00:00")).timestamp() + float(fraction or 0)


def unit_of(path: Path) -> str:
    """Return the service that systemd makes of a Quadlet file."""
    return f"{path.stem}{SUFFIXES[path.suffix]}.service"


def reason(
    unit: dict[str, str],
    container: dict[str, Any] | None,
    sources: dict[str, float],
    beside: dict[str, str] | None = None,
) -> str:
    """Say why a service must be restarted; empty when it runs as it should.

    `sources` are the things it was made from, by name, each with the time of its last change. `beside` is the unit of
    its side-car: the two share a network, and so start together.
    """
    # One that is still starting is waited for, not started again: it may be migrating the database.
    if unit["ActiveState"] != "active" and unit["SubState"] not in STARTING:
        return f"was {unit['ActiveState'] or 'unknown'}"
    if container is None:
        return "had no container"
    if container["Config"]["Labels"].get("PODMAN_SYSTEMD_UNIT") != unit["Id"]:
        return "its container was not started by its unit"
    if beside and beside["ActiveState"] != "active" and unit["ActiveState"] == "active":
        return f"its side-car was {beside['ActiveState'] or 'unknown'}"
    created = moment(container["Created"])
    newer = sorted(name for name, changed in sources.items() if changed > created)
    return f"older than {', '.join(newer)}" if newer else ""


def secrets_of(container: dict[str, Any]) -> list[str]:
    """Return the names of the secrets a container was given. `podman inspect` shows them in the command alone."""
    words = container["Config"].get("CreateCommand") or []
    return [value.partition(",")[0] for flag, value in itertools.pairwise(words) if flag == "--secret"]


def mounted(container: dict[str, Any]) -> list[Path]:
    """Return the files and folders of the host that a container sees."""
    return [Path(each["Source"]) for each in container["Mounts"] if each["Type"] == "bind"]


def well(container: dict[str, Any]) -> bool:
    """Say whether Podman's own last question to a container was answered well."""
    return (container["State"].get("Health") or {}).get("Status") == "healthy"


def redacted(text: str, secrets: list[str]) -> str:
    """Return the text without any secret, nor the password within one that is an address."""
    inner = [urllib.parse.urlsplit(secret).password for secret in secrets if "://" in secret]
    for value in sorted(filter(None, secrets + inner), key=len, reverse=True):
        text = text.replace(value, "********")
    return text


def last_lines(journal: str, container: dict[str, Any]) -> str:
    """Return what a service said last and what its health command said, without Podman's own events."""
    # Repeated once: what is tried again and again would fill all the lines.
    said = dict.fromkeys(line for line in journal.splitlines() if line.strip() and not EVENT.search(line))
    answers = (container.get("State", {}).get("Health") or {}).get("Log") or [{"Output": ""}]
    health = [f"health: {line}" for line in answers[-1]["Output"].strip().splitlines()[-1:]]
    return "\n".join(f"  {line}" for line in [*list(said)[-LAST_WORDS:], *health]) or "  (nothing)"


@dataclass(frozen=True)
class Plan:
    """What is not as declared: files that must go, containers that must go, networks to remake, services to restart."""

    strangers: list[Path]
    overrides: list[Path]
    others: list[str]
    remade: list[str]
    restarted: dict[str, str]
    reload: bool
    ill: list[str]

    @property
    def removed(self) -> list[str]:
        return [str(each) for each in (*self.strangers, *self.overrides)] + [
            f"container {name}" for name in self.others
        ]

    @property
    def diff(self) -> dict[str, str]:
        lines = [f"restart {name}: {why}" for name, why in self.restarted.items()]
        return {"before": "", "after": "".join(f"{line}\n" for line in lines + [f"remove {it}" for it in self.removed])}
