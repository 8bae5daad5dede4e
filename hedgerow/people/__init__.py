"""Who can reach what, as it was seen: accounts on hosts, members of PostHog, roles of the database. Pure values."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hedgerow.declaration import Administrator

SOON_DAYS = 14
LEVELS = {1: "member", 8: "admin", 15: "owner"}
"""PostHog's levels of membership (OrganizationMembership.Level)."""
DISTANT = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class HostAccount:
    """An account of a host that somebody could use, as the host answered.

    `opens` is whether it can be logged in to: neither expired nor without a shell. `keys` are fingerprints, `sudo` what
    sudo itself lists, `expires` the day from which it is closed, `last_login` and `since` times; "" where not known.
    `processes` are those that run under it now. `ways` is what sshd, sudo and passwd say of it, for whoever tries them.
    """

    host: str
    name: str
    declared: str
    opens: bool
    keys: tuple[str, ...] = ()
    sudo: tuple[str, ...] = ()
    expires: str = ""
    since: str = ""
    last_login: str = ""
    processes: int = 0
    ways: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """A personal API key of PostHog's, without its value."""

    label: str
    since: str
    last_used: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """Somebody with an account in PostHog. `sessions` is None where this release does not say whose a session is."""

    email: str
    level: str
    active: bool
    second_factor: str
    since: str
    last_login: str
    keys: tuple[Key, ...]
    sessions: int | None
    tokens: int


@dataclass(frozen=True)
class DatabaseRole:
    """A role that can open a session of PostgreSQL; `declared` says for what, "" where nobody declared it."""

    host: str
    name: str
    declared: str
    superuser: bool
    until: str
    sessions: int


@dataclass(frozen=True)
class Access:
    """Everything that was seen, at one time."""

    at: str
    accounts: tuple[HostAccount, ...]
    members: tuple[Member, ...]
    roles: tuple[DatabaseRole, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        accounts = [{key: value for key, value in asdict(one).items() if key != "ways"} for one in self.accounts]
        return {
            "at": self.at,
            "hosts": accounts,
            "members": [asdict(one) for one in self.members],
            "database": [asdict(one) for one in self.roles],
        }


def account_of(host: str, said: Mapping[str, Any], people: Sequence[Administrator], installer: str) -> HostAccount:
    """Return an account as the probe told of it, held against the declaration."""
    name = str(said["name"])
    today = datetime.date.fromisoformat(said["today"])
    expires = _day(str(said["expires"]))
    known = {person.name: person for person in people}
    declared = ""
    if name in known and not known[name].is_over(today):
        declared = "for emergencies" if known[name].sealed else "administrator"
    declared = "installer" if name == installer else "root" if name == "root" else declared
    over = bool(expires) and expires <= today.isoformat()
    return HostAccount(
        host=host,
        name=name,
        declared=declared,
        opens=bool(said["shell"]) and not over and name != "root",
        keys=tuple(said["keys"]),
        sudo=tuple(said["sudo"]),
        expires=expires,
        since=said["since"],
        last_login=said["last_login"],
        processes=int(said["processes"]),
        ways=said,
    )


def member_of(said: Mapping[str, Any]) -> Member:
    """Return a member as the database told of one."""
    level = said["level"]
    return Member(
        email=said["email"],
        level=LEVELS.get(level, str(level)) if level else "none",
        active=bool(said["active"]),
        second_factor=said["second_factor"],
        since=said["since"] or "",
        last_login=said["last_login"] or "",
        keys=tuple(
            Key(key["label"], key["since"] or "", key["last_used"] or "", tuple(key["scopes"] or ()))
            for key in said["keys"] or ()
        ),
        sessions=said["sessions"],
        tokens=int(said["tokens"]),
    )


def invited_of(said: Mapping[str, Any]) -> Member:
    """Return somebody who was invited and has not answered: no member yet, and a link that makes one."""
    level = f"invited as {LEVELS.get(said['level'], said['level'])}"
    return Member(said["email"], level, False, "none", said["since"] or "", "", (), 0, 0)


def role_of(host: str, said: Mapping[str, Any], services: Sequence[str]) -> DatabaseRole:
    """Return a role as the database told of one; `services` are those that services have."""
    name = said["name"]
    declared = "service" if name in services else "root of the host" if name == "postgres" else ""
    return DatabaseRole(host, name, declared, said["superuser"], said["until"] or "", int(said["sessions"]))


def ending(people: Sequence[Administrator], today: datetime.date) -> tuple[str, ...]:
    """Return a line for each administrator whose day has come or comes within a fortnight, the nearest first."""
    near = sorted(
        ((person.expires, person.name) for person in people if person.expires),
        key=lambda row: row[0],
    )
    lines = []
    for day, name in near:
        if day <= today:
            lines.append(f"{name} is let in no more since {day}: remove her from deploy.yml, or declare a later day")
        elif (day - today).days <= SOON_DAYS:
            lines.append(f"{name} is let in no more from {day} on, in {(day - today).days} days")
    return tuple(lines)


def _day(days: str) -> str:
    return (DISTANT + datetime.timedelta(days=int(days))).isoformat() if days.isdigit() else ""
