#!/usr/bin/python
"""State PostgreSQL's databases, roles and rights; what was not declared loses its power, and nothing is dropped."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_postgres
short_description: State PostgreSQL's databases, roles and rights in one call
description:
  - Asks the server over its own socket, as the system user postgres, compares, and says only what differs.
  - Every declared role can log in to its own databases and nothing else. A role that was not declared keeps what it
    owns, but cannot log in, and no role but the first superuser has powers, memberships or settings of its own.
  - The owner of a database makes its tables in schema public; the other roles of that database read and write them.
  - Passwords are compared with the stored SCRAM verifier, and sent as a verifier only, over standard input.
  - Supports check mode, where a server that does not exist yet is taken as empty, and diff, where verifiers are hidden.
options:
  databases:
    type: list
    elements: dict
    required: true
    description: The databases.
    suboptions:
      name: {type: str, required: true, description: "Its name."}
      owner: {type: str, required: true, description: "A name of O(roles)."}
  roles:
    type: list
    elements: dict
    required: true
    description: The roles that may log in over the network.
    suboptions:
      name: {type: str, required: true, description: "Its name."}
      password: {type: str, required: true, description: "Printable ASCII."}
      databases: {type: list, elements: str, required: true, description: "Names of O(databases)."}
      connection_limit: {type: int, required: true, description: "How many sessions at once."}
  superuser_settings: {type: dict, default: {}, description: "What holds for sessions of postgres only."}
"""

RETURN = r"""
statements: {description: "What was said, or would be, verifiers hidden.", type: list, elements: str, returned: always}
"""

Statements = dict[str, list[str]]
"""Database -> what is said there, in order."""

WHOLE_SERVER = "postgres"
SUPERUSER = "postgres"
EMPTY: dict[str, Any] = {"version": 17, "roles": [], "members": [], "settings": [], "databases": []}
EMPTY_DATABASE: dict[str, Any] = {"audited": False, "schema": [], "relations": [], "defaults": []}
TABLE_RIGHTS = ("DELETE", "INSERT", "SELECT", "UPDATE")
SEQUENCE_RIGHTS = ("SELECT", "USAGE")
KINDS = {"r": ("TABLES", TABLE_RIGHTS), "S": ("SEQUENCES", SEQUENCE_RIGHTS)}
POWERS = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")

SERVER_STATE = """
with roles as (select * from pg_authid where rolname !~ '^pg_'),
rights as (
  select d.oid, jsonb_agg(jsonb_build_array(
    coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), a.privilege_type)) as list
  from pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) a where a.grantee <> datdba group by d.oid)
select jsonb_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'roles', (select jsonb_agg(jsonb_build_object('name', rolname, 'first', oid = 10, 'login', rolcanlogin,
    'limit', rolconnlimit, 'verifier', rolpassword, 'expires', rolvaliduntil is not null, 'powers', array_remove(array[
      case when rolsuper then 'SUPERUSER' end, case when rolcreatedb then 'CREATEDB' end,
      case when rolcreaterole then 'CREATEROLE' end, case when rolreplication then 'REPLICATION' end,
      case when rolbypassrls then 'BYPASSRLS' end], null))) from roles),
  'members', (select coalesce(jsonb_agg(jsonb_build_array(g.rolname, m.rolname, b.rolname)), '[]')
    from pg_auth_members a join pg_authid g on g.oid = roleid join roles m on m.oid = member
    join pg_authid b on b.oid = grantor where m.oid <> 10),
  'settings', (select coalesce(jsonb_agg(jsonb_build_array(r.rolname, d.datname, s.setconfig)), '[]')
    from pg_db_role_setting s left join pg_authid r on r.oid = setrole left join pg_database d on d.oid = setdatabase),
  'databases', (select jsonb_agg(jsonb_build_object('name', datname, 'owner', datdba::regrole::text,
    'rights', coalesce(rights.list, '[]'))) from pg_database d left join rights using (oid) where datallowconn))
"""
# Only rows of what is not the owner's; members of an extension keep the rights that it came with.
DATABASE_STATE = """
with relations as (
  select c.oid, case when relkind = 'S' then 'S' else 'r' end as kind, relowner, relacl from pg_class c
  where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not exists (
    select 1 from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')),
rights as (
  select r.oid, kind, coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') as grantee,
    array_agg(a.privilege_type order by a.privilege_type) as list
  from relations r, aclexplode(coalesce(relacl, acldefault(case kind when 'S' then 's' else 'r' end::"char", relowner))) a
  where a.grantee <> relowner group by 1, 2, 3)
select jsonb_build_object(
  'audited', exists (select 1 from pg_extension where extname = 'pgaudit'),
  'schema', (select coalesce(jsonb_agg(jsonb_build_array(
      coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), a.privilege_type)), '[]')
    from pg_namespace n, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
    where nspname = 'public' and a.grantee <> nspowner),
  'relations', (select coalesce(jsonb_agg(jsonb_build_array(kind, total, grantee, rights, has)), '[]') from (
    select kind, (select count(*) from relations t where t.kind = k.kind) as total, grantee, rights, count(oid) as has
    from (select distinct kind from relations) k
    left join (select oid, kind, grantee, list as rights from rights) g using (kind) group by 1, 3, 4) s),
  'defaults', (select coalesce(jsonb_agg(jsonb_build_array(kind, by, grantee, list)), '[]') from (
    select defaclobjtype as kind, defaclrole::regrole::text as by,
      coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') as grantee,
      array_agg(a.privilege_type order by a.privilege_type) as list
    from pg_default_acl, aclexplode(defaclacl) a
    where defaclnamespace = 'public'::regnamespace and defaclobjtype in ('r', 'S') group by 1, 2, 3) s))
"""
# Nothing of what follows belongs in a log: neither a verifier, nor the line of a statement that failed.
QUIET = """\\set ON_ERROR_STOP on
\\set VERBOSITY terse
set log_statement = 'none'; set log_min_error_statement = 'panic'; set log_min_duration_statement = -1;
set client_min_messages = warning;
"""


