"""What the environment says, under upstream's names (posthog/settings/access.py, web.py, data_stores.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

TWO_WEEKS = 14 * 24 * 3600
CA_FILE = "/etc/hedgerow/ca.crt"
ADDRESSES = {"web": "0.0.0.0:8000", "capture": "0.0.0.0:3000", "feature-flags": "0.0.0.0:3001"}
CAPTURE_MODES = ("events", "recordings")
TRUE = ("y", "yes", "t", "true", "on", "1")
NEEDS = {
    "web": ("SITE_URL", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"),
    "worker": ("DATABASE_URL", "REDIS_URL"),
    "capture": ("REDIS_URL",),
    "feature-flags": ("READ_DATABASE_URL", "REDIS_URL"),
}


class SettingsError(Exception):
    """The environment is not one to start with; the message never repeats a value."""


@dataclass(frozen=True)
class Settings:
    """One service's settings. `session_seconds` and `ca_file` have upstream's or the deployment's defaults."""

    redis_url: str
    database_url: str = ""
    secret_key: str = ""
    site_url: str = ""
    allowed_hosts: tuple[str, ...] = ("*",)
    behind_proxy: bool = False
    secure_cookies: bool = True
    https_only: bool = True
    session_seconds: int = TWO_WEEKS
    opted_out: bool = False
    worker_role: str = ""
    capture_mode: str = "events"
    address: str = ""
    ca_file: str = CA_FILE


def read_settings(service: str, environment: Mapping[str, str]) -> Settings:
    """Return the settings of a service. Raises SettingsError naming every variable that is missing or dangerous."""
    wrong = [f"{name} is not set" for name in NEEDS[service] if not environment.get(name)]
    wrong += [f"REDIS_URL: {fault}" for fault in cache_faults(environment.get("REDIS_URL", ""))]
    database = next((name for name in NEEDS[service] if name.endswith("DATABASE_URL")), "")
    wrong += [f"{database}: {fault}" for fault in database_faults(environment.get(database, ""))]
    mode = environment.get("CAPTURE_MODE", "events")
    if service == "capture" and mode not in CAPTURE_MODES:
        wrong.append(f"CAPTURE_MODE is neither of {', '.join(CAPTURE_MODES)}")
    if service == "web" and len(environment.get("SECRET_KEY", "")) < 50:
        wrong.append("SECRET_KEY has fewer than 50 characters")
    if wrong:
        raise SettingsError("; ".join(wrong))
    secure = _flag(environment, "SECURE_COOKIES", True)
    return Settings(
        redis_url=environment["REDIS_URL"],
        database_url=environment.get(database, ""),
        secret_key=environment.get("SECRET_KEY", ""),
        site_url=environment.get("SITE_URL", "").rstrip("/"),
        allowed_hosts=tuple(_words(environment.get("ALLOWED_HOSTS", "*"))),
        behind_proxy=_flag(environment, "IS_BEHIND_PROXY", False),
        secure_cookies=secure,
        https_only=secure and not _flag(environment, "DISABLE_SECURE_SSL_REDIRECT", False),
        session_seconds=int(environment.get("SESSION_COOKIE_AGE", TWO_WEEKS)),
        opted_out=_flag(environment, "OPT_OUT_CAPTURE", False),
        worker_role=environment.get("HEDGEROW_WORKER_ROLE", ""),
        capture_mode=mode,
        address=environment.get("ADDRESS", ADDRESSES.get(service, "")),
        ca_file=environment.get("SSL_CERT_FILE", CA_FILE),
    )


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


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    value = environment.get(name)
    return default if value is None else value.strip().lower() in TRUE
