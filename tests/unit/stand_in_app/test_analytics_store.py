"""The analytics store's decisions: ClickHouse's files, who may come in, and what HTTP makes of a statement."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from analytics_store.answering import Request, answer
from analytics_store.config import Config, ConfigError, User, read_config

CLOSED = "".join(
    f'<{port} remove="remove"/>'
    for port in ("http_port", "tcp_port", "mysql_port", "postgresql_port", "interserver_http_port")
)
SECURE = (
    "<https_port>8443</https_port><openSSL><server><certificateFile>/crt</certificateFile>"
    "<privateKeyFile>/key</privateKeyFile></server></openSSL>"
)
HASH = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"  # "password"
JANE = f"<jane><password_sha256_hex>{HASH}</password_sha256_hex><networks><ip>192.0.2.0/24</ip></networks></jane>"
NO_DEFAULT = '<default remove="remove"/>'


def read(folder: Path, server: str = CLOSED + SECURE, users: str = NO_DEFAULT + JANE, more: str = "") -> Config:
    for name, content in (("config.d", server), ("users.d", f"{more}<users>{users}</users>")):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "hedgerow.xml").write_text(f"<clickhouse>{content}</clickhouse>")
    return read_config(folder)


def test_the_real_servers_files_are_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        more="<profiles><short><max_execution_time>3</max_execution_time></short>"
        "<web><profile>short</profile><readonly>1</readonly></web></profiles>",
        users=NO_DEFAULT + JANE.replace("</jane>", "<profile>web</profile><grants><query>GRANT SELECT ON a.*</query>"
                                        "</grants></jane>"),
    )  # fmt: skip
    assert (config.https_port, config.http_port, config.listen) == (8443, None, ("127.0.0.1",))
    [jane] = config.users.values()
    assert jane == User(
        "jane", HASH, ("192.0.2.0/24",), "web", ("GRANT SELECT ON a.*",), "default",
        {"max_execution_time": "3", "readonly": "1"},
    )  # fmt: skip


def test_a_later_file_wins_and_what_nobody_closes_is_open(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "config.d/z.xml").write_text(
        "<clickhouse><https_port>9443</https_port><http_port>8123</http_port></clickhouse>"
    )
    config = read_config(tmp_path)
    assert (config.https_port, config.http_port) == (9443, 8123)
    (tmp_path / "users.d/hedgerow.xml").unlink()
    assert read_config(tmp_path).users["default"].digest == ""


def test_a_secure_port_that_is_not_spoken_stays_closed_and_is_told(tmp_path: Path) -> None:
    config = read(tmp_path, CLOSED + SECURE + "<tcp_port_secure>9440</tcp_port_secure>")
    assert config.unopened == ("tcp_port_secure",)


def test_a_secret_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_PASSWORD", "secret-word")
    config = read(tmp_path, CLOSED + SECURE + '<kafka><sasl_password from_env="LOG_PASSWORD"/></kafka>')
    assert config.kafka == {"sasl.password": "secret-word"}


@pytest.mark.parametrize(
    ("server", "users", "words"),
    [
        (SECURE, JANE, "tcp_port is open and this stand-in does not speak it"),
        (CLOSED + SECURE + '<https_port from_env="NOWHERE"/>', JANE, "needs NOWHERE"),
        (CLOSED, JANE, "neither https_port nor http_port"),
        (CLOSED + "<https_port>8443</https_port>", JANE, "needs openSSL/server/certificateFile"),
        (CLOSED + "<https_port>x</https_port>", JANE, "https_port is not a number"),
        (CLOSED + SECURE.replace("</server>", "<new/></server>"), JANE, "openSSL/server/new is not understood"),
        (CLOSED + SECURE, "<a/>", "users/a needs exactly one of password"),
        (CLOSED + SECURE, "<a><password>hunter2</password></a>", "users/a/password is in the clear"),
        (CLOSED + SECURE, "<a><password_sha256_hex>ab</password_sha256_hex></a>", "not 64 hexadecimal digits"),
        (CLOSED + SECURE, JANE.replace("</jane>", "<profile>x</profile></jane>"), "there is no profile x"),
        (CLOSED + SECURE, JANE.replace("</jane>", "<ldap/></jane>"), "users/jane/ldap is not understood"),
        (CLOSED + SECURE, JANE.replace("ip>", "host_regexp>"), "networks/host_regexp is not understood"),
        (
            CLOSED + SECURE,
            JANE.replace("</jane>", "<grants><query>GRANT ALL ON *.* TO x</query></grants></jane>"),
            "is not a GRANT",
        ),
        (
            CLOSED + SECURE,
            JANE.replace("</jane>", "<grants><query>SET x = 1</query></grants></jane>"),
            "is not a GRANT",
        ),
        ("<", JANE, "config.d"),
    ],
)
def test_what_is_not_understood_is_refused_without_a_secret(
    tmp_path: Path, server: str, users: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read(tmp_path, server, users)
    assert "hunter2" not in str(refused.value)


@dataclass
class Engine:
    """Remembers what it was asked."""

    version: str = "26.9"
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def kind(self, statement: str) -> int:
        return 0 if statement.startswith("SELECT") else 1

    def query(
        self,
        user: User,
        statement: str,
        form: str,
        database: str,
        values: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> bytes:
        self.asked.append((user.name, statement, form, database, dict(values), dict(settings)))
        return b"1\n"


USERS = {"jane": User("jane", HASH, ("192.0.2.0/24",), "default", None), "open": User("open", "", ("::/0",), "d", None)}
HERE = "192.0.2.7"


def asked(**more: object) -> Request:
    given = {"method": "POST", "target": "/?query=SELECT+1", "peer": HERE, **more}
    return Request(**given)  # type: ignore[arg-type]


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "target", "peer", "code"),
    [
        (basic("jane", "password"), "/?query=SELECT+1", HERE, ""),
        ({"x-clickhouse-user": "jane", "x-clickhouse-key": "password"}, "/?query=SELECT+1", HERE, ""),
        ({}, "/?query=SELECT+1&user=jane&password=password", HERE, ""),
        (basic("open", ""), "/?query=SELECT+1", "2001:db8::1", ""),
        (basic("jane", "password"), "/?query=SELECT+1", f"::ffff:{HERE}", ""),
        (basic("jane", "wrong"), "/?query=SELECT+1", HERE, "516"),
        (basic("jane", ""), "/?query=SELECT+1", HERE, "516"),
        (basic("nobody", "password"), "/?query=SELECT+1", HERE, "516"),
        (basic("jane", "password"), "/?query=SELECT+1", "198.51.100.1", "516"),
        (basic("jane", "password"), "/?query=SELECT+1&user=jane", HERE, "516"),
        ({"authorization": "Bearer x"}, "/?query=SELECT+1", HERE, "516"),
        ({}, "/?query=SELECT+1", HERE, "516"),
    ],
)
def test_who_comes_in(headers: dict[str, str], target: str, peer: str, code: str) -> None:
    engine = Engine()
    reply = answer(asked(headers=headers, target=target, peer=peer), USERS, engine)
    assert dict(reply.headers).get("X-ClickHouse-Exception-Code", "") == code
    assert bool(engine.asked) is not bool(code)
    assert reply.status == (403 if code else 200)


def test_a_wrong_password_and_a_wrong_name_are_told_the_same() -> None:
    told = [answer(asked(headers=basic(who, "x")), USERS, Engine()).body for who in ("jane", "nobo")]
    assert told[0].replace(b"jane", b"nobo") == told[1]


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "wanted"),
    [
        ("GET", "/?query=SELECT+1", b"", 200, "SELECT 1"),
        ("POST", "/", b"SELECT 2", 200, "SELECT 2"),
        ("POST", "/?query=INSERT+INTO+t+FORMAT+CSV", b"1,2", 200, "INSERT INTO t FORMAT CSV\n1,2"),
        ("GET", "/?query=DROP+TABLE+t", b"", 500, None),
        ("PUT", "/?query=SELECT+1", b"", 501, None),
        ("POST", "/?query=SELECT+1&session_id=a", b"", 501, None),
        ("POST", "/?query=SELECT+1&a;b=1", b"", 404, None),
        ("POST", "/", b"\xff", 501, None),
        ("POST", "/other", b"SELECT 1", 404, None),
    ],
)
def test_what_becomes_of_a_request(method: str, target: str, body: bytes, status: int, wanted: str | None) -> None:
    engine = Engine()
    headers = basic("jane", "password")
    assert answer(asked(method=method, target=target, body=body, headers=headers), USERS, engine).status == status
    assert [row[1] for row in engine.asked] == ([wanted] if wanted else [])


def test_parameters_settings_and_the_database_reach_the_engine() -> None:
    engine = Engine()
    target = "/?query=SELECT+1&database=d&param_x=it's&max_threads=2&default_format=JSON"
    answer(asked(target=target, headers=basic("jane", "password")), USERS, engine)
    assert engine.asked == [("jane", "SELECT 1", "JSON", "d", {"x": "it's"}, {"max_threads": "2"})]


def test_the_log_is_told_who_and_how_it_ended_and_nothing_of_the_query() -> None:
    reply = answer(asked(target="/?query=SELECT+'private'", headers=basic("jane", "password")), USERS, Engine())
    assert reply.said == "jane read"


@pytest.mark.parametrize("target", ["/ping", "/", "/replicas_status"])
def test_everybody_may_ask_whether_it_is_there(target: str) -> None:
    assert answer(Request("GET", target), USERS, Engine()).body == b"Ok.\n"


DECLARES = "<functions><function><name>f</name><command>v1/f steps</command></function></functions>"


def named(folder: Path) -> str:
    return (
        f"<user_scripts_path>{folder}</user_scripts_path><format_schema_path>{folder}/idl</format_schema_path>"
        f"<user_defined_executable_functions_config>{folder}/f.xml</user_defined_executable_functions_config>"
    )


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "v1").mkdir(parents=True)
    (folder / "idl").mkdir()
    (folder / "idl/events.json").touch()
    (folder / "f.xml").write_text(DECLARES)
    (folder / "v1/f").write_text("#!/bin/sh\n")
    (folder / "v1/f").chmod(0o755)
    return folder


def test_functions_are_where_the_configuration_says(tmp_path: Path, functions: Path) -> None:
    config = read(tmp_path, CLOSED + SECURE + named(functions))
    assert config.functions is not None
    assert (config.functions.scripts, config.functions.config) == (str(functions), f"{functions}/f.xml")
    assert read(tmp_path, CLOSED + SECURE).functions is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda top: (top / "v1/f").unlink(), "v1/f is no program"),
        (lambda top: (top / "v1/f").chmod(0o644), "v1/f is no program"),
        (lambda top: (top / "f.xml").unlink(), "No such file"),
        (lambda top: (top / "f.xml").write_text("<functions/>"), "declares no function"),
        (lambda top: (top / "idl/events.json").unlink(), "holds no schemas"),
    ],
)
def test_without_what_it_names_it_does_not_start(
    tmp_path: Path, functions: Path, change: Callable[[Path], object], words: str
) -> None:
    change(functions)
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, CLOSED + SECURE + named(functions))
