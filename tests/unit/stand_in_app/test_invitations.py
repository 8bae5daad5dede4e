"""Invitations: who may make one, that it is good once and for a while, and what is refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pytest
from stand_in.api import Api
from stand_in.invitations import Invitations
from stand_in.records import Row

from tests.unit.stand_in_app.test_api import (  # noqa: F401 - fixtures are found by their names here
    JANE,
    api,
    ask,
    cheap,
    jane,
    said,
)

BOB = "bob@acme.example"
ANSWER = {"first_name": "Bob", "password": "correct horse battery"}


@dataclass
class Kept:
    """The tables of invitations, in memory; whoever joins becomes a person of the store."""

    api: Api
    rows: dict[uuid.UUID, Row] = field(default_factory=dict)
    expired: bool = False

    def is_member(self, organization: object, email: str) -> bool:
        return self.api.store.person(email) is not None

    def invite(self, row: Row) -> Row:
        self.rows = {key: kept for key, kept in self.rows.items() if kept["target_email"] != row["target_email"]}
        made = {**row, "id": uuid.uuid4()}
        self.rows[made["id"]] = made
        return made

    def invitation(self, which: uuid.UUID) -> Row | None:
        found = self.rows.get(which)
        return {**found, "expired": self.expired, "organization_name": "Acme"} if found else None

    def join(self, invitation: Row, password: str, first_name: str) -> bool:
        people = self.api.store.people  # type: ignore[attr-defined]
        if invitation["target_email"] in people:
            return False
        owner = next(iter(people.values()))
        people[BOB] = {**owner, "id": 2, "email": BOB, "password": password, "level": invitation["level"]}
        del self.rows[invitation["id"]]
        return True


@pytest.fixture
def kept(api: Api) -> Kept:  # noqa: F811
    return Kept(api)


@pytest.fixture
def invitations(api: Api, kept: Kept) -> Invitations:  # noqa: F811
    return Invitations(api, kept)


def invited(invitations: Invitations, headers: dict[str, str], **given: object) -> str:
    reply = invitations.create(ask("POST", {"target_email": BOB, **given}, **headers), "@current")
    assert reply.status == 201
    return str(said(reply)["id"])


def test_an_invitation_is_good_once(invitations: Invitations, jane: dict[str, str]) -> None:  # noqa: F811
    number = invited(invitations, jane, level=8)
    assert said(invitations.look(ask("GET"), number))["target_email"] == BOB
    assert invitations.accept(ask("POST", ANSWER), number).status == 201
    assert invitations.accept(ask("POST", ANSWER), number).status == 400
    assert invitations.look(ask("GET"), number).status == 400


def test_a_second_one_takes_the_place_of_the_first(invitations: Invitations, jane: dict[str, str]) -> None:  # noqa: F811
    first, second = invited(invitations, jane), invited(invitations, jane)
    assert invitations.look(ask("GET"), first).status == 400
    assert invitations.look(ask("GET"), second).status == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"target_email": "bob"}, 400),
        ({"target_email": JANE["email"]}, 400),
        ({"target_email": BOB, "level": 2}, 400),
    ],
)
def test_what_is_no_invitation(invitations: Invitations, jane: dict[str, str], given: Row, status: int) -> None:  # noqa: F811
    assert invitations.create(ask("POST", given, **jane), "@current").status == status


def test_nobody_invites_above_herself_or_without_a_session(
    invitations: Invitations,
    api: Api,  # noqa: F811
    jane: dict[str, str],  # noqa: F811
) -> None:
    api.store.people[JANE["email"]]["level"] = 1  # type: ignore[attr-defined]
    assert invitations.create(ask("POST", {"target_email": BOB, "level": 8}, **jane), "@current").status == 403
    assert invitations.create(ask("POST", {"target_email": BOB}), "@current").status == 401


def test_a_late_answer_and_a_short_password(
    invitations: Invitations,
    kept: Kept,
    jane: dict[str, str],  # noqa: F811
) -> None:
    number = invited(invitations, jane)
    assert invitations.accept(ask("POST", {**ANSWER, "password": "short"}), number).status == 400
    assert invitations.accept(ask("POST", {"first_name": "Bob"}), number).status == 400
    kept.expired = True
    assert said(invitations.accept(ask("POST", ANSWER), number))["code"] == "expired"
    assert invitations.look(ask("GET"), "no-number").status == 400
