"""Who is seen to reach what, how it is reviewed, and which ways in are closed."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import pytest

from hedgerow.declaration import Administrator
from hedgerow.people import Access, DatabaseRole, HostAccount, account_of, ending, invited_of, member_of, role_of
from hedgerow.people.asking import members_query
from hedgerow.people.removing import host_ways, member_ways, role_way
from hedgerow.people.review import COLUMNS, table

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"


def person(name: str, expires: str | None = None) -> Administrator:
    return Administrator.model_validate({"name": name, "ssh_keys": [KEY], "expires": expires})


def said(**differing: Any) -> dict[str, Any]:
    usual = {
        "name": "jane", "shell": True, "expires": "", "today": "2026-03-01", "password": False,
        "keys": ["SHA256:abc (ED25519)"], "files": ["/etc/ssh/hedgerow-keys/jane"],
        "sudo": ["(ALL : ALL) NOPASSWD: ALL"], "groups": ["jane", "hedgerow-ssh"], "allowed": ["hedgerow-ssh"],
        "pam": True, "last_login": "", "since": "2026-01-01T00:00:00Z", "processes": 2,
    }  # fmt: skip
    return usual | differing


CLOSED = said(shell=False, expires="1", keys=[], sudo=[], groups=["jane"], processes=0)
PEOPLE = [person("jane"), person("eve", "2026-02-28")]


@pytest.mark.parametrize(
    ("told", "declared", "opens", "expires"),
    [
        (said(), "administrator", True, ""),
        (said(expires="20514"), "administrator", True, "2026-03-02"),
        (said(expires="20513"), "administrator", False, "2026-03-01"),
        (said(shell=False), "administrator", False, ""),
        (said(name="eve"), "", True, ""),
        (said(name="mallory"), "", True, ""),
        (said(name="debian"), "installer", True, ""),
        (said(name="root"), "root", False, ""),
    ],
)
def test_an_account_is_held_against_the_declaration(told, declared, opens, expires) -> None:
    seen = account_of("one", told, PEOPLE, "debian")
    assert (seen.declared, seen.opens, seen.expires) == (declared, opens, expires)


@pytest.mark.parametrize(
    ("differing", "still_open"),
    [
        ({}, set()),
        ({"keys": ["SHA256:abc (ED25519)"]}, set()),
        ({"keys": ["SHA256:abc (ED25519)"], "groups": ["jane", "hedgerow-ssh"]}, {"SSH key", "SSH account"}),
        ({"groups": ["jane", "hedgerow-ssh"]}, {"SSH account"}),
        ({"allowed": []}, {"SSH account"}),
        ({"shell": True, "expires": ""}, {"login"}),
        ({"password": True}, {"password"}),
        ({"sudo": ["(root) NOPASSWD: /usr/bin/id"]}, {"sudo"}),
        ({"processes": 1}, {"running sessions"}),
    ],
)
def test_each_way_into_a_host_is_tried(differing, still_open) -> None:
    ways = host_ways("one", "jane", [account_of("one", CLOSED | differing, [], "debian")])
    assert {way.way for way in ways if not way.closed} == still_open
    assert len(ways) == 6


def test_an_account_that_is_not_there_is_no_way() -> None:
    assert [way.closed for way in host_ways("one", "jane", [])] == [True]


def test_a_role_of_ones_own_is_a_way_into_the_database() -> None:
    roles = [role_of("one", {"name": "jane", "superuser": False, "until": None, "sessions": 0}, [])]
    assert not role_way("one", "jane", roles).closed
    assert role_way("one", "bob", roles).closed


GONE = {"active": False, "password": False, "sessions": 0, "keys": None, "tokens": 0, "level": None}


@pytest.mark.parametrize(
    ("differing", "still_open"),
    [
        ({}, set()),
        ({"sessions": None}, set()),
        ({"level": 1}, {"membership"}),
        ({"password": True}, {"password", "sessions"}),
        ({"sessions": 1}, {"sessions"}),
        ({"keys": [{}], "tokens": 1}, set()),
        ({"active": True}, {"password", "sessions"}),
        ({"active": True, "keys": [{}], "tokens": 1}, {"password", "sessions", "personal API keys", "OAuth tokens"}),
    ],
)
def test_each_way_into_posthog_is_tried(differing, still_open) -> None:
    ways = member_ways("PostHog", GONE | differing)
    assert {way.way for way in ways if not way.closed} == still_open


@pytest.mark.parametrize(
    ("today", "lines"),
    [
        (date(2026, 1, 1), ()),
        (date(2026, 2, 14), ("eve is let in no more from 2026-02-28 on, in 14 days",)),
        (date(2026, 2, 27), ("eve is let in no more from 2026-02-28 on, in 1 days",)),
        (
            date(2026, 2, 28),
            ("eve is let in no more since 2026-02-28: remove her from deploy.yml, or declare a later day",),
        ),
    ],
)
def test_a_day_that_comes_is_said_a_fortnight_before(today, lines) -> None:
    assert ending(PEOPLE, today) == lines


def test_a_review_has_a_line_for_everything_and_no_formula() -> None:
    key = {"label": "=cmd()", "since": "2026-01-01", "last_used": None, "scopes": ["query:read"]}
    member = member_of(
        {"email": "bob@acme.example", "level": 8, "active": True, "second_factor": "totp", "since": None,
         "last_login": None, "keys": [key], "sessions": 2, "tokens": 0, "password": True}
    )  # fmt: skip
    access = Access(
        "2026-03-01T00:00:00Z",
        (HostAccount("one", "mallory", "", True),),
        (member, invited_of({"email": "new@acme.example", "level": 1, "since": "2026-03-01"})),
        (DatabaseRole("one", "posthog_web", "service", False, "", 3),),
    )
    rows = list(csv.reader(io.StringIO(table(access))))
    assert tuple(rows[0]) == COLUMNS
    assert [row[0] for row in rows[1:]] == ["host account", "member", "API key", "member", "database role"]
    assert rows[1][3] == "no"
    assert rows[2][4] == "admin"
    assert rows[4][4:6] == ["invited as member", "yes"], "a link that makes a member is a way in"
    assert rows[3][9] == "'=cmd()", "a spreadsheet would run it"
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert "ways" not in str(access.as_json())


def test_tables_that_a_release_lacks_are_not_asked_for() -> None:
    assert "0 AS tokens" in members_query({"posthog_user"})
    assert "FROM posthog_oauthaccesstoken" in members_query({"posthog_oauthaccesstoken"})
