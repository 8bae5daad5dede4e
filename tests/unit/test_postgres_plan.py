"""What would be said to PostgreSQL, without one: states and statements side by side."""

from __future__ import annotations

import base64
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parents[2] / "roles/postgres/module_utils"


def loaded(name: str) -> Any:
    """Return a module as Ansible would send it to a host, found by the name that the others import it by."""
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[f"ansible.module_utils.{name}"] = module
    return module


narrow = loaded("hedgerow_postgres_narrow")
plan = loaded("hedgerow_postgres_plan")

WEB = {"name": "web", "password": "open-sesame", "databases": ["posthog"], "connection_limit": 40}
WORKER = {"name": "worker", "password": "mellon", "databases": ["posthog"], "connection_limit": 10}
READER = {"name": "reader", "password": "open", "databases": ["posthog"], "connection_limit": 5, "reads": ["team"]}
WRITER = {**READER, "name": "writer", "reads": ["team"], "writes": ["person"]}
WANTED = {
    "databases": [{"name": "posthog", "owner": "web"}],
    "roles": [WEB, WORKER],
    "superuser_settings": {"pgaudit.log": "all"},
}
DEFAULTS = 'ALTER DEFAULT PRIVILEGES FOR ROLE "web" IN SCHEMA public'
DML = ["DELETE", "INSERT", "SELECT", "UPDATE"]


def role(name: str, password: str = "", **others: Any) -> dict[str, Any]:
    """A role as the server tells it: one of ours, unless a case says otherwise."""
    verifier = plan.scram(password, b"0123456789abcdef") if password else None
    return {"name": name, "first": False, "login": True, "limit": 40, "expires": False, "powers": []} | {
        "verifier": verifier,
        **others,
    }


POSTGRES = role("postgres", first=True, limit=-1, powers=list(plan.POWERS))


def server(**others: Any) -> dict[str, Any]:
    """A server on which everything is as declared, unless a case says otherwise."""
    return {
        "version": 17,
        "roles": [POSTGRES, role("web", "open-sesame"), role("worker", "mellon", limit=10)],
        "members": [],
        "settings": [["postgres", None, ["pgaudit.log=all"]]],
        "databases": [
            {"name": "postgres", "owner": "postgres", "rights": []},
            {"name": "posthog", "owner": "web", "rights": [["worker", "CONNECT"]]},
        ],
    } | others


def inside(**others: Any) -> dict[str, Any]:
    """A database in which everything is as declared, unless a case says otherwise."""
    return {
        "audited": True,
        "schema_owner": "pg_database_owner",
        "schema": [["worker", "USAGE"]],
        "relations": [["r", 7, "worker", DML, 7, []], ["S", 2, "worker", ["SELECT", "USAGE"], 2, []]],
        "tables": ["person", "team"],
        "sequences": [["person_id_seq", "person"], ["team_id_seq", "team"]],
        "at_birth": None,
        "defaults": [["r", "web", "worker", DML], ["S", "web", "worker", ["SELECT", "USAGE"]]],
    } | others


OTHER = {
    "audited": True,
    "schema_owner": "pg_database_owner",
    "schema": [],
    "relations": [],
    "defaults": [],
    "tables": [],
    "sequences": [],
    "at_birth": None,
}


def said(state: dict[str, Any] | None = None, posthog: dict[str, Any] | None = None) -> list[str]:
    planned = plan.planned(WANTED, state or server(), {"postgres": OTHER, "posthog": posthog or inside()})
    return [line for lines in planned.values() for line in lines]


def test_nothing_is_said_when_all_is_as_declared() -> None:
    assert said() == []


