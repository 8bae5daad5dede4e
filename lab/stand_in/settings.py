"""What the environment says, under upstream's names (posthog/settings/access.py, web.py, data_stores.py)."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from stand_in import objects
from stand_in.addresses import METRICS_PORTS, address_of

TWO_WEEKS = 14 * 24 * 3600
CA_FILE = "/etc/hedgerow/ca.crt"
OBJECTS = {
    "web": "OBJECT_STORAGE_",
    "ingestion-sessionreplay": "SESSION_RECORDING_V2_S3_",
    "recording-api": "SESSION_RECORDING_V2_S3_",
}
# Their client of Redis verifies against public CAs alone (rust/Cargo.toml: redis with tls-rustls-webpki-roots).
PUBLIC_CAS_ALONE = ("capture", "feature-flags", "hypercache-server")
CAPTURE_MODES = ("events", "recordings")
TRUE = ("y", "yes", "t", "true", "on", "1")
NEEDS = {
    "web": ("SITE_URL", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"),
    "worker": ("DATABASE_URL", "REDIS_URL"),
    "capture": ("REDIS_URL",),
    "ingestion": ("DATABASE_URL", "KAFKA_HOSTS"),
    "ingestion-sessionreplay": ("DATABASE_URL", "KAFKA_HOSTS"),
    "recording-api": ("CLICKHOUSE_HOST", "RECORDING_API_JWT_SECRET"),
    "feature-flags": ("READ_DATABASE_URL", "REDIS_URL"),
    "hypercache-server": ("REDIS_URL",),
    "livestream": ("LIVESTREAM_JWT_SECRET",),
    "personhog-replica": ("PRIMARY_DATABASE_URL",),
    "personhog-router": ("REPLICA_URL",),
    "property-defs-rs": ("DATABASE_URL", "KAFKA_HOSTS"),
}
LOG = ("KAFKA_SASL_USER", "KAFKA_SASL_PASSWORD")
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
ANALYTICS = ("CLICKHOUSE_HOST", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD")


class SettingsError(Exception):
    """The environment is not one to start with; the message never repeats a value."""


@dataclass(frozen=True)
class Settings:
    """One service's settings. `session_seconds` and `ca_file` have upstream's or the deployment's defaults."""

    redis_url: str = ""
    database_url: str = ""
    secret_key: str = ""
    site_url: str = ""
    allowed_hosts: tuple[str, ...] = ("*",)
    behind_proxy: bool = False
    secure_cookies: bool = True
    https_only: bool = True
    session_seconds: int = TWO_WEEKS
    opted_out: bool = False
    forced_flags: tuple[str, ...] = ()
    worker_roles: tuple[str, ...] = ()
    capture_mode: str = "events"
    address: str = ""
    ca_file: str = CA_FILE
    kafka_hosts: str = ""
    kafka_topic: str = ""
    kafka_mechanism: str = ""
    kafka_user: str = ""
    kafka_password: str = ""
    clickhouse_host: str = ""
    clickhouse_user: str = ""
    clickhouse_password: str = ""
    clickhouse_database: str = "default"
    clickhouse_ca: str = CA_FILE
    objects: objects.Place | None = None
    recording_api_url: str = ""
    recording_api_secret: str = field(default="", repr=False)
    persons: str = ""
    replica: str = ""
    backend_seconds: float = 5.0
    metrics_port: int = 0
    live_events: str = ""
    destinations: str = ""
    jobs_url: str = ""


