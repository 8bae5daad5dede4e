"""What must be said to PostgreSQL so that its databases, roles and rights are as declared: decisions, no effects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.hedgerow_postgres_narrow import Rights, at_birth, narrowed, quoted, tables_of, text

SUPERUSER = "postgres"
PUBLIC = ""  # as a grantee; every other is a role's name
POWERS = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")
KINDS = {"r": ("TABLES", ("DELETE", "INSERT", "SELECT", "UPDATE")), "S": ("SEQUENCES", ("SELECT", "USAGE"))}
NO_SERVER: dict[str, Any] = {"version": 17, "roles": [], "members": [], "settings": [], "databases": []}
NEW_DATABASE: dict[str, Any] = {
    "audited": False,
    "schema": [[PUBLIC, "USAGE"]],
    "schema_owner": "pg_database_owner",
    "relations": [],
    "defaults": [],
    "tables": [],
    "sequences": [],
    "at_birth": None,
}


def grantee(word: str) -> str:
    return "PUBLIC" if word == PUBLIC else quoted(word)


def proves(verifier: str | None, password: str) -> bool:
    """Whether a stored SCRAM verifier is that of the password."""
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$.+", verifier or "")
    return bool(found) and verifier == scram(password, base64.b64decode(found[2]), int(found[1]))


def scram(password: str, salt: bytes, rounds: int = 4096) -> str:
    """Make the verifier that PostgreSQL keeps in place of a password (RFC 5802, 3; PostgreSQL manual, pg_authid)."""
    if not re.fullmatch(r"[!-~]+", password):
        raise ValueError("a password holds more than printable ASCII, which SCRAM would have to normalise")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256${rounds}:{salt_text}${stored_text}:{server_text}"


def declared_roles(roles: list[dict], found: dict[str, dict]) -> Iterator[str]:
    for role in roles:
        have = found.get(role["name"])
        wishes = [] if have and have["login"] else ["LOGIN"]
        wishes += [f"NO{power}" for power in POWERS if have is None or power in have["powers"]]
        if have is None or have["limit"] != role["connection_limit"]:
            wishes.append(f"CONNECTION LIMIT {role['connection_limit']}")
        if have and have["expires"]:
            wishes.append("VALID UNTIL 'infinity'")
        if have is None or not proves(have["verifier"], role["password"]):
            wishes.append(f"PASSWORD {text(scram(role['password'], os.urandom(16)))}")
        if wishes:
            yield f"{'ALTER' if have else 'CREATE'} ROLE {quoted(role['name'])} {' '.join(wishes)};"


def other_roles(declared: set[str], found: dict[str, dict]) -> Iterator[str]:
    for role in found.values():
        if role["first"]:
            if role["verifier"]:
                yield f"ALTER ROLE {quoted(role['name'])} PASSWORD NULL;"
        elif role["name"] not in declared:
            if wishes := (["NOLOGIN"] if role["login"] else []) + [f"NO{power}" for power in role["powers"]]:
                yield f"ALTER ROLE {quoted(role['name'])} {' '.join(wishes)};"
            if role["login"]:
                who = text(role["name"])
                yield f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {who};"  # noqa: S608 (quoted)


def settings(wanted: dict[str, str], found: list) -> Iterator[str]:
    """Settings of roles and databases win over the file; only those of the superuser are ours."""
    lines = sorted(f"{key}={value}" for key, value in wanted.items())
    right = False
    for role, database, have in found:
        if role == SUPERUSER and database is None and sorted(have) == lines:
            right = True
        elif role is None:
            yield f"ALTER DATABASE {quoted(database)} RESET ALL;" if database else "ALTER ROLE ALL RESET ALL;"
        else:
            yield f"ALTER ROLE {quoted(role)}{f' IN DATABASE {quoted(database)}' if database else ''} RESET ALL;"
    if not right:
        for key, value in sorted(wanted.items()):
            yield f"ALTER ROLE {quoted(SUPERUSER)} SET {key} = {text(value)};"


def exact(what: str, wanted: set[tuple[str, str]], found: list) -> Iterator[str]:
    """Bring the rights on one object to just those wanted."""
    have = {(who, right) for who, right in found}
    too_much = {who for who, _ in have - wanted}
    for who in sorted(too_much):
        yield f"REVOKE ALL ON {what} FROM {grantee(who)};"
    for who, right in sorted(wanted - {row for row in have if row[0] not in too_much}):
        yield f"GRANT {right} ON {what} TO {grantee(who)};"


def relations(others: list[str], narrow: dict[str, Rights], found: list) -> Iterator[str]:
    """Whoever has not just the rights wanted, on every table and sequence, gets them anew; `narrow` roles apart."""
    for kind, (words, rights) in KINDS.items():
        rows = [row for row in found if row[0] == kind]
        right = {row[2] for row in rows if row[3] == list(rights) and row[4] == row[1] and row[2] in others}
        for who in sorted({row[2] for row in rows if row[2] is not None} - right - narrow.keys()):
            yield f"REVOKE ALL ON ALL {words} IN SCHEMA public FROM {grantee(who)};"
        for who in others if rows else ():
            if who not in right:
                yield f"GRANT {', '.join(rights)} ON ALL {words} IN SCHEMA public TO {grantee(who)};"


def defaults(owner: str, others: list[str], found: list) -> Iterator[str]:
    """The rights that the owner's tables and sequences are born with."""
    start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(owner)} IN SCHEMA public"
    for kind, (words, rights) in KINDS.items():
        have = {who: listed for of, by, who, listed in found if of == kind and by == owner}
        for who in sorted(have):
            if who not in others or have[who] != list(rights):
                yield f"{start} REVOKE ALL ON {words} FROM {grantee(who)};"
        for who in others:
            if have.get(who) != list(rights):
                yield f"{start} GRANT {', '.join(rights)} ON {words} TO {grantee(who)};"


