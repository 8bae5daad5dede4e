"""Roles that have rights on some tables only: decisions, no effects.

A database's tables are made by its owner's migrations, long after this is said, and default privileges know no names.
So an event trigger gives each table, in the transaction that makes it, the rights declared for its name. It runs with
the rights of whoever makes the table, who may give them on her own tables and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

READ = ("SELECT",)
WRITE = ("DELETE", "INSERT", "SELECT", "UPDATE")
COUNT = ("SELECT", "USAGE")
SCHEMA, NAME = "hedgerow", "hedgerow_at_birth"
BODY = """
declare
  made record;
  counter record;
begin
  for made in
    select done.objid, class.relname, wanted.rights, wanted.role
    from pg_event_trigger_ddl_commands() done
    join pg_class class on class.oid = done.objid and done.classid = 'pg_class'::regclass
    join (values {values}) wanted (relname, role, rights) on wanted.relname = class.relname
    where class.relnamespace = 'public'::regnamespace and class.relkind in ('r', 'p', 'v', 'm', 'f')
  loop
    execute format('grant %s on table public.%I to %I', made.rights, made.relname, made.role);
    if made.rights like '%INSERT%' then
      for counter in
        select serial.relname from pg_depend
        join pg_class serial on serial.oid = pg_depend.objid and serial.relkind = 'S'
        where pg_depend.classid = 'pg_class'::regclass and pg_depend.refobjid = made.objid
      loop
        execute format('grant {count} on sequence public.%I to %I', counter.relname, made.role);
      end loop;
    end if;
  end loop;
end
"""

Rights = Mapping[str, tuple[str, ...]]


def quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def tables_of(role: Mapping[str, Any]) -> Rights:
    """The rights of a role by table; empty for one that has them on all."""
    return {**dict.fromkeys(role.get("reads") or (), READ), **dict.fromkeys(role.get("writes") or (), WRITE)}


def body(narrow: Mapping[str, Rights]) -> str:
    """What is done for each table that is made; "" where nobody is narrow."""
    rows = [(name, role, ", ".join(rights)) for role, named in sorted(narrow.items()) for name, rights in named.items()]
    values = ", ".join(f"({', '.join(map(text, row))})" for row in rows)
    return BODY.replace("{values}", values).replace("{count}", ", ".join(COUNT)) if rows else ""


def at_birth(narrow: Mapping[str, Rights], found: str | None) -> Iterator[str]:
    """The rights that tables are born with; `found` is what the trigger does now, None where there is none."""
    wanted = body(narrow)
    if (found or "") == wanted:
        return
    yield f"DROP EVENT TRIGGER IF EXISTS {NAME};"
    if wanted:
        yield f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};"
        yield (
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.at_birth() RETURNS event_trigger LANGUAGE plpgsql"
            f" SET search_path = pg_catalog, pg_temp AS $at_birth${wanted}$at_birth$;"
        )
        yield (
            f"CREATE EVENT TRIGGER {NAME} ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS',"
            f" 'ALTER TABLE', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW') EXECUTE FUNCTION {SCHEMA}.at_birth();"
        )


def narrowed(narrow: Mapping[str, Rights], state: Mapping[str, Any]) -> Iterator[str]:
    """Bring the rights on what there is already to just those declared."""
    for role, named in sorted(narrow.items()):
        wanted = {("TABLE", name): rights for name, rights in named.items() if name in state["tables"]}
        wanted |= {("SEQUENCE", name): COUNT for name, of in state["sequences"] if named.get(of) == WRITE}
        have: dict[tuple[str, str], tuple[str, ...]] = {}
        for kind, total, who, rights, has, names in state["relations"]:
            if who != role:
                continue
            word = "SEQUENCE" if kind == "S" else "TABLE"
            if has == total and not names:
                yield f"REVOKE ALL ON ALL {word}S IN SCHEMA public FROM {quoted(role)};"
            have |= {(word, name): tuple(rights) for name in names}
        for word, name in sorted(have):
            if have[word, name] != wanted.get((word, name)):
                yield f"REVOKE ALL ON {word} public.{quoted(name)} FROM {quoted(role)};"
        for word, name in sorted(wanted):
            if have.get((word, name)) != wanted[word, name]:
                yield f"GRANT {', '.join(wanted[word, name])} ON {word} public.{quoted(name)} TO {quoted(role)};"