class RefusedError(Exception):
    """PostgreSQL could not be asked, or did not accept what was said."""


def name(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def grantee(word: str) -> str:
    """A grantee as regrole writes it: already quoted where it must be, or PUBLIC."""
    return word


def proves(verifier: str | None, password: str) -> bool:
    """Whether a stored SCRAM verifier is that of the password (RFC 5802, 3; PostgreSQL manual, 51.8)."""
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)", verifier or "")
    return bool(found) and verifier == scram(password, base64.b64decode(found[2]), int(found[1]))


def scram(password: str, salt: bytes, rounds: int = 4096) -> str:
    """Make the verifier that PostgreSQL keeps in place of a password."""
    if not re.fullmatch(r"[!-~]+", password):
        raise RefusedError("a password holds more than printable ASCII, which SCRAM would have to normalise")
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
            yield f"{'ALTER' if have else 'CREATE'} ROLE {name(role['name'])} {' '.join(wishes)};"


def other_roles(declared: set[str], found: dict[str, dict]) -> Iterator[str]:
    for role in found.values():
        if role["first"]:
            wishes = ["PASSWORD NULL"] if role["verifier"] else []
        elif role["name"] in declared:
            continue
        else:
            wishes = ["NOLOGIN"] if role["login"] else []
            wishes += [f"NO{power}" for power in role["powers"]]
        if wishes:
            yield f"ALTER ROLE {name(role['name'])} {' '.join(wishes)};"


def settings(wanted: dict[str, str], found: list) -> Iterator[str]:
    """Settings of roles and databases win over the file; only those of the superuser are ours."""
    lines = sorted(f"{key}={value}" for key, value in wanted.items())
    right = False
    for role, database, have in found:
        if role == SUPERUSER and database is None and sorted(have) == lines:
            right = True
        elif role is None:
            yield f"ALTER DATABASE {name(database)} RESET ALL;" if database else "ALTER ROLE ALL RESET ALL;"
        else:
            yield f"ALTER ROLE {name(role)}{f' IN DATABASE {name(database)}' if database else ''} RESET ALL;"
    if not right:
        for key, value in sorted(wanted.items()):
            yield f"ALTER ROLE {name(SUPERUSER)} SET {key} = {text(value)};"


def exact(kind: str, object_name: str, wanted: set[tuple[str, str]], found: list) -> Iterator[str]:
    """Bring the rights of an object to just those wanted, the owner's aside."""
    have = {tuple(row) for row in found}
    for who in sorted({who for who, _ in have - wanted}):
        yield f"REVOKE ALL ON {kind} {object_name} FROM {grantee(who)};"
        have = {row for row in have if row[0] != who}
    for who, right in sorted(wanted - have):
        yield f"GRANT {right} ON {kind} {object_name} TO {grantee(who)};"


def relations(others: list[str], found: list) -> Iterator[str]:
    """Whoever has not just the rights wanted, on every table and sequence, gets them anew."""
    for kind, (words, rights) in KINDS.items():
        rows = [row for row in found if row[0] == kind]
        right = {who for _, total, who, have, count in rows if have == list(rights) and count == total and who in others}
        wrong = {who for _, _, who, _, _ in rows if who and who not in right}
        for who in sorted(wrong):
            yield f"REVOKE ALL ON ALL {words} IN SCHEMA public FROM {grantee(who)};"
        for who in others if rows else ():
            if who not in right:
                yield f"GRANT {', '.join(rights)} ON ALL {words} IN SCHEMA public TO {grantee(who)};"


