"""Taking somebody's ways in, and trying each afterwards: what was tried, what it answered, whether it is closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow.errors import CallError
from hedgerow.flow import Work
from hedgerow.hosts import Host
from hedgerow.people import DatabaseRole, HostAccount
from hedgerow.people.asking import TABLES, TOKENS, invitations, members_query, query

OWNER = 15  # OrganizationMembership.Level
TABLES_OF_KEYS = ("posthog_personalapikey", *TOKENS)

# Each table by itself, with its constraints held at once: what another table still points to stays, is seen to be
# there afterwards, and is refused all the same, because the account is not active.
REMOVE = """
SET CONSTRAINTS ALL IMMEDIATE;
CREATE TEMP TABLE gone AS SELECT id FROM posthog_user WHERE lower(email) = lower(:'email');
UPDATE posthog_user SET is_active = false,
  password = '!' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
  WHERE id IN (SELECT id FROM gone);
CREATE TEMP TABLE address AS SELECT lower(:'email') AS email;
DO $do$ BEGIN IF to_regclass('posthog_organizationinvite') IS NOT NULL THEN
  EXECUTE 'DELETE FROM posthog_organizationinvite WHERE lower(target_email) IN (SELECT email FROM address)';
END IF; END $do$;
DO $do$ DECLARE what text; BEGIN
  FOREACH what IN ARRAY ARRAY[{tables}] LOOP BEGIN
    EXECUTE format('DELETE FROM %I t WHERE to_jsonb(t)->>''user_id'' IN (SELECT id::text FROM gone)', what);
  EXCEPTION WHEN foreign_key_violation THEN RAISE WARNING '% stays', what; END; END LOOP;
END $do$;
SELECT json_build_object('found', count(*)) FROM gone;
"""


@dataclass(frozen=True)
class Way:
    """A way in that somebody had, tried after it was taken: `closed` is whether it was refused, `answer` how."""

    where: str
    way: str
    closed: bool
    answer: str

    def as_json(self) -> dict[str, Any]:
        """Return it as journal and evidence have it."""
        return {"where": self.where, "way": self.way, "refused": self.closed, "answer": self.answer}


def host_ways(host: str, name: str, accounts: Sequence[HostAccount]) -> tuple[Way, ...]:
    """Return the ways into a host under a name, as sshd, sudo, passwd and the kernel answered about each."""
    account = next((one for one in accounts if one.name == name), None)
    if account is None:
        return (Way(host, "account", True, "there is no such account, or it has no shell and no number of a person's"),)
    said = account.ways
    groups, allowed = set(said["groups"]), set(said["allowed"])
    let_in = sorted(groups & allowed) if allowed else ["everybody"]
    files = ", ".join(said["files"]) or "none"
    return (
        Way(
            host,
            "SSH key",
            not account.keys or not let_in,
            f"{len(account.keys)} keys in {files}" if account.keys else f"sshd finds no key in {files}",
        ),
        Way(host, "SSH account", bool(allowed) and not let_in, _said(let_in, "in no group that sshd lets in")),
        Way(
            host,
            "login",
            not account.opens,
            "has a shell and no end" if account.opens else f"no shell, or ended on {account.expires}",
        ),
        Way(host, "password", not said["password"], "there is one" if said["password"] else "no password opens it"),
        Way(host, "sudo", not account.sudo, _said(account.sudo, "sudo lists nothing for it")),
        Way(
            host,
            "running sessions",
            account.processes == 0,
            f"{account.processes} processes run under it" if account.processes else "no process runs under it",
        ),
    )


def role_way(host: str, name: str, roles: Iterable[DatabaseRole]) -> Way:
    """Return the way into PostgreSQL by a role of one's own."""
    there = any(role.name == name for role in roles)
    return Way(host, "database role", not there, "it can log in" if there else "no role of this name can log in")


def member_ways(where: str, said: Mapping[str, Any] | None, invited: int = 0) -> tuple[Way, ...]:
    """Return the ways into PostHog of a person, as its database answered about each."""
    invitation = Way(where, "invitation", not invited, f"{invited} not answered" if invited else "none is waiting")
    if said is None:
        return (Way(where, "account", True, "PostHog knows nobody of this address"), invitation)
    shut = not said["active"]
    because = "the account is not active" if shut else "the account is active"
    sessions = said["sessions"]
    # A session holds a hash over the password: with another one in its place none is valid any more
    # (django.contrib.auth.get_user, HASH_SESSION_KEY).
    ended = "ended with the password they were opened by" if sessions is None else f"{sessions} sessions"
    keys, tokens = len(said["keys"] or ()), int(said["tokens"])
    return (
        Way(where, "password", shut and not said["password"], f"{'kept' if said['password'] else 'none'}; {because}"),
        Way(where, "sessions", shut and not sessions and not said["password"], f"{ended}; {because}"),
        Way(where, "personal API keys", shut or not keys, f"{keys} keys; {because}"),
        Way(where, "OAuth tokens", shut or not tokens, f"{tokens} tokens; {because}"),
        Way(where, "membership", not said["level"], "none left" if not said["level"] else f"level {said['level']}"),
        invitation,
    )


def member(work: Work, host: Host, email: str) -> Mapping[str, Any] | None:
    """Return what the database says of a person, None where PostHog knows nobody of this address."""
    rows: list[dict[str, Any]] = query(work, host, members_query(set(query(work, host, TABLES))))
    return next((row for row in rows if row["email"].lower() == email.lower()), None)


def invited(work: Work, host: Host, email: str) -> int:
    """Return how many invitations of an address wait to be answered."""
    return sum(row["email"].lower() == email.lower() for row in invitations(work, host))


def demand_removable(work: Work, email: str, said: Mapping[str, Any] | None, waiting: int = 0) -> None:
    """Raise CallError for somebody who is not there, and for an owner: somebody must be left who can let people in."""
    if said is None and waiting:
        return
    if said is None:
        raise CallError(f"PostHog knows nobody of the address {email}", "users list shows who there is.")
    if email.lower() == work.declaration.owner.lower() or said["level"] == OWNER:
        raise CallError(
            f"{email} is an owner of PostHog's organization",
            "The installer's own account stays. Of another, make somebody else the owner in PostHog first.",
        )


def remove_member(work: Work, host: Host, email: str) -> None:
    """End a person's account, sessions, keys, tokens and membership. Safe to repeat. Raises UnreachableError."""
    there = set(query(work, host, TABLES)) | {"django_session"}
    tables = [name for name in (*TABLES_OF_KEYS, "django_session", "posthog_organizationmembership") if name in there]
    text = REMOVE.replace("{tables}", ", ".join(f"'{name}'" for name in tables))
    query(work, host, f"BEGIN;\n{text}COMMIT;\n", email=email)


def _said(found: Sequence[str], nothing: str) -> str:
    return ", ".join(found) if found else nothing
