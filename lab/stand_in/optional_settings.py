"""What the environment says to the services of optional features, under upstream's names.

Modules read: nodejs/src/config and nodejs/src/ingestion/error-tracking, rust/cymbal/src/config.rs,
rust/cyclotron-janitor/src/config.rs, posthog/settings/temporal.py, auto-setup of temporalio/docker-builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stand_in import objects
from stand_in.settings import (
    CA_FILE,
    Settings,
    SettingsError,
    cache_faults,
    database_faults,
    log_faults,
    on_loopback,
    plain_cache_faults,
    way_faults,
)

NEEDS = {
    "plugins": ("DATABASE_URL", "CYCLOTRON_DATABASE_URL", "KAFKA_HOSTS", "REDIS_URL", "ENCRYPTION_SALT_KEYS"),
    "cyclotron-janitor": ("DATABASE_URL", "KAFKA_HOSTS", "KAFKA_TOPIC"),
    "ingestion-error-tracking": ("DATABASE_URL", "KAFKA_HOSTS", "REDIS_URL", "ERROR_TRACKING_CYMBAL_BASE_URL"),
    "cymbal": ("DATABASE_URL", "ISSUE_BUCKETS_REDIS_URL", "OBJECT_STORAGE_ENDPOINT", "OBJECT_STORAGE_BUCKET"),
    "temporal": ("POSTGRES_SEEDS", "POSTGRES_USER", "POSTGRES_PWD", "SQL_CA"),
    "temporal-django-worker": ("DATABASE_URL", "TEMPORAL_HOST", "TEMPORAL_PORT", "TEMPORAL_TASK_QUEUE"),
    "browserless": ("TOKEN",),
}
CACHES = ("REDIS_URL", "ISSUE_BUCKETS_REDIS_URL")
DATABASES = ("DATABASE_URL", "CYCLOTRON_DATABASE_URL")
SHORTEST_TOKEN = 20
# What makes Temporal, and the tool that makes its tables, speak TLS to PostgreSQL and verify the other side's name.
TEMPORAL_TLS = {
    "SQL_TLS_ENABLED": "true",
    "SQL_HOST_VERIFICATION": "true",
    "POSTGRES_TLS_ENABLED": "true",
    "POSTGRES_TLS_DISABLE_HOST_VERIFICATION": "false",
    "SKIP_DB_CREATE": "true",  # the role owns its databases and makes none
    "ENABLE_ES": "false",
}


@dataclass(frozen=True)
class OptionalSettings:
    """One service's settings; `base` are those that it has in common with the others."""

    base: Settings
    jobs_url: str = ""
    topic: str = ""
    cymbal_url: str = ""
    temporal: str = ""
    task_queue: str = ""
    token: str = ""
    environment: Mapping[str, str] | None = None


def read_optional(service: str, environment: Mapping[str, str]) -> OptionalSettings:
    """Return the settings of a service. Raises SettingsError naming every variable that is missing or dangerous."""
    wrong = [f"{name} is not set" for name in NEEDS[service] if not environment.get(name)]
    for name in DATABASES:
        wrong += [f"{name}: {fault}" for fault in database_faults(environment.get(name, ""))]
    # Cymbal's client of Redis verifies against public CAs alone, as those of upstream's other Rust services.
    faults_of = plain_cache_faults if service == "cymbal" else cache_faults
    for name in CACHES:
        wrong += [f"{name}: {fault}" for fault in faults_of(environment.get(name, ""))]
    wrong += log_faults(environment)
    wrong += way_faults(environment) + _temporal_faults(environment)
    if service == "temporal":
        wrong += [f"{name} is not {value}" for name, value in TEMPORAL_TLS.items() if environment.get(name) != value]
        wrong += [] if environment.get("SQL_CA") == environment.get("POSTGRES_TLS_CA_FILE") else ["two CAs are named"]
    if service == "cymbal":
        wrong += objects.faults(environment, "OBJECT_STORAGE_")
    if service == "browserless" and len(environment.get("TOKEN", "")) < SHORTEST_TOKEN:
        wrong.append(f"TOKEN has fewer than {SHORTEST_TOKEN} characters")
    if wrong:
        raise SettingsError("; ".join(wrong))
    return OptionalSettings(
        base=Settings(
            redis_url=environment.get("REDIS_URL") or environment.get("ISSUE_BUCKETS_REDIS_URL", ""),
            database_url=_temporal_url(environment) if service == "temporal" else environment.get("DATABASE_URL", ""),
            ca_file=environment.get("SSL_CERT_FILE", CA_FILE),
            kafka_hosts=environment.get("KAFKA_HOSTS", ""),
        ),
        jobs_url=environment.get("CYCLOTRON_DATABASE_URL", ""),
        topic=environment.get("KAFKA_TOPIC", ""),
        cymbal_url=environment.get("ERROR_TRACKING_CYMBAL_BASE_URL", ""),
        temporal=f"{environment.get('TEMPORAL_HOST', '')}:{environment.get('TEMPORAL_PORT', '')}",
        task_queue=environment.get("TEMPORAL_TASK_QUEUE", ""),
        token=environment.get("TOKEN", ""),
        environment=environment,
    )


def _temporal_faults(environment: Mapping[str, str]) -> list[str]:
    host = environment.get("TEMPORAL_HOST", "")
    return ["TEMPORAL_HOST is not on the own loopback, and plain"] if host and not on_loopback(host) else []


def _temporal_url(environment: Mapping[str, str]) -> str:
    """Put together what Temporal's parts say: its role, its database, and that the server's name is verified."""
    role, word = environment.get("POSTGRES_USER", ""), environment.get("POSTGRES_PWD", "")
    place = f"{environment.get('POSTGRES_SEEDS', '')}:{environment.get('DB_PORT', '5432')}"
    name = environment.get("DBNAME", "temporal")
    return f"postgres://{role}:{word}@{place}/{name}?sslmode=verify-full&sslrootcert={environment.get('SQL_CA', '')}"