def defaults(owner: str, others: list[str], found: list) -> Iterator[str]:
    """The rights that tables and sequences of the owner will be born with."""
    for kind, (words, rights) in KINDS.items():
        have = {who: list_ for of, by, who, list_ in found if of == kind and by == owner}
        start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {grantee(owner)} IN SCHEMA public"
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
    said += [f"REVOKE {name(g)} FROM {name(m)} GRANTED BY {name(by)} CASCADE;" for g, m, by in state["members"]]
    said += settings(wanted["superuser_settings"], state["settings"])
    owners = {row["name"]: row["owner"] for row in state["databases"]}
    for row in wanted["databases"]:
        if row["name"] not in owners:
            # The provider that a new C library does not change the order of, where there is one.
            provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' " if state["version"] >= 17 else ""
            said.append(
                f"CREATE DATABASE {name(row['name'])} OWNER {name(row['owner'])} TEMPLATE template0"
                f" ENCODING 'UTF8' {provider}LOCALE 'C.UTF-8';"
            )
        elif owners[row["name"]] not in (row["owner"], name(row["owner"])):
            said.append(f"ALTER DATABASE {name(row['name'])} OWNER TO {name(row['owner'])};")
    return said


def in_database(database: str, wanted: dict[str, Any], rights: list, state: dict[str, Any]) -> list[str]:
    """The rights on one database and on what is in its schema public; `rights` are those on the database itself."""
    owner = next((row["owner"] for row in wanted["databases"] if row["name"] == database), None)
    users = [role["name"] for role in wanted["roles"] if owner and database in role["databases"]]
    others = [plain(user) for user in users if user != owner]
    said = [] if state["audited"] else ["CREATE SCHEMA IF NOT EXISTS pgaudit;", "CREATE EXTENSION pgaudit SCHEMA pgaudit;"]
    said += exact("DATABASE", name(database), {(who, "CONNECT") for who in others}, rights)
    said += exact("SCHEMA", "public", {(who, "USAGE") for who in others}, state["schema"])
    if owner:
        said += [*relations(others, state["relations"]), *defaults(plain(owner), others, state["defaults"])]
    return said


def plain(word: str) -> str:
    """A role's name as regrole writes it, to be compared with what the server says."""
    return word if re.fullmatch(r"[a-z_][a-z0-9_]*", word) else name(word)


class Postgres:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def say(self, script: str) -> str:
        code, out, err = self.module.run_command(
            ["runuser", "-u", SUPERUSER, "--", "psql", "-XAtqw", "-f", "-", WHOLE_SERVER],
            data=QUIET + script,
            cwd="/",
            environ_update={"PGAPPNAME": "hedgerow"},
        )
        if code != 0:
            raise RefusedError(re.sub(r"SCRAM-SHA-256\$\S+", "(hidden)", err.strip()) or "psql failed without a word")
        return out

    def ask(self, query: str) -> dict[str, Any]:
        return json.loads(self.say(query + ";\n"))

    def ask_each(self, databases: list[str]) -> dict[str, dict[str, Any]]:
        script = "".join(f"\\connect {name(database)}\n{DATABASE_STATE};\n" for database in databases)
        return dict(zip(databases, map(json.loads, self.say(script).splitlines()), strict=True)) if databases else {}

    def tell(self, statements: Statements) -> None:
        """Databases cannot be made in a transaction; all else of one database is one."""
        script = "".join(f"{line}\n" for line in statements.get("", []))
        for database, lines in statements.items():
            if database and lines:
                script += f"\\connect {name(database)}\n{QUIET}begin;\n" + "\n".join(lines) + "\ncommit;\n"
        self.say(script)


def planned(wanted: dict[str, Any], state: dict[str, Any], inside: dict[str, dict[str, Any]]) -> Statements:
    """Everything that differs, by database; "" is the server itself. Pure, but for the salt of a new verifier."""
    statements = {"": on_server(wanted, state)}
    rights = {row["name"]: row["rights"] for row in state["databases"]}
    for row in wanted["databases"]:
        rights.setdefault(row["name"], [["PUBLIC", "CONNECT"], ["PUBLIC", "TEMPORARY"]])
    for database in sorted(rights):
        new = {**EMPTY_DATABASE, "schema": [["PUBLIC", "USAGE"]]}
        statements[database] = in_database(database, wanted, rights[database], inside.get(database, new))
    return statements


def main() -> None:
    database = {"name": {"type": "str", "required": True}, "owner": {"type": "str", "required": True}}
    role = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "databases": {"type": "list", "elements": "str", "required": True},
        "connection_limit": {"type": "int", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "list", "elements": "dict", "required": True, "options": database},
            "roles": {"type": "list", "elements": "dict", "required": True, "options": role},
            "superuser_settings": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    postgres = Postgres(module)
    try:
        if module.check_mode and module.get_bin_path("psql") is None:
            state, inside = EMPTY, {}
        else:
            state = postgres.ask(SERVER_STATE)
            inside = postgres.ask_each([row["name"] for row in state["databases"]])
        statements = planned(module.params, state, inside)
        if any(statements.values()) and not module.check_mode:
            postgres.tell(statements)
    except RefusedError as problem:
        module.fail_json(msg=str(problem))
    said = [f"{place + ': ' if place else ''}{line}" for place, lines in statements.items() for line in lines]
    said = [re.sub(r"SCRAM-SHA-256\$[^']+", "(hidden)", line) for line in said]
    diff = {"before": "", "after": "".join(f"{line}\n" for line in said)}
    module.exit_json(changed=bool(said), statements=said, diff=diff)


if __name__ == "__main__":
    main()