def read_settings(service: str, environment: Mapping[str, str]) -> Settings:
    """Return the settings of a service. Raises SettingsError naming every variable that is missing or dangerous."""
    wrong = [f"{name} is not set" for name in NEEDS[service] if not environment.get(name)]
    cache = environment.get("REDIS_URL", "")
    if service in PUBLIC_CAS_ALONE:
        wrong += [f"REDIS_URL: {fault}" for fault in plain_cache_faults(cache)]
    else:
        wrong += [f"REDIS_URL: {fault}" for fault in cache_faults(cache)]
    database = next((name for name in NEEDS[service] if name.endswith("DATABASE_URL")), "")
    for each in filter(None, (database, "CYCLOTRON_DATABASE_URL")):
        wrong += [f"{each}: {fault}" for fault in database_faults(environment.get(each, ""))]
    mode = environment.get("CAPTURE_MODE", "events")
    if service == "capture" and mode not in CAPTURE_MODES:
        wrong.append(f"CAPTURE_MODE is neither of {', '.join(CAPTURE_MODES)}")
    secret = "LIVESTREAM_JWT_SECRET" if service == "livestream" else "SECRET_KEY"
    if service in ("web", "livestream") and len(environment.get(secret, "")) < 50:
        wrong.append(f"{secret} has fewer than 50 characters")
    if service in ("capture", "ingestion", "ingestion-sessionreplay", "property-defs-rs"):
        wrong += log_faults(environment)
    wrong += way_faults(environment)
    if service == "property-defs-rs":
        # Upstream's own defaults: it would look, and write nothing down.
        wrong += [f"{name} is not false" for name in ("SKIP_WRITES", "SKIP_READS") if _flag(environment, name, True)]
    if service in ("web", "recording-api"):
        wrong += analytics_faults(environment)
    storage = OBJECTS.get(service, "")
    if service == "web" and not _flag(environment, "OBJECT_STORAGE_ENABLED", False):
        storage = ""
    wrong += objects.faults(environment, storage) if storage else []
    wrong += playing_faults(environment) if service == "web" else []
    if wrong:
        raise SettingsError("; ".join(wrong))
    ca = environment.get("SSL_CERT_FILE", CA_FILE)
    secure = _flag(environment, "SECURE_COOKIES", True)
    return Settings(
        redis_url=environment.get("REDIS_URL", ""),
        database_url=environment.get(database, ""),
        secret_key=environment.get(secret, ""),
        site_url=environment.get("SITE_URL", "").rstrip("/"),
        allowed_hosts=tuple(_words(environment.get("ALLOWED_HOSTS", "*"))),
        behind_proxy=_flag(environment, "IS_BEHIND_PROXY", False),
        secure_cookies=secure,
        https_only=secure and not _flag(environment, "DISABLE_SECURE_SSL_REDIRECT", False),
        session_seconds=int(environment.get("SESSION_COOKIE_AGE", TWO_WEEKS)),
        opted_out=_flag(environment, "OPT_OUT_CAPTURE", False),
        forced_flags=tuple(_words(environment.get("PERSISTED_FEATURE_FLAGS", ""))),
        worker_roles=tuple(_words(environment.get("HEDGEROW_WORKER_ROLE", ""))),
        capture_mode=mode,
        address=address_of(service, environment),
        ca_file=ca,
        kafka_hosts=environment.get("KAFKA_HOSTS", ""),
        kafka_topic=environment.get("KAFKA_TOPIC", "events_plugin_ingestion"),
        kafka_mechanism=environment.get("KAFKA_SASL_MECHANISM", ""),
        kafka_user=environment.get("KAFKA_SASL_USER", ""),
        kafka_password=environment.get("KAFKA_SASL_PASSWORD", ""),
        clickhouse_host=environment.get("CLICKHOUSE_HOST", ""),
        clickhouse_user=environment.get("CLICKHOUSE_USER", ""),
        clickhouse_password=environment.get("CLICKHOUSE_PASSWORD", ""),
        clickhouse_database=environment.get("CLICKHOUSE_DATABASE", "default"),
        clickhouse_ca=environment.get("CLICKHOUSE_CA") or ca,
        objects=objects.place(environment, storage, ca) if storage else None,
        recording_api_url=environment.get("RECORDING_API_URL", ""),
        recording_api_secret=environment.get("RECORDING_API_JWT_SECRET", ""),
        persons=environment.get("PERSONHOG_ADDR", "") if _flag(environment, "PERSONHOG_ENABLED", False) else "",
        replica=environment.get("REPLICA_URL", "").removeprefix("http://"),
        backend_seconds=int(environment.get("BACKEND_TIMEOUT_MS", "5000")) / 1000,
        metrics_port=int(environment.get("METRICS_PORT", METRICS_PORTS.get(service, 0))),
        live_events=environment.get("LIVESTREAM_HOST", ""),
        destinations=environment.get("CDP_API_URL", ""),
        jobs_url=environment.get("CYCLOTRON_DATABASE_URL", ""),
    )


