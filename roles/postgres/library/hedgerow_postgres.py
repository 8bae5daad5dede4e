#!/usr/bin/python
"""State PostgreSQL's databases, roles and rights; what was not declared loses its power, and nothing is dropped."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hedgerow_postgres_plan import NO_SERVER, SUPERUSER, planned, quoted

DOCUMENTATION = r"""
module: hedgerow_postgres
short_description: State PostgreSQL's databases, roles and rights in one call
description:
  - Asks the server over its own socket, as the system user postgres, compares, and says only what differs.
  - A declared role logs in to its own databases and nothing else. One that was not declared keeps what it owns and can
    no longer log in. No role but the first superuser has powers, memberships or settings of its own.
  - The owner of a database makes its tables in schema public; the other roles of that database read and write them,
    all or, with O(roles[].reads) or O(roles[].writes), those named. An event trigger gives the same rights on tables
    that are made later.
  - Passwords are compared with the stored SCRAM verifier, and sent as a verifier only, over standard input.
  - Supports check mode, where a server that does not answer is taken as empty, and diff, where verifiers are hidden.
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
      reads: {type: list, elements: str, default: [], description: "Tables it may only read."}
      writes: {type: list, elements: str, default: [], description: "Tables it may read and write."}
  superuser_settings: {type: dict, default: {}, description: "What holds for sessions of postgres only."}
"""

RETURN = r"""
statements: {description: "What was said, or would be, verifiers hidden.", type: list, elements: str, returned: always}
"""

# Rights are asked as [grantee, right]; those of an owner are its own affair and left out.
GRANTEE = "case a.grantee when 0 then '' else pg_get_userbyid(a.grantee) end"
SERVER_STATE = f"""
with roles as (select * from pg_authid where rolname !~ '^pg_'),
rights as (
  select d.oid, jsonb_agg(jsonb_build_array({GRANTEE}, a.privilege_type)) as list
  from pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) a where a.grantee <> datdba group by d.oid)
select jsonb_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'roles', (select jsonb_agg(jsonb_build_object('name', rolname, 'first', oid = 10, 'login', rolcanlogin,
    'limit', rolconnlimit, 'verifier', rolpassword, 'expires', rolvaliduntil is not null, 'powers', array_remove(array[
      case when rolsuper then 'SUPERUSER' end, case when rolcreatedb then 'CREATEDB' end,
      case when rolcreaterole then 'CREATEROLE' end, case when rolreplication then 'REPLICATION' end,
      case when rolbypassrls then 'BYPASSRLS' end], null))) from roles),
  'members', (select coalesce(jsonb_agg(jsonb_build_array(
      pg_get_userbyid(roleid), m.rolname, pg_get_userbyid(grantor))), '[]')
    from pg_auth_members join roles m on m.oid = member where m.oid <> 10),
  'settings', (select coalesce(jsonb_agg(jsonb_build_array(r.rolname, d.datname, s.setconfig)), '[]')
    from pg_db_role_setting s left join pg_authid r on r.oid = setrole left join pg_database d on d.oid = setdatabase),
  'databases', (select jsonb_agg(jsonb_build_object('name', datname, 'owner', pg_get_userbyid(datdba),
    'rights', coalesce(rights.list, '[]'))) from pg_database d left join rights using (oid) where datallowconn));