@pytest.mark.parametrize(
    ("state", "statements"),
    [
        (
            server(
                roles=[POSTGRES, role("web", "open-sesame"), role("worker", "mellon", limit=10, powers=["CREATEDB"])]
            ),
            ['ALTER ROLE "worker" NOCREATEDB;'],
        ),
        (
            server(roles=[POSTGRES, role("web", "open-sesame", login=False), role("worker", "mellon", limit=-1)]),
            ['ALTER ROLE "web" LOGIN;', 'ALTER ROLE "worker" CONNECTION LIMIT 10;'],
        ),
        (
            server(roles=[*server()["roles"], role("stranger", powers=["SUPERUSER"])]),
            [
                'ALTER ROLE "stranger" NOLOGIN NOSUPERUSER;',
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'stranger';",
            ],
        ),
        (server(roles=[*server()["roles"], role("retired", login=False)]), []),
        (
            server(roles=[{**POSTGRES, "verifier": "md5"}, *server()["roles"][1:]]),
            ['ALTER ROLE "postgres" PASSWORD NULL;'],
        ),
        (
            server(members=[["pg_read_all_data", "worker", "postgres"]]),
            ['REVOKE "pg_read_all_data" FROM "worker" GRANTED BY "postgres" CASCADE;'],
        ),
        (
            server(
                settings=[*server()["settings"], ["web", None, ["statement_timeout=0"]], [None, "posthog", ["x=1"]]]
            ),
            ['ALTER ROLE "web" RESET ALL;', 'ALTER DATABASE "posthog" RESET ALL;'],
        ),
        (
            server(settings=[["postgres", None, ["pgaudit.log=none"]]]),
            ['ALTER ROLE "postgres" RESET ALL;', "ALTER ROLE \"postgres\" SET pgaudit.log = 'all';"],
        ),
        (
            server(
                databases=[{"name": "posthog", "owner": "worker", "rights": [["", "CONNECT"], ["worker", "CONNECT"]]}]
            ),
            ['ALTER DATABASE "posthog" OWNER TO "web";', 'REVOKE ALL ON DATABASE "posthog" FROM PUBLIC;'],
        ),
    ],
)
def test_what_differs_on_the_server_is_put_back(state: dict[str, Any], statements: list[str]) -> None:
    assert said(state) == statements


@pytest.mark.parametrize(
    ("posthog", "statements"),
    [
        (
            inside(schema=[["worker", "USAGE"], ["", "CREATE"]]),
            ["REVOKE ALL ON SCHEMA public FROM PUBLIC;"],
        ),
        (
            inside(schema=[["worker", "USAGE"], ["worker", "CREATE"]]),
            ['REVOKE ALL ON SCHEMA public FROM "worker";', 'GRANT USAGE ON SCHEMA public TO "worker";'],
        ),
        (inside(schema_owner="worker"), ["ALTER SCHEMA public OWNER TO pg_database_owner;"]),
        (
            inside(relations=[["r", 8, "worker", DML, 7, ["a"]]]),
            [
                'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "worker";',
                'GRANT DELETE, INSERT, SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO "worker";',
            ],
        ),
        (
            inside(relations=[["r", 7, "worker", DML, 7, []], ["r", 7, "", ["SELECT"], 1, ["a"]]]),
            ["REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;"],
        ),
        (inside(relations=[]), []),
        (
            inside(defaults=[["r", "web", "worker", DML], ["r", "web", "", ["SELECT"]]]),
            [
                f"{DEFAULTS} REVOKE ALL ON TABLES FROM PUBLIC;",
                f'{DEFAULTS} GRANT SELECT, USAGE ON SEQUENCES TO "worker";',
            ],
        ),
    ],
)
def test_what_differs_in_a_database_is_put_back(posthog: dict[str, Any], statements: list[str]) -> None:
    assert said(posthog=posthog) == statements


NARROW = {"reader": narrow.tables_of(READER), "writer": narrow.tables_of(WRITER)}
AS_DECLARED = [
    ["r", 2, "reader", ["SELECT"], 1, ["team"]],
    ["r", 2, "writer", ["SELECT"], 1, ["team"]],
    ["r", 2, "writer", DML, 1, ["person"]],
    ["S", 2, "writer", ["SELECT", "USAGE"], 1, ["person_id_seq"]],
]


def narrowed(*rows: list[Any], **others: Any) -> list[str]:
    """What is said about a role that reads one table, and one that writes another as well."""
    return list(narrow.narrowed(NARROW, inside(relations=list(rows), **others)))


def test_a_role_with_its_own_tables_is_let_be() -> None:
    assert narrowed(*AS_DECLARED) == []


