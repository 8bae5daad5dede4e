"""ClickHouse's own configuration files, config.d and users.d over its defaults, read into what this server does.

The defaults are upstream's, the dangerous ones too: plain ports are open and `default` needs no password until a file
says otherwise. So a file that forgets to close them is seen here as it would be with the real server. Keys come from
ClickHouse's documentation ("Server settings", "User settings").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from analytics_store.functions import Functions, read_functions
from analytics_store.merging import ConfigError, merged, strangers, word, words

__all__ = ["Config", "ConfigError", "User", "read_config"]

FOLDER = Path("/etc/clickhouse-server")
DATA = "/var/lib/clickhouse"
SERVER = """
<clickhouse>
  <http_port>8123</http_port><tcp_port>9000</tcp_port><mysql_port>9004</mysql_port>
  <postgresql_port>9005</postgresql_port><interserver_http_port>9009</interserver_http_port>
</clickhouse>
"""
USERS = """
<clickhouse>
  <profiles><default/></profiles><quotas><default/></quotas>
  <users><default><password/><networks><ip>::/0</ip></networks><profile>default</profile></default></users>
</clickhouse>
"""
UNSPOKEN = ("tcp_port", "tcp_with_proxy_port", "mysql_port", "postgresql_port", "grpc_port", "interserver_http_port")
UNOPENED = ("tcp_port_secure", "interserver_https_port")  # secure ones: told to the log, and not opened here
TLS = (
    *("certificateFile", "privateKeyFile", "caConfig", "verificationMode", "loadDefaultCAFile", "cacheSessions"),
    *("disableProtocols", "preferServerCiphers", "dhParamsFile"),
)
MODES = ("none", "relaxed", "once", "strict")
USER = (
    *("password", "password_sha256_hex", "no_password", "networks", "profile", "quota", "grants", "default_database"),
    *("access_management", "named_collection_control"),
)
KAFKA = re.compile(r"[a-z][a-z_]*")
SETTING = re.compile(r"[a-z][a-z0-9_]*")
DEEPEST = 8


@dataclass(frozen=True)
class User:
    """Who may sign in. `digest` is SHA-256 in hex, empty where no password is asked; no `grants` means everything."""

    name: str
    digest: str
    networks: tuple[str, ...]
    profile: str
    grants: tuple[str, ...] | None
    database: str = "default"
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """The server's configuration. `profiles` is XML for the engine, for its constraints; `kafka` is librdkafka's.

    `backups` is where BACKUP and RESTORE may go; "" where the files name no place.
    """

    https_port: int | None
    http_port: int | None
    listen: tuple[str, ...]
    certificate: str = ""
    key: str = ""
    authority: str = ""
    client_certificates: bool = False
    path: str = DATA
    users: Mapping[str, User] = field(default_factory=dict)
    profiles: str = "<profiles/>"
    kafka: Mapping[str, str] = field(default_factory=dict)
    brokers: str = ""
    unopened: tuple[str, ...] = ()
    backups: str = ""
    functions: Functions | None = None


def read_config(folder: Path = FOLDER) -> Config:
    """Return the configuration. Raises ConfigError with everything that is wrong with it."""
    server, people = merged(SERVER, folder / "config.d"), merged(USERS, folder / "users.d")
    wrong = [
        f"{port} is open and this stand-in does not speak it: remove it"
        for port in UNSPOKEN
        if server.find(port) is not None
    ]
    tls = server.find("openSSL/server")
    https, http = _port(server, "https_port", wrong), _port(server, "http_port", wrong)
    mode = word(server, "openSSL/server/verificationMode", "relaxed")
    if tls is not None:
        wrong += strangers(tls, TLS, "openSSL/server")
    if mode not in MODES:
        wrong.append(f"openSSL/server/verificationMode is none of {', '.join(MODES)}")
    if https is None and http is None:
        wrong.append("neither https_port nor http_port is set")
    if https is not None and not (
        word(server, "openSSL/server/certificateFile") and word(server, "openSSL/server/privateKeyFile")
    ):
        wrong.append("https_port needs openSSL/server/certificateFile and privateKeyFile")
    kafka = _kafka(server, wrong)
    functions = read_functions(server, wrong)
    users = _users(people, wrong)
    if wrong:
        raise ConfigError("; ".join(wrong))
    profiles = people.find("profiles")
    return Config(
        https_port=https,
        http_port=http,
        listen=tuple(words(server, "listen_host")) or ("127.0.0.1",),
        certificate=word(server, "openSSL/server/certificateFile"),
        key=word(server, "openSSL/server/privateKeyFile"),
        authority=word(server, "openSSL/server/caConfig"),
        client_certificates=mode == "strict",
        path=word(server, "path", DATA),
        users=users,
        profiles="<profiles/>" if profiles is None else ElementTree.tostring(profiles, encoding="unicode"),
        kafka=kafka,
        brokers=word(server, "named_collections/msk_cluster/kafka_broker_list"),
        backups=word(server, "backups/allowed_path"),
        functions=functions,
        unopened=tuple(port for port in UNOPENED if server.find(port) is not None),
    )


def _port(server: ElementTree.Element, name: str, wrong: list[str]) -> int | None:
    if server.find(name) is None:
        return None
    text = word(server, name)
    if not text.isdecimal():
        wrong.append(f"{name} is not a number")
        return None
    return int(text)


def _kafka(server: ElementTree.Element, wrong: list[str]) -> dict[str, str]:
    """Read librdkafka's settings, which ClickHouse spells with underscores."""
    section = server.find("kafka")
    settings = {}
    for child in () if section is None else section:
        if len(child) or not KAFKA.fullmatch(child.tag):
            wrong.append(f"kafka/{child.tag} is not understood")
        settings[child.tag.replace("_", ".")] = (child.text or "").strip()
    return settings