"""  # noqa: S608 (nothing from outside is put into it)
# What came with an extension keeps the rights that it came with.
DATABASE_STATE = f"""
with relations as (
  select c.oid, relname, case when relkind = 'S' then 'S' else 'r' end as kind, relowner, relacl from pg_class c
  where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not exists (
    select 1 from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')),
rights as (
  select r.oid, relname, kind, {GRANTEE} as grantee, jsonb_agg(a.privilege_type order by a.privilege_type) as list
  from relations r, aclexplode(coalesce(relacl,
    acldefault(case kind when 'S' then 's' else 'r' end::"char", relowner))) a
  where a.grantee <> relowner group by 1, 2, 3, 4)
select jsonb_build_object(
  'audited', exists (select 1 from pg_extension where extname = 'pgaudit'),
  'schema_owner', (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'public'),
  'schema', (select coalesce(jsonb_agg(jsonb_build_array({GRANTEE}, a.privilege_type)), '[]')
    from pg_namespace n, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
    where nspname = 'public' and a.grantee <> nspowner),
  'tables', (select coalesce(jsonb_agg(relname), '[]') from relations where kind = 'r'),
  'sequences', (select coalesce(jsonb_agg(jsonb_build_array(s.relname, t.relname)), '[]') from pg_depend d
    join relations s on s.oid = d.objid and s.kind = 'S' join relations t on t.oid = d.refobjid and t.kind = 'r'
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass),
  'at_birth', (select p.prosrc from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
    where evtname = 'hedgerow_at_birth' and evtenabled <> 'D'),
  'relations', (select coalesce(jsonb_agg(jsonb_build_array(kind, total, grantee, list, has, names)), '[]') from (
    select kind, total, grantee, list, count(oid) as has,
      case when count(oid) < total then jsonb_agg(relname) else '[]' end as names
    from (select kind, count(*) as total from relations group by 1) k left join rights using (kind)
    group by 1, 2, 3, 4) s),
  'defaults', (select coalesce(jsonb_agg(jsonb_build_array(kind, by, grantee, list)), '[]') from (
    select defaclobjtype as kind, pg_get_userbyid(defaclrole) as by, {GRANTEE} as grantee,
      jsonb_agg(a.privilege_type order by a.privilege_type) as list
    from pg_default_acl, aclexplode(defaclacl) a
    where defaclnamespace = 'public'::regnamespace and defaclobjtype in ('r', 'S') group by 1, 2, 3) s));
"""  # noqa: S608 (nothing from outside is put into it)
# Nothing of what is said belongs in a log: neither a verifier, nor the line of a statement that failed.
QUIET = "-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1"
TERSE = "\\set ON_ERROR_STOP on\n\\set VERBOSITY terse\n"
UNREACHABLE = 2  # psql(1), exit status


class RefusedError(Exception):
    """PostgreSQL did not accept what was said."""


class SilentError(RefusedError):
    """PostgreSQL could not be asked."""


def say(module: AnsibleModule, script: str) -> list[str]:
    """Have psql read a script from standard input; return the lines it answers."""
    code, out, err = module.run_command(
        ["runuser", "-u", SUPERUSER, "--", "psql", "-XAtqw", "-f", "-", "postgres"],
        data=TERSE + script,
        cwd="/",
        environ_update={"PGAPPNAME": "hedgerow", "PGOPTIONS": QUIET},
    )
    if code != 0:
        kind = SilentError if code == UNREACHABLE else RefusedError
        raise kind(re.sub(r"SCRAM-SHA-256\$\S+", "(hidden)", err.strip()) or "psql failed without a word")
    return out.splitlines()


def connect(database: str) -> str:
    return f"\\connect {quoted(database)}\n"


def find(module: AnsibleModule) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the server is like, and what each of its databases is like."""
    if module.check_mode and module.get_bin_path("psql") is None:
        return NO_SERVER, {}
    try:
        state = json.loads(say(module, SERVER_STATE)[0])
    except SilentError:
        if module.check_mode:
            return NO_SERVER, {}
        raise
    names = [row["name"] for row in state["databases"]]
    answers = say(module, "".join(connect(each) + DATABASE_STATE for each in names))
    return state, dict(zip(names, map(json.loads, answers), strict=True))


def main() -> None:
    database = {"name": {"type": "str", "required": True}, "owner": {"type": "str", "required": True}}
    role = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "databases": {"type": "list", "elements": "str", "required": True},
        "connection_limit": {"type": "int", "required": True},
        "reads": {"type": "list", "elements": "str", "default": []},
        "writes": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "list", "elements": "dict", "required": True, "options": database},
            "roles": {"type": "list", "elements": "dict", "required": True, "options": role},
            "superuser_settings": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        statements = planned(module.params, *find(module))
        if any(statements.values()) and not module.check_mode:
            # A database cannot be made in a transaction; all that is said in one of them is one.
            script = "".join(f"{line}\n" for line in statements[""])
            for place, lines in statements.items():
                if place and lines:
                    script += connect(place) + "begin;\n" + "\n".join(lines) + "\ncommit;\n"
            say(module, script)
    except (RefusedError, ValueError) as problem:
        module.fail_json(msg=str(problem))
    said = [f"{place + ': ' if place else ''}{line}" for place, lines in statements.items() for line in lines]
    said = [re.sub(r"SCRAM-SHA-256\$[^']+", "(hidden)", line) for line in said]
    module.exit_json(changed=bool(said), statements=said, diff={"before": "", "after": "".join(f"{s}\n" for s in said)})


if __name__ == "__main__":
    main()
