"""The review of access that 45 CFR 164.308(a)(4)(ii)(C) asks for, as a table that a person signs. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from hedgerow.people import Access

COLUMNS = ("kind", "place", "who", "declared", "access", "open", "since", "until", "last used", "details", "keep?")
"""The last one is empty: the reviewer's."""
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


def table(access: Access) -> str:
    """Return everything that was seen as CSV, a line for each account, member, key and role."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_plain(cell) for cell in row] for row in _rows(access))
    return out.getvalue()


def _rows(access: Access) -> Iterator[tuple[str, ...]]:
    for one in access.accounts:
        powers, keys = "; ".join(one.sudo) or "no sudo", "; ".join(one.keys) or "no key"
        opens = "yes" if one.opens else "no"
        yield ("host account", one.host, one.name, one.declared or "no", powers, opens, one.since, one.expires,
               one.last_login, keys, "")  # fmt: skip
    for member in access.members:
        factor = f"second factor: {member.second_factor}"
        sessions = "sessions not told apart" if member.sessions is None else f"{member.sessions} sessions"
        details = f"{factor}; {sessions}; {member.tokens} OAuth tokens"
        invited = member.level.startswith("invited")
        opens = "yes" if invited or (member.active and member.level != "none") else "no"
        yield ("member", "PostHog", member.email, "", member.level, opens, member.since, "", member.last_login,
               details, "")  # fmt: skip
        for key in member.keys:
            yield ("API key", "PostHog", member.email, "", ", ".join(key.scopes), opens, key.since, "",
                   key.last_used, key.label, "")  # fmt: skip
    for role in access.roles:
        powers = "superuser" if role.superuser else "its own tables"
        yield ("database role", role.host, role.name, role.declared or "no", powers, "yes", "", role.until, "",
               f"{role.sessions} sessions", "")  # fmt: skip


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(RISKY) else cell