def plain_cache_faults(url: str) -> list[str]:
    """Say what is wrong with the REDIS_URL of a service that cannot verify our CA: its own loopback, or nothing."""
    if not url:
        return []
    parts = urlsplit(url)
    faults = [
        "" if parts.scheme == "redis" else "the scheme is not redis, and upstream's client knows public CAs alone",
        "" if parts.username and parts.password else "no user and password",
        "" if on_loopback(parts.hostname or "") else "not on the own loopback, and plain",
    ]
    return [fault for fault in faults if fault]


def way_faults(environment: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the ways to other services: plain to a side-car on the own loopback, or none."""
    places = {
        "PERSONHOG_ADDR": environment.get("PERSONHOG_ADDR", ""),
        "REPLICA_URL": environment.get("REPLICA_URL", ""),
        "CDP_API_URL": environment.get("CDP_API_URL", ""),
        "ERROR_TRACKING_CYMBAL_BASE_URL": environment.get("ERROR_TRACKING_CYMBAL_BASE_URL", ""),
    }
    return [
        f"{name}: not on the own loopback, and plain"
        for name, place in places.items()
        if place and not on_loopback(place.removeprefix("http://").rpartition(":")[0])
    ]


def cache_faults(url: str) -> list[str]:
    """Say what is wrong with a REDIS_URL: a named user's account over verified TLS, or nothing."""
    if not url:
        return []
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    wanted = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    weaker = [name for name, value in wanted.items() if options.get(name, [value])[-1].lower() != value]
    faults = [
        "" if parts.scheme == "rediss" else "the scheme is not rediss",
        "" if parts.username and parts.password else "no user and password",
        *(f"{name} is not {wanted[name]}" for name in weaker),
    ]
    return [fault for fault in faults if fault]


def database_faults(url: str) -> list[str]:
    """Say what is wrong with a DATABASE_URL: anything but verify-full would take any server's word."""
    if not url:
        return []
    mode = parse_qs(urlsplit(url).query).get("sslmode", [""])[0]
    return [] if mode == "verify-full" else ["sslmode is not verify-full"]


def log_faults(environment: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the way to the event log: a side-car on the own loopback, or SCRAM over TLS; or none."""
    hosts = environment.get("KAFKA_HOSTS", "")
    if not hosts:
        return []
    if environment.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") == "PLAINTEXT":
        far = [host for host in _words(hosts) if not on_loopback(host.rpartition(":")[0])]
        return [f"KAFKA_HOSTS: {host} is not on the own loopback, and plain" for host in far]
    wrong = [f"{name} is not set" for name in LOG if not environment.get(name)]
    if environment.get("KAFKA_SECURITY_PROTOCOL") != "SASL_SSL":
        wrong.append("KAFKA_SECURITY_PROTOCOL is not SASL_SSL")
    if environment.get("KAFKA_SASL_MECHANISM") not in MECHANISMS:
        wrong.append(f"KAFKA_SASL_MECHANISM is none of {', '.join(MECHANISMS)}")
    return wrong


def on_loopback(host: str) -> bool:
    """Say whether a name stands for this container itself."""
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def analytics_faults(environment: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the way to the analytics store: a named user over verified TLS; or none at all."""
    if not environment.get("CLICKHOUSE_HOST"):
        return []
    wrong = [f"{name} is not set" for name in ANALYTICS if not environment.get(name)]
    wrong += [
        f"{name} is not true"
        for name in ("CLICKHOUSE_SECURE", "CLICKHOUSE_VERIFY")
        if not _flag(environment, name, True)
    ]
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", environment.get("CLICKHOUSE_DATABASE", "default")):
        wrong.append("CLICKHOUSE_DATABASE is not a name")
    return wrong


def playing_faults(environment: Mapping[str, str]) -> list[str]:
    """Say what is wrong with the way to recording-api: a side-car on the own loopback, and a secret; or none at all."""
    url = environment.get("RECORDING_API_URL", "")
    if not url:
        return []
    wrong = [] if environment.get("RECORDING_API_JWT_SECRET") else ["RECORDING_API_JWT_SECRET is not set"]
    near = on_loopback(urlsplit(url).hostname or "")
    return wrong + ([] if near else ["RECORDING_API_URL: not on the own loopback, and plain"])


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    value = environment.get(name)
    return default if value is None else value.strip().lower() in TRUE
