"""Persons: the messages as they travel, and a question that goes by the router to the replica, over real gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from stand_in.asgi import Reply, Request
from stand_in.calls import REPLICA, SERVICE, Client, Persons, PersonsError, Server, UnavailableError
from stand_in.messages import MessageError, Person, answered, answering, asked, asking
from stand_in.people import People

JANE = Person(7, "00000000-0000-0000-0000-000000000001", 3, {"email": "é@a.example"}, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(("team", "distinct_id"), [(1, "jane"), (2**40, "é\n" * 200), (0, ""), (-1, "x")])
def test_a_question_is_the_same_when_it_arrives(team: int, distinct_id: str) -> None:
    assert asked(asking(team, distinct_id)) == (team, distinct_id)


def test_the_bytes_are_those_of_protocol_buffers() -> None:
    """As `protoc --encode` writes team_id: 300 distinct_id: "a"."""
    assert asking(300, "a") == b"\x08\xac\x02\x12\x01a"


def test_an_answer_is_the_same_when_it_arrives() -> None:
    assert answered(answering(JANE)) == JANE
    assert answered(answering(None)) is None


def test_fields_of_a_later_upstream_are_passed_over() -> None:
    later = b"\x60\x01\x6d\x00\x00\x00\x00\x71" + bytes(8)
    assert asked(asking(1, "a") + later) == (1, "a")


@pytest.mark.parametrize("message", [b"\xff", b"\x12\x05a", b"\x0b", b"\x80" * 11, b"\x12\x01\xff", b"\x0a\x01a"])
def test_what_is_no_question_is_told_so(message: bytes) -> None:
    with pytest.raises(MessageError):
        asked(message)


@pytest.fixture
def replica() -> Iterator[tuple[Server, str]]:
    def person(message: bytes) -> bytes:
        team, distinct_id = asked(message)
        if distinct_id == "broken":
            raise UnavailableError("no database")
        return answering(JANE if (team, distinct_id) == (3, "jane") else None)

    server = Server({REPLICA: person})
    yield server, f"127.0.0.1:{server.start('127.0.0.1:0')}"
    server.stop()


@pytest.fixture
def router(replica: tuple[Server, str]) -> Iterator[str]:
    behind = Client(replica[1], REPLICA)
    server = Server({SERVICE: behind.ask})
    yield f"127.0.0.1:{server.start('127.0.0.1:0')}"
    server.stop()
    behind.close()


def test_a_person_is_found_by_way_of_the_router(router: str) -> None:
    persons = Persons(router)
    assert persons.of(3, "jane") == JANE
    assert persons.of(3, "john") is None
    assert persons.of(4, "jane") is None


def test_a_database_that_is_away_is_told_and_nobody_made_up(router: str) -> None:
    with pytest.raises(PersonsError, match="UNAVAILABLE"):
        Persons(router).of(3, "broken")


def test_a_replica_that_is_gone_is_told(router: str, replica: tuple[Server, str]) -> None:
    replica[0].stop()
    with pytest.raises(PersonsError, match="UNAVAILABLE"):
        Persons(router).of(3, "jane")


@pytest.mark.parametrize(("method", "message"), [("/a.B/C", b""), (REPLICA, b"\xff")])
def test_neither_another_method_nor_nonsense_is_answered(
    replica: tuple[Server, str], method: str, message: bytes
) -> None:
    with pytest.raises(UnavailableError, match=r"UNIMPLEMENTED|INVALID_ARGUMENT"):
        Client(replica[1], method).ask(message)


class Asked:
    """The API's word about who asks."""

    def __init__(self, refused: Reply | None = None) -> None:
        self.refused = refused

    def caller(self, _request: Request, scope: str) -> object:
        assert scope == "person:read"
        return self.refused or type("Caller", (), {"team": 3})()

    def team_fault(self, _caller: object, which: str) -> bool:
        return which != "3"


PAGES = [
    (Request("GET", "/", {"distinct_id": "jane"}), "3", 200, JANE.uuid),
    (Request("GET", "/", {"distinct_id": "john"}), "3", 200, '"results": []'),
    (Request("GET", "/", {"distinct_id": "jane"}), "4", 404, "Not found"),
    (Request("GET", "/"), "3", 400, "distinct_id"),
    (Request("GET", "/", {"distinct_id": "broken"}), "3", 503, "does not answer"),
]


@pytest.mark.parametrize(("request_", "which", "status", "words"), PAGES)
def test_web_shows_whom_the_router_names(router: str, request_: Request, which: str, status: int, words: str) -> None:
    reply = People(Asked(), Persons(router)).persons(request_, which)
    assert (reply.status, words in reply.body.decode()) == (status, True), reply.body


def test_web_shows_nobody_to_a_stranger_or_without_a_service(router: str) -> None:
    asks = Request("GET", "/", {"distinct_id": "jane"})
    assert People(Asked(Reply(401)), Persons(router)).persons(asks, "3").status == 401
    assert People(Asked(), None).persons(asks, "3").status == 503