def on_server(wanted: dict[str, Any], state: dict[str, Any]) -> list[str]:
    """Roles and databases: what is said before any database is entered."""
    found = {role["name"]: role for role in state["roles"]}
    said = [*other_roles({role["name"] for role in wanted["roles"]}, found), *declared_roles(wanted["roles"], found)]
    said += [f"REVOKE {quoted(g)} FROM {quoted(m)} GRANTED BY {quoted(by)} CASCADE;" for g, m, by in state["members"]]
    said += settings(wanted["superuser_settings"], state["settings"])
    owners = {row["name"]: row["owner"] for row in state["databases"]}
    # The provider whose order of letters no upgrade of the C library changes, where there is one.
    provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' " if state["version"] >= 17 else ""
    for row in wanted["databases"]:
        database, owner = quoted(row["name"]), quoted(row["owner"])
        if row["name"] not in owners:
            options = f"TEMPLATE template0 {provider}LOCALE 'C.UTF-8' ENCODING 'UTF8'"
            said.append(f"CREATE DATABASE {database} OWNER {owner} {options};")
        elif owners[row["name"]] != row["owner"]:
            said.append(f"ALTER DATABASE {database} OWNER TO {owner};")
    return said


def in_database(database: str, wanted: dict[str, Any], rights: list, state: dict[str, Any]) -> list[str]:
    """The rights on one database, which are `rights`, and on what is in its schema public."""
    owner = next((row["owner"] for row in wanted["databases"] if row["name"] == database), None)
    users = [role["name"] for role in wanted["roles"] if owner and database in role["databases"]]
    others = [user for user in users if user != owner]
    narrow = {
        role["name"]: tables for role in wanted["roles"] if role["name"] in others and (tables := tables_of(role))
    }
    wide = [user for user in others if user not in narrow]
    extension = ["CREATE SCHEMA IF NOT EXISTS pgaudit;", "CREATE EXTENSION pgaudit SCHEMA pgaudit;"]
    said = [] if state["audited"] else extension
    said += exact(f"DATABASE {quoted(database)}", {(who, "CONNECT") for who in others}, rights)
    if state["schema_owner"] not in ("pg_database_owner", None):
        said.append("ALTER SCHEMA public OWNER TO pg_database_owner;")
    said += exact("SCHEMA public", {(who, "USAGE") for who in others}, state["schema"])
    if owner:
        said += [*relations(wide, narrow, state["relations"]), *defaults(owner, wide, state["defaults"])]
        said += [*narrowed(narrow, state), *at_birth(narrow, state["at_birth"])]
    return said


def planned(wanted: dict[str, Any], state: dict[str, Any], inside: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Everything that differs, by database; "" is the server itself. Pure, but for the salt of a new verifier."""
    rights = {row["name"]: row["rights"] for row in state["databases"]}
    for row in wanted["databases"]:
        rights.setdefault(row["name"], [[PUBLIC, "CONNECT"], [PUBLIC, "TEMPORARY"]])
    statements = {"": on_server(wanted, state)}
    for database in sorted(rights):
        statements[database] = in_database(database, wanted, rights[database], inside.get(database, NEW_DATABASE))
    return statements