@pytest.mark.parametrize(
    ("rows", "others", "statements"),
    [
        (
            AS_DECLARED[1:],
            {},
            ['GRANT SELECT ON TABLE public."team" TO "reader";'],
        ),
        (
            [["r", 2, "reader", DML, 1, ["person"]], *AS_DECLARED],
            {},
            ['REVOKE ALL ON TABLE public."person" FROM "reader";'],
        ),
        (
            [["r", 2, "reader", DML, 1, ["team"]], *AS_DECLARED[1:]],
            {},
            ['REVOKE ALL ON TABLE public."team" FROM "reader";', 'GRANT SELECT ON TABLE public."team" TO "reader";'],
        ),
        (
            [["r", 2, "reader", DML, 2, []], ["S", 2, "reader", ["SELECT", "USAGE"], 2, []], *AS_DECLARED[1:]],
            {},
            [
                'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "reader";',
                'REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM "reader";',
                'GRANT SELECT ON TABLE public."team" TO "reader";',
            ],
        ),
        ([], {"tables": [], "sequences": []}, []),
        (
            [],
            {"tables": ["team"], "sequences": [["team_id_seq", "team"]]},
            ['GRANT SELECT ON TABLE public."team" TO "reader";', 'GRANT SELECT ON TABLE public."team" TO "writer";'],
        ),
    ],
)
def test_a_role_gets_just_its_own_tables(rows: list[Any], others: dict[str, Any], statements: list[str]) -> None:
    assert narrowed(*rows, **others) == statements


def test_one_with_its_own_tables_is_given_no_other_nor_one_to_come() -> None:
    wanted = {**WANTED, "roles": [WEB, WORKER, READER]}
    state = inside(schema=[["worker", "USAGE"], ["reader", "USAGE"]])
    state["relations"].append(AS_DECLARED[0])
    state["at_birth"] = narrow.body({"reader": NARROW["reader"]})
    assert plan.in_database("posthog", wanted, [["worker", "CONNECT"], ["reader", "CONNECT"]], state) == []


def test_tables_to_come_are_told_once() -> None:
    body = narrow.body(NARROW)
    assert list(narrow.at_birth(NARROW, body)) == []
    assert list(narrow.at_birth({}, None)) == []
    assert list(narrow.at_birth({}, body)) == ["DROP EVENT TRIGGER IF EXISTS hedgerow_at_birth;"]
    _drop, _schema, function, _trigger = narrow.at_birth(NARROW, "another")
    assert "('team', 'reader', 'SELECT')" in function
    assert "('person', 'writer', 'DELETE, INSERT, SELECT, UPDATE')" in function
    assert "SECURITY DEFINER" not in function, "it gives what the maker of a table may give, and nothing else"


def test_a_new_server_gets_roles_first_and_the_database_after_them() -> None:
    lines = plan.planned(WANTED, plan.NO_SERVER, {})[""]
    assert [line.split('"')[0] for line in lines] == [
        "CREATE ROLE ",
        "CREATE ROLE ",
        "ALTER ROLE ",
        "CREATE DATABASE ",
    ]
    assert "LOCALE_PROVIDER builtin" in lines[-1]


def test_an_older_server_is_not_asked_for_what_it_does_not_know() -> None:
    lines = plan.planned(WANTED, plan.NO_SERVER | {"version": 16}, {})[""]
    assert "builtin" not in lines[-1]


def test_a_changed_password_is_sent_as_a_verifier_and_the_same_one_is_not_sent() -> None:
    stale = server(roles=[POSTGRES, role("web", "old"), role("worker", "mellon", limit=10)])
    (line,) = said(stale)
    assert line.startswith('ALTER ROLE "web" PASSWORD \'SCRAM-SHA-256$4096:')
    assert "open-sesame" not in line


def test_a_verifier_is_the_one_that_postgresql_makes() -> None:
    """The example of RFC 7677, 3, in PostgreSQL's notation."""
    verifier = plan.scram("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert plan.proves(verifier, "pencil")
    assert not plan.proves(verifier, "pen")
    assert not plan.proves("md5abc", "pencil")
    assert not plan.proves(None, "pencil")


def test_a_password_that_scram_would_normalise_is_refused() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        plan.scram("paßwort", b"salt")


def test_names_and_texts_cannot_end_their_quotes() -> None:
    assert plan.quoted('a"b') == '"a""b"'
    assert plan.text("a'b") == "'a''b'"
