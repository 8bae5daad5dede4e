"""The texts that a service's unit holds: how it is asked whether it is well, and where its secrets are found."""

from __future__ import annotations

from hedgerow import hops
from hedgerow.service_rows import Service
from hedgerow.stores import account, vault

INSIDE = "hedgerow.internal"
CA_FILE = "/etc/hedgerow/ca.crt"


def question(row: Service, domain: str, stand_in: bool) -> tuple[str, ...]:
    """Return the command that asks a service, inside its container, whether it is well."""
    health = row.health
    if health.command:
        return health.stand_in_command if stand_in and health.stand_in_command else health.command
    if row.serves:
        return _verified(f"https://{row.name}.{INSIDE}:{row.port}{health.path}", stand_in)
    # As the edge would ask: Django refuses other host names and redirects what did not come over TLS.
    headers = {"Host": domain, "X-Forwarded-Proto": "https"}
    url = f"http://127.0.0.1:{row.port}{health.path}"
    program = f"import urllib.request as u; u.urlopen(u.Request('{url}', headers={headers}), timeout=4)"
    return ("python3", "-c", program)


def secret(row: Service, variable: str) -> str:
    """Return the name of the Podman secret that holds a variable of a service."""
    return f"hedgerow-{row.name}-{variable.lower().replace('_', '-')}"


def source_of(row: Service, source: str) -> str:
    """Return the text of a secret, in which the vault's values stand as references to them."""
    name = account(row)
    kind, _, database = source.partition(".")
    if source == "postgres_password":
        return vault(f"postgres.{name}")
    if kind == "postgres" and row.postgres:
        # libpq: verify-full is the one mode that also checks the name in the certificate.
        return (
            f"postgres://{name}:{vault(f'postgres.{name}')}@postgres.{INSIDE}:{hops.POSTGRES_PORT}"
            f"/{database or row.postgres.database}?sslmode=verify-full&sslrootcert={CA_FILE}"
        )
    if source == "valkey" and row.valkey:
        if row.valkey.sidecar:
            return f"redis://{name}:{vault(f'valkey.{name}')}@valkey.{INSIDE}:{hops.VALKEY_PORT}/0"
        return (
            f"rediss://{name}:{vault(f'valkey.{name}')}@valkey.{INSIDE}:{hops.VALKEY_PORT}"
            f"/0?ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs={CA_FILE}"
        )
    if source in ("clickhouse", "objects"):
        return vault(f"{source}.{name}")
    return vault(source)


def _verified(url: str, stand_in: bool) -> tuple[str, ...]:
    """Return how a store is asked over TLS, its name verified; stand-ins have no wget, and upstream's no Python."""
    if stand_in:
        program = f"import ssl, urllib.request as u; c = ssl.create_default_context(cafile='{CA_FILE}')"
        return ("python3", "-c", f"{program}; u.urlopen('{url}', timeout=4, context=c)")
    return ("wget", "--quiet", "--spider", f"--ca-certificate={CA_FILE}", url)
