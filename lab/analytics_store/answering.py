"""ClickHouse's HTTP interface, without sockets: one request in, one answer out.

Sources: ClickHouse documentation, "HTTP Interface"; the words and numbers of refusals as the server gives them
(Code: 516 for a wrong password and an unknown user alike; 164 for a GET that would change something).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from analytics_store.config import User

WRONG = "{}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
BY_GET = (
    "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly."
    " You should use method POST for modifying queries. (READONLY)"
)
STATUS = {516: 403, 497: 403, 62: 400, 36: 400, 27: 400, 60: 404, 81: 404, 115: 404, 47: 404, 48: 501}
OURS = frozenset({"query", "database", "user", "password", "default_format", "query_id", "wait_end_of_query"})
KINDS = {"JSON": "application/json", "JSONEachRow": "application/x-ndjson", "CSV": "text/csv"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Runs(Protocol):
    """What an engine does for the answers."""

    version: str

    def kind(self, statement: str) -> int:
        """Return 0 for a statement that only reads."""

    def query(
        self,
        user: User,
        statement: str,
        form: str,
        database: str,
        values: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> bytes:
        """Run a statement."""


@dataclass(frozen=True)
class Request:
    """One request. `headers` have lower-case names; `target` is the path with its query; `peer` is an address."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """One answer; `said` is what the log is told: who, what kind, how it ended, and nothing of the query."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    said: str = ""


class RefusedError(Exception):
    """The server's own refusal, before the engine is asked."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def answer(request: Request, users: Mapping[str, User], engine: Runs) -> Answer:
    """Answer one request."""
    url = urlsplit(request.target)
    if url.path in ("/ping", "/replicas_status") or (
        url.path == "/" and not url.query and not request.body and request.method == "GET"
    ):
        return Answer(200, b"Ok.\n", (("Content-Type", "text/plain; charset=UTF-8"),))
    if url.path not in ("/", "/query"):
        return Answer(404, b"There is no handle %s\n" % url.path.encode(), said="no such path")
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    number, who = query.get("query_id") or str(uuid.uuid4()), ""
    try:
        if request.method not in ("GET", "POST", "HEAD"):
            raise RefusedError(48, "the method is neither GET nor POST. (NOT_IMPLEMENTED)")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RefusedError(48, "the stand-in takes no compressed body. (NOT_IMPLEMENTED)")
        user = signed_in(request, query, users)
        who = user.name
        return _run(request, query, user, engine, number)
    except Exception as error:
        code, words = getattr(error, "code", 1000), getattr(error, "words", "")
        if not words:
            raise
        return Answer(
            STATUS.get(code, 500),
            f"Code: {code}. DB::Exception: {words} (version {engine.version} (Hedgerow stand-in))\n".encode(),
            (
                ("Content-Type", "text/plain; charset=UTF-8"),
                ("X-ClickHouse-Exception-Code", str(code)),
                ("X-ClickHouse-Query-Id", number),
            ),
            f"{who or '-'} refused {code}",
        )


def signed_in(request: Request, query: Mapping[str, str], users: Mapping[str, User]) -> User:
    """Return who asks. Raises RefusedError, with the same words whether the user or the password is wrong."""
    name, password = _credentials(request, query)
    user = users.get(name)
    given = hashlib.sha256(password.encode()).hexdigest()
    right = hmac.compare_digest(given, user.digest if user and user.digest else given)
    if user is None or not right or not _from_there(request.peer, user.networks):
        raise RefusedError(516, WRONG.format(name))
    return user


def _credentials(request: Request, query: Mapping[str, str]) -> tuple[str, str]:
    headers = request.headers
    ways = []
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        ways.append((headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")))
    if headers.get("authorization"):
        kind, _, value = headers["authorization"].partition(" ")
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise RefusedError(
                516, "Invalid authentication: the Authorization header cannot be read. (AUTHENTICATION_FAILED)"
            ) from None
        if kind.lower() != "basic":
            raise RefusedError(516, "Invalid authentication: only Basic is taken. (AUTHENTICATION_FAILED)")
        ways.append((name, password))
    if "user" in query or "password" in query:
        ways.append((query.get("user", "default"), query.get("password", "")))
    if len(ways) > 1:
        raise RefusedError(
            516, "Invalid authentication: more than one way of signing in was used. (AUTHENTICATION_FAILED)"
        )
    return ways[0] if ways else ("default", "")


def _from_there(peer: str, networks: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(peer)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    anywhere = any(network == "::/0" for network in networks)  # upstream's way to write "from everywhere"
    return anywhere or any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def _run(request: Request, query: Mapping[str, str], user: User, engine: Runs, number: str) -> Answer:
    statement = _statement(query.get("query", ""), request.body)
    if not statement.strip():
        raise RefusedError(62, "Syntax error: Empty query. (SYNTAX_ERROR)")
    values = {key.removeprefix("param_"): value for key, value in query.items() if key.startswith("param_")}
    settings = {key: value for key, value in query.items() if key not in OURS and not key.startswith("param_")}
    for key in (*values, *settings):
        if not NAME.fullmatch(key):
            raise RefusedError(115, f"Unknown setting {key!r}. (UNKNOWN_SETTING)")
    if "session_id" in settings:
        raise RefusedError(48, "the stand-in keeps no sessions. (NOT_IMPLEMENTED)")
    kind = engine.kind(statement)
    if kind != 0 and request.method != "POST":
        raise RefusedError(164, BY_GET)
    form = query.get("default_format") or request.headers.get("x-clickhouse-format") or "TabSeparated"
    if not NAME.fullmatch(form):
        raise RefusedError(73, f"Unknown format {form!r}. (UNKNOWN_FORMAT)")
    database = query.get("database") or request.headers.get("x-clickhouse-database") or user.database
    result = engine.query(user, statement, form, database, values, settings)
    headers = (
        ("Content-Type", KINDS.get(form, "text/tab-separated-values; charset=UTF-8")),
        ("X-ClickHouse-Format", form),
        ("X-ClickHouse-Query-Id", number),
    )
    return Answer(200, result, headers, f"{user.name} {'wrote' if kind else 'read'}")


def _statement(begun: str, body: bytes) -> str:
    """The statement is the parameter, the body, or the parameter with the body as its data."""
    try:
        rest = body.decode()
    except UnicodeDecodeError:
        raise RefusedError(48, "the stand-in takes text only. (NOT_IMPLEMENTED)") from None
    return f"{begun}\n{rest}" if begun and rest else begun or rest