def _users(people: ElementTree.Element, wrong: list[str]) -> dict[str, User]:
    users, profiles = {}, {child.tag for child in people.findall("profiles/*")}
    for element in people.findall("users/*"):
        name, place = element.tag, f"users/{element.tag}"
        wrong += strangers(element, USER, place)
        networks = element.find("networks")
        if networks is not None:
            wrong += strangers(networks, ("ip",), f"{place}/networks")
        ways = [tag for tag in ("password", "password_sha256_hex", "no_password") if element.find(tag) is not None]
        if len(ways) != 1:
            wrong.append(f"{place} needs exactly one of password, password_sha256_hex and no_password")
        digest = word(element, "password_sha256_hex").lower()
        if ways == ["password_sha256_hex"] and not re.fullmatch("[0-9a-f]{64}", digest):
            wrong.append(f"{place}/password_sha256_hex is not 64 hexadecimal digits")
        if word(element, "password"):
            wrong.append(f"{place}/password is in the clear: this stand-in takes password_sha256_hex")
        if word(element, "access_management", "0") != "0":
            wrong.append(f"{place}/access_management: this stand-in keeps no users of its own")
        profile = word(element, "profile", "default")
        if profile not in profiles:
            wrong.append(f"{place}/profile: there is no profile {profile}")
        settings = _settings(people, profile)
        wrong += [f"profiles/{profile}: {key} is not a setting" for key in settings if not SETTING.fullmatch(key)]
        grants = tuple(words(element, "grants/query")) if element.find("grants") is not None else None
        wrong += [f"{place}/grants: {query!r} is not a GRANT" for query in grants or () if not _is_grant(query)]
        users[name] = User(
            name,
            digest,
            tuple(words(element, "networks/ip")),
            profile,
            grants,
            word(element, "default_database", "default"),
            settings,
        )
    return users


def _settings(people: ElementTree.Element, profile: str, depth: int = 0) -> dict[str, str]:
    """Return the settings of a profile, those of the profiles it builds upon included."""
    found: dict[str, str] = {}
    for child in people.findall(f"profiles/{profile}/*") if depth < DEEPEST else ():
        text = (child.text or "").strip()
        if child.tag == "profile":
            found |= _settings(people, text, depth + 1)
        elif child.tag != "constraints":
            found[child.tag] = text
    return found


def _is_grant(query: str) -> bool:
    return bool(re.fullmatch(r"(?is)\s*(GRANT|REVOKE)\s[^;]+", query)) and not re.search(
        r"(?i)\s(TO|FROM)\s+\S+\s*$", query
    )
