"""Asking PostgreSQL on its own host."""

from __future__ import annotations

import shlex


def sql(query: str, database: str = "postgres") -> str:
    """Return the command that asks PostgreSQL one question, as the system user it trusts on its socket."""
    return f"runuser -u postgres -- psql -XAtqw -d {database} -c {shlex.quote(query)}"
